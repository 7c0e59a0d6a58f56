using System.Text.Json;
using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// A random change of the pixels of a training image. Immutable; an operation is one record, with its settings, and
/// whoever wants it puts it into <see cref="AugmentationOptions.Operations"/>.
/// </summary>
public abstract record PixelOperation
{
    private protected PixelOperation() { }

    /// <summary>Finds settings that contradict each other.</summary>
    /// <exception cref="ArgumentException">They do; the message names them.</exception>
    internal virtual void CheckConsistent() { }

    /// <summary>Changes an image in place; all that is random comes from the generator.</summary>
    /// <param name="frame">The pixels.</param>
    /// <param name="scratch">A square of the same shape, for operations that need a copy; it may hold
    /// anything.</param>
    /// <param name="rng">Depends on the image and the variant alone.</param>
    internal abstract void Apply(PixelFrame frame, PixelFrame scratch, Rng rng);

    /// <summary>What its result depends on, as text.</summary>
    internal string Key() => $"{GetType().Name} {JsonSerializer.Serialize(this, GetType())}";

    /// <exception cref="ArgumentException">A smallest area is above its largest.</exception>
    internal static void CheckOrder(double smallest, double largest, string what)
    {
        if (smallest > largest)
            throw new ArgumentException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"The smallest area of the {what}, {smallest}, is above the largest, {largest}: exchange MinArea "
                        + $"and MaxArea."
                )
            );
    }
}
