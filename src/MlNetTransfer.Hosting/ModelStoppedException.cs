namespace MlNetTransfer.Hosting;

/// <summary>A request came, or was still waiting, when the host was shutting down.</summary>
/// <param name="model">Name of the model.</param>
public sealed class ModelStoppedException(string model)
    : TransferException(
        $"Model '{model}' is stopped, because its host is shutting down. Send the request to another instance, or "
            + $"again after the restart."
    );
