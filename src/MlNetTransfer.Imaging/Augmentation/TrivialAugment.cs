using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// One operation of fourteen, its strength one of 31, all equally likely, on each image: TrivialAugment Wide (Müller
/// and Hutter, TrivialAugment, 2021, table 1).
/// </summary>
public sealed record TrivialAugment : PixelOperation
{
    internal override void Apply(PixelFrame frame, PixelFrame scratch, Rng rng) =>
        TrivialAugmentation.Apply(frame, scratch, rng);
}
