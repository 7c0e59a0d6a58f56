namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>How training images are varied. The default is not at all.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Random resized crop; null takes the backbone's framing. Default null.</summary>
    public RandomCrop? Crop { get; init; }

    /// <summary>Probability that an image is mirrored left to right; in [0, 1]. Default 0.</summary>
    public double FlipProbability { get; init => field = Check.InRange(value, 0, 1); }

    /// <summary>The settings of a preset.</summary>
    public static AugmentationOptions Of(AugmentationPreset preset) => preset switch
    {
        AugmentationPreset.None => new(),
        AugmentationPreset.Light => new() { Crop = new(), FlipProbability = 0.5 },
        AugmentationPreset.Strong => new() { Crop = new(), FlipProbability = 0.5 },
        _ => throw new ArgumentOutOfRangeException(nameof(preset), preset, "Presets are None, Light and Strong."),
    };
}
