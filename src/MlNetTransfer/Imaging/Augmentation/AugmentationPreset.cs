namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>How strongly training images are varied; <see cref="AugmentationOptions.Of"/> gives the settings.</summary>
public enum AugmentationPreset
{
    /// <summary>Every draw is the image as it is scored.</summary>
    None,

    /// <summary>
    /// Mirrored half of the time, and cropped at random to 60 to 100 % of the area. Fits most fine-tuning.
    /// </summary>
    Light,

    /// <summary>
    /// Light, one TrivialAugment operation on each image, random erasing, and mixup or CutMix on batches. Fits long
    /// training on few images.
    /// </summary>
    Strong,
}
