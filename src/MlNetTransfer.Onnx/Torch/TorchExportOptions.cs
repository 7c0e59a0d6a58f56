namespace MlNetTransfer.Onnx.Torch;

/// <summary>What is exported of a model. Immutable.</summary>
public sealed record TorchExportOptions
{
    /// <summary>
    /// The tensor that <c>forward</c> returns; null for the model's first output. Name the logits to train on:
    /// PyTorch's and TorchSharp's cross-entropy take logits, not probabilities.
    /// </summary>
    public string? Output { get; init; }

    /// <summary>
    /// Namespace of the C# that is written for TorchSharp, for example <c>Acme.Vision</c>; null for none.
    /// </summary>
    public string? Namespace { get; init; }
}
