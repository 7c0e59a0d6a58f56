using System.Buffers.Binary;
using System.Text.Json;

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

    /// <summary>What is done to the pixels of the resized image, in this order. Default nothing.</summary>
    public IReadOnlyList<PixelOperation> Operations
    {
        get;
        init => field = [.. value];
    } = [];

    /// <summary>
    /// Mixup and CutMix, which <see cref="BatchMixer"/> does to batches; <see cref="ImageAugmenter"/> leaves it alone.
    /// Default null: none.
    /// </summary>
    public BatchMixing? Mixing { get; init; }

    /// <summary>Whether an image's variants differ from the image as it is scored; mixing of batches apart.</summary>
    internal bool Varies => Crop is not null || FlipProbability > 0 || Operations.Count > 0;

    /// <summary>What variants depend on, as text.</summary>
    internal string Key() =>
        JsonSerializer.Serialize(
            new
            {
                Crop,
                FlipProbability,
                Operations = Operations.Select(operation => operation.Key()),
                Mixing,
            }
        );

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
                Operations = [new TrivialAugment(), new RandomErasing()],
                Mixing = new(),
            },
            _ => throw new ArgumentOutOfRangeException(nameof(preset), preset, "Presets are None, Light and Strong."),
        };
}

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

/// <summary>
/// Which of the endless variants of an image is meant. An augmented image is a pure function of the image, the settings
/// and this.
/// </summary>
/// <param name="Seed">The seed of the run.</param>
/// <param name="Image">What tells images apart: an index, or <see cref="Of"/> a digest, which does not depend on the
/// order of the list.</param>
/// <param name="Number">Which variant; an epoch's number where every epoch sees another one.</param>
public readonly record struct AugmentationDraw(int Seed, long Image, int Number)
{
    /// <param name="seed">The seed of the run.</param>
    /// <param name="digest">A digest of the image's content; the first 8 bytes count.</param>
    /// <param name="number">Which variant.</param>
    /// <exception cref="ArgumentException">The digest has fewer than 8 bytes.</exception>
    public static AugmentationDraw Of(int seed, ReadOnlySpan<byte> digest, int number) =>
        digest.Length >= 8
            ? new(seed, BinaryPrimitives.ReadInt64LittleEndian(digest), number)
            : throw new ArgumentException($"A digest of {digest.Length} bytes, expected at least 8.", nameof(digest));
}
