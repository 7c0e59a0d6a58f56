namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// Weights in signed bytes, a scale for each output channel, and no zero point: weight = scale[channel] · value.
/// </summary>
/// <param name="Values">Quantised weights, in the layout of the float ones.</param>
/// <param name="Scales">Scales [channels], each above 0.</param>
public sealed record QuantizedWeights(sbyte[] Values, float[] Scales)
{
    /// <summary>
    /// Quantises weights: scale = max |w| / m over the channel, value = round(w / scale), halves to even, where m is
    /// 127, or 63 with <see cref="WeightBits.Seven"/>.
    /// </summary>
    /// <param name="weights">Weights [outer × channels × inner], row-major.</param>
    /// <param name="channels">Output channels.</param>
    /// <param name="inner">Values that lie together for a channel: kernel size for [out, in, h, w], 1 for [in,
    /// out].</param>
    /// <param name="bits">How much of the byte is used.</param>
    /// <param name="leastScales">Scales [channels] below which none may be, for biases that are kept in steps of it;
    /// null for no such bound. A channel of zeros takes its bound, or 1.</param>
    /// <exception cref="GraphException">A weight is not finite.</exception>
    public static QuantizedWeights Of(
        ReadOnlySpan<float> weights,
        int channels,
        int inner,
        WeightBits bits = WeightBits.Eight,
        ReadOnlySpan<float> leastScales = default
    )
    {
        float most = bits == WeightBits.Eight ? 127 : 63;
        var scales = new float[channels];
        for (int i = 0; i < weights.Length; i++)
        {
            if (!float.IsFinite(weights[i]))
                throw new GraphException(
                    FormattableString.Invariant(
                        $"Weight {i} is {weights[i]}; a finite number was expected. Train or export the model again."
                    )
                );
            ref float scale = ref scales[i / inner % channels];
            scale = Math.Max(scale, Math.Abs(weights[i]));
        }

        for (int c = 0; c < channels; c++)
        {
            float least = leastScales.IsEmpty ? 0 : leastScales[c];
            scales[c] = Math.Max(scales[c] / most, least);
            if (!float.IsNormal(scales[c]))
                scales[c] = 1;
        }

        var values = new sbyte[weights.Length];
        for (int i = 0; i < weights.Length; i++)
            values[i] = (sbyte)
                Math.Clamp(
                    MathF.Round(weights[i] / scales[i / inner % channels], MidpointRounding.ToEven),
                    -most,
                    most
                );
        return new QuantizedWeights(values, scales);
    }
}
