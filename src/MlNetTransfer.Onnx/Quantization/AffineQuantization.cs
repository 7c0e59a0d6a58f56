namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// How a tensor is kept in unsigned bytes: value = <see cref="Scale"/> · (byte - <see cref="ZeroPoint"/>), as ONNX's
/// QuantizeLinear and DequantizeLinear have it.
/// </summary>
/// <param name="Scale">Step between two neighbouring bytes; above 0.</param>
/// <param name="ZeroPoint">The byte that stands for 0.</param>
public readonly record struct AffineQuantization(float Scale, byte ZeroPoint)
{
    private const double FloatNormal = 1.17549435e-38;

    /// <summary>
    /// The finest steps that reach over a range. Zero is exact, since padding and rectified values are made of it: a
    /// range that does not hold zero is extended to it. scale = (high - low) / 255, zero point = round(-low / scale),
    /// halves to even. A range of nothing but zero has scale 1.
    /// </summary>
    /// <param name="range">The values to keep; those outside are clipped.</param>
    /// <exception cref="GraphException">The range is not finite or its ends are in the wrong order.</exception>
    public static AffineQuantization Of(ValueRange range)
    {
        if (!float.IsFinite(range.Low) || !float.IsFinite(range.High) || range.Low > range.High)
            throw new GraphException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"Values from {range.Low} to {range.High} cannot be quantised; a finite range was expected. "
                        + $"Does the model give infinite or undefined values for the images it is calibrated on?"
                )
            );
        double low = Math.Min(range.Low, 0),
            high = Math.Max(range.High, 0),
            scale = (high - low) / byte.MaxValue;
        // Below the smallest normal number, kernels that flush denormals would divide by zero.
        if (scale < FloatNormal)
            return new AffineQuantization(1, 0);
        float step = (float)scale;
        return new AffineQuantization(
            step,
            (byte)Math.Clamp(Math.Round(-low / step, MidpointRounding.ToEven), 0, byte.MaxValue)
        );
    }

    /// <summary>The byte of a value: round(value / scale), halves to even, + zero point, clipped to [0, 255].</summary>
    public byte Quantize(float value) =>
        (byte)Math.Clamp(MathF.Round(value / Scale, MidpointRounding.ToEven) + ZeroPoint, 0, byte.MaxValue);

    /// <summary>The value of a byte.</summary>
    public float Dequantize(byte value) => Scale * (value - ZeroPoint);
}
