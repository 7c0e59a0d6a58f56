namespace MlNetTransfer.Hosting;

/// <summary>A call of <c>AddTransferModel</c>.</summary>
/// <param name="Name">Name of the model and of its options.</param>
internal sealed record TransferModelRegistration(string Name);
