using System.Diagnostics.CodeAnalysis;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>The gradient of one tensor: the name of the tensor that holds it. A string converts to it.</summary>
/// <param name="Tensor">Name of a tensor of the backward pass.</param>
/// <param name="Compact">
/// Whether it is stored smaller than the tensor it belongs to, and stands for itself broadcast to that shape; the ranks
/// are equal. The gradient of a global pool is one number per map: it stays so until an operator needs all of it.
/// </param>
internal sealed record Gradient(string Tensor, bool Compact = false)
{
    [return: NotNullIfNotNull(nameof(tensor))]
    public static implicit operator Gradient?(string? tensor) => tensor is null ? null : new(tensor);
}
