using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>A constant of a graph.</summary>
/// <param name="Tensor">Where its values are.</param>
/// <param name="Shape">Its shape; where it is not the tensor's, of as many elements.</param>
/// <param name="Transposed">Whether it is the tensor, a matrix, transposed.</param>
/// <param name="Named">Whether it is an initializer, whose name says what it is.</param>
internal sealed record Constant(TensorProto Tensor, IReadOnlyList<long> Shape, bool Transposed, bool Named)
{
    /// <summary>Elements.</summary>
    public long Count => Shape.Aggregate(1L, (a, b) => a * b);

    /// <summary>The only element of a float constant of one.</summary>
    public float Single => TensorData.ToFloats(Tensor)[0];
}
