namespace MlNetTransfer.Onnx.Quantization;

/// <summary>How the range of a tensor is chosen from the values it was seen to take.</summary>
public enum CalibrationMethod
{
    /// <summary>From the least to the greatest value. Nothing is clipped; one outlier makes all steps coarse.</summary>
    MinMax,

    /// <summary>Between two quantiles, so that a stated share of the values is kept.</summary>
    Percentile,

    /// <summary>
    /// Where the quantised distribution diverges least from the one seen (Migacz, 8-bit Inference with TensorRT, 2017).
    /// </summary>
    Entropy,
}
