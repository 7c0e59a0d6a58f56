using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>Weights by name, as a file gives them. Immutable.</summary>
/// <param name="source">Where they come from, for messages.</param>
/// <param name="tensors">The tensors by name.</param>
/// <param name="metadata">What the file says besides; null where its format has no such place.</param>
public sealed class NamedTensors(
    string source,
    IReadOnlyDictionary<string, SafeTensor> tensors,
    IReadOnlyDictionary<string, string>? metadata = null
)
{
    /// <summary>Where they come from, for messages.</summary>
    public string Source { get; } = source;

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafeTensor> Tensors { get; } = tensors;

    /// <summary>The metadata of a .safetensors; null for the formats of torch.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; } = metadata;
}
