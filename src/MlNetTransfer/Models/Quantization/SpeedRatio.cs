namespace MlNetTransfer.Models.Quantization;

/// <summary>Speed of int8 beside float32 on the same images without decoding, one thread, in turns.</summary>
/// <param name="FloatImagesPerSecond">Of float32, the median round.</param>
/// <param name="Int8ImagesPerSecond">Of int8, the median round.</param>
/// <param name="Ratio">Int8 over float32: the median of the rounds' ratios.</param>
/// <param name="LeastRatio">The least ratio of a round.</param>
/// <param name="MostRatio">The greatest ratio of a round.</param>
/// <param name="Rounds">Rounds.</param>
public sealed record SpeedRatio(
    double FloatImagesPerSecond,
    double Int8ImagesPerSecond,
    double Ratio,
    double LeastRatio,
    double MostRatio,
    int Rounds
);
