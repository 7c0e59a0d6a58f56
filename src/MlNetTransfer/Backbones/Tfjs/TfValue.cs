namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>A tensor of the TF.js model during the import, and the ONNX tensor that carries it.</summary>
/// <param name="Name">Name of the ONNX tensor.</param>
/// <param name="Shape">Dimensions in TensorFlow's order; -1 for the batch.</param>
/// <param name="ChannelsFirst">The ONNX tensor is NCHW while TensorFlow's is NHWC; else both have the same
/// order.</param>
/// <param name="Constant">The values, where they are constant; such a tensor is written where and how it is
/// used.</param>
internal sealed record TfValue(string Name, IReadOnlyList<long> Shape, bool ChannelsFirst, TfTensor? Constant = null)
{
    public int Rank => Shape.Count;

    public long Channels => Shape[^1];

    /// <summary>Dimensions of the ONNX tensor.</summary>
    public IReadOnlyList<long> PhysicalShape => ChannelsFirst ? [Shape[0], Shape[3], Shape[1], Shape[2]] : Shape;

    /// <summary>Axis of the ONNX tensor for an axis in TensorFlow's order; negative axes count from the end.</summary>
    public long PhysicalAxis(long axis)
    {
        long positive = axis < 0 ? axis + Rank : axis;
        return ChannelsFirst
            ? positive switch
            {
                1 => 2,
                2 => 3,
                3 => 1,
                _ => positive,
            }
            : positive;
    }

    /// <summary>Height and width of NHWC images.</summary>
    public (long Height, long Width) Size => (Shape[1], Shape[2]);
}
