namespace MlNetTransfer.Onnx.Quantization;

/// <summary>How much of a signed byte weights use.</summary>
public enum WeightBits
{
    /// <summary>
    /// [-127, 127]. On x64 CPUs without VNNI instructions ONNX Runtime adds pairs of products in 16 bits, which can
    /// overflow: see <see cref="Seven"/>.
    /// </summary>
    Eight,

    /// <summary>
    /// [-63, 63]: two products of such a weight and an unsigned byte fit 16 bits (2 · 63 · 255 = 32,130), so that no
    /// CPU clips them. Half the precision of the weights.
    /// </summary>
    Seven,
}
