using System.Numerics;
using System.Runtime.InteropServices;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>
/// Mixup and CutMix on a batch, in place: row i with row n - 1 - i, so batches are to be of shuffled images. The middle
/// row of an odd batch stays.
/// </summary>
/// <remarks>
/// Both rows of a pair are mixed with the same λ, each keeping the share λ of itself; a target's mass is exactly the
/// share of the pixels. Not thread-safe.
/// </remarks>
/// <param name="options">How often and how much.</param>
/// <param name="preprocessing">Gives the size of the tensors.</param>
public sealed class BatchMixer(BatchMixing options, Preprocessing preprocessing)
{
    /// <summary>Keeps a batch's stream apart from the images' own, whatever numbers they are given.</summary>
    private const ulong Stream = 0x6D69_7865_7200_0000;

    private readonly BatchMixing options = options ?? throw new ArgumentNullException(nameof(options));
    private readonly Preprocessing preprocessing =
        preprocessing ?? throw new ArgumentNullException(nameof(preprocessing));
    private readonly Rng rng = new(0);

    /// <summary>Mixes a batch in place.</summary>
    /// <param name="draw">The seed, the batch and the epoch; the result is a function of these and the batch.</param>
    /// <param name="tensors">[rows × 3 × height × width].</param>
    /// <param name="targets">[rows × classes], each row of sum 1: one-hot or soft.</param>
    /// <param name="rows">Images in the batch, at least 1.</param>
    /// <exception cref="ArgumentException">A length does not fit <paramref name="rows"/>.</exception>
    public void Apply(AugmentationDraw draw, Span<float> tensors, Span<float> targets, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        int length = preprocessing.TensorLength;
        if (tensors.Length != (long)rows * length)
            throw new ArgumentException($"{tensors.Length} elements, expected {rows} x {length}.", nameof(tensors));
        if (targets.Length == 0 || targets.Length % rows != 0)
            throw new ArgumentException(
                $"{targets.Length} elements, expected a multiple of {rows} rows.",
                nameof(targets)
            );
        if (options is { MixupAlpha: 0, CutMixAlpha: 0 })
            return;
        int classes = targets.Length / rows;
        rng.Restart((uint)draw.Seed ^ Stream, (ulong)draw.Image, (uint)draw.Number);
        for (int i = 0, j = rows - 1; i < j; i++, j--)
        {
            if (rng.NextDouble() >= options.Probability)
                continue;
            double kept = MixPair(tensors.Slice(i * length, length), tensors.Slice(j * length, length));
            Blend(targets.Slice(i * classes, classes), targets.Slice(j * classes, classes), kept);
        }
    }

    /// <summary>Mixes two images; returns the share that each keeps of itself.</summary>
    private double MixPair(Span<float> first, Span<float> second)
    {
        bool cut = options.MixupAlpha == 0 || (options.CutMixAlpha > 0 && rng.NextDouble() < 0.5);
        double alpha = cut ? options.CutMixAlpha : options.MixupAlpha;
        double kept = rng.NextBeta(alpha, alpha);
        if (cut)
            return SwapBox(first, second, kept);
        Blend(first, second, kept);
        return kept;
    }

    /// <summary>
    /// Swaps a box of √(1 - λ) of the image's sides, its centre uniform, cut off at the edge (Yun et al., section 3.1).
    /// </summary>
    private double SwapBox(Span<float> first, Span<float> second, double share)
    {
        (int width, int height) = preprocessing.Shape;
        double side = Math.Sqrt(1 - share);
        int halfWidth = (int)(width * side) / 2,
            halfHeight = (int)(height * side) / 2;
        int x = rng.Next(width),
            y = rng.Next(height);
        int left = Math.Max(x - halfWidth, 0),
            right = Math.Min(x + halfWidth, width),
            top = Math.Max(y - halfHeight, 0),
            bottom = Math.Min(y + halfHeight, height);
        for (int plane = 0; plane < 3 * width * height; plane += width * height)
        {
            for (int row = top; row < bottom; row++)
            {
                int offset = plane + (row * width);
                for (int i = offset + left; i < offset + right; i++)
                    (first[i], second[i]) = (second[i], first[i]);
            }
        }
        return 1 - ((double)(right - left) * (bottom - top) / ((double)width * height));
    }

    /// <summary>(a, b) becomes (λ a + (1 - λ) b, λ b + (1 - λ) a).</summary>
    private static void Blend(Span<float> first, Span<float> second, double kept)
    {
        float own = (float)kept,
            other = 1 - own;
        Span<Vector<float>> a = MemoryMarshal.Cast<float, Vector<float>>(first),
            b = MemoryMarshal.Cast<float, Vector<float>>(second);
        for (int i = 0; i < a.Length; i++)
            (a[i], b[i]) = ((a[i] * own) + (b[i] * other), (b[i] * own) + (a[i] * other));
        for (int i = a.Length * Vector<float>.Count; i < first.Length; i++)
            (first[i], second[i]) = ((first[i] * own) + (second[i] * other), (second[i] * own) + (first[i] * other));
    }
}

/// <summary>Mixing of the images of a batch in pairs, and of their targets in the same shares.</summary>
public sealed record BatchMixing
{
    /// <summary>Probability that a pair is mixed; in [0, 1]. Default 0.5.</summary>
    public double Probability
    {
        get;
        init => field = Check.InRange(value, 0, 1);
    } = 0.5;

    /// <summary>
    /// Mixup blends two images in shares λ and 1 - λ, λ from Beta(α, α) (Zhang et al., mixup, 2018); in [0, 10], 0 is
    /// off. Default 0.2.
    /// </summary>
    public double MixupAlpha
    {
        get;
        init => field = Check.InRange(value, 0, 10);
    } = 0.2;

    /// <summary>
    /// CutMix swaps a box of share 1 - λ, λ from Beta(α, α) (Yun et al., CutMix, 2019); in [0, 10], 0 is off. Default
    /// 1. With both on, each pair gets either, equally likely.
    /// </summary>
    public double CutMixAlpha
    {
        get;
        init => field = Check.InRange(value, 0, 10);
    } = 1;
}
