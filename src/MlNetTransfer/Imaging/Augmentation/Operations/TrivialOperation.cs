namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>The operations of TrivialAugment; the last is <see cref="Equalize"/>.</summary>
internal enum TrivialOperation
{
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Saturation,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}
