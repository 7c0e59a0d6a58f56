namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>What a container's forward does.</summary>
/// <param name="Inputs">Values it takes, in the order in which they are made.</param>
/// <param name="Steps">In an order in which they can run.</param>
/// <param name="Outputs">Values it returns; at least one.</param>
internal sealed record TorchBody(
    IReadOnlyList<string> Inputs,
    IReadOnlyList<TorchStep> Steps,
    IReadOnlyList<string> Outputs
);
