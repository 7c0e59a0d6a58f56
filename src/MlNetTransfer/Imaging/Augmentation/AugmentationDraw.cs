using System.Buffers.Binary;

namespace MlNetTransfer.Imaging.Augmentation;

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
