namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>How training images are varied. The default is not at all.</summary>
public sealed record AugmentationOptions
{
    /// <summary>Random resized crop; null takes the backbone's framing. Default null.</summary>
    public RandomCrop? Crop { get; init; }

    /// <summary>Probability that an image is mirrored left to right; in [0, 1]. Default 0.</summary>
    public double FlipProbability
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    }

    /// <summary>Random changes of colour. Default null: none.</summary>
    public ColourJitter? Jitter { get; init; }

    /// <summary>
    /// One operation of fourteen, its strength one of 31, all equally likely, on each image: TrivialAugment Wide
    /// (Müller and Hutter, TrivialAugment, 2021, table 1). Default false.
    /// </summary>
    public bool TrivialAugment { get; init; }

    /// <summary>Random erasing. Default null: none.</summary>
    public RandomErasing? Erasing { get; init; }

    /// <summary>
    /// Mixup and CutMix, which <see cref="BatchMixer"/> does to batches; <see cref="ImageAugmenter"/> leaves it alone.
    /// Default null: none.
    /// </summary>
    public BatchMixing? Mixing { get; init; }

    /// <summary>The settings of a preset.</summary>
    public static AugmentationOptions Of(AugmentationPreset preset) =>
        preset switch
        {
            AugmentationPreset.None => new(),
            AugmentationPreset.Light => new() { Crop = new(), FlipProbability = 0.5 },
            AugmentationPreset.Strong => new()
            {
                Crop = new(),
                FlipProbability = 0.5,
                TrivialAugment = true,
                Erasing = new(),
                Mixing = new(),
            },
            _ => throw new ArgumentOutOfRangeException(nameof(preset), preset, "Presets are None, Light and Strong."),
        };
}
