using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;

namespace MlNetTransfer.Advice;

/// <summary>
/// How far apart two sets of images are to a backbone: the proxy A-distance, from how well a linear classifier tells
/// images of one set from those of the other.
/// </summary>
/// <remarks>
/// <c>2·(1 - 2ε)</c>, ε being the classifier's error on images that it was not fitted on: 0 where the sets cannot be
/// told apart, 2 where every image gives itself away (Ben-David, Blitzer, Crammer and Pereira, Analysis of
/// Representations for Domain Adaptation, NIPS 2006). ε is that of a shrunk linear discriminant, cross-validated on as
/// many images of one set as of the other; the same file in both sets is held out in both.
/// </remarks>
/// <param name="Distance">The proxy A-distance, in [0, 2].</param>
/// <param name="Interval">Its 95 % interval, from Wilson's of the error; images of a fold share a classifier, so that
/// it is a little too narrow.</param>
/// <param name="Error">Share of the images that is taken for one of the other set, in [0, 1].</param>
/// <param name="Images">Images of each set that were compared.</param>
public sealed record DomainDistance(double Distance, Interval Interval, double Error, int Images)
{
    /// <summary>Images of each set at most: more cost time and say little more.</summary>
    public const int MostImages = 1000;

    /// <summary>Images of each set at least.</summary>
    public const int LeastImages = 10;

    private const int Folds = 5;

    /// <summary>Compares two sets.</summary>
    /// <param name="first">Features of the first [rows × width]; labels are passed over.</param>
    /// <param name="second">Features of the second, of the same width.</param>
    /// <param name="firstDigests">SHA-256 of the images of the first [rows × 32].</param>
    /// <param name="secondDigests">Those of the second.</param>
    /// <param name="seed">Seed of the draws; equal seeds give equal distances.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="ArgumentException">A set has fewer than <see cref="LeastImages"/> rows, or the widths
    /// differ.</exception>
    public static DomainDistance Between(
        FeatureTable first,
        FeatureTable second,
        byte[] firstDigests,
        byte[] secondDigests,
        int seed = 1,
        CancellationToken cancellation = default
    )
    {
        int images = Math.Min(Math.Min(first.Rows, second.Rows), MostImages);
        if (images < LeastImages)
            throw new ArgumentException(
                $"{first.Rows} and {second.Rows} images cannot be compared; give at least {LeastImages} of each.",
                nameof(first)
            );
        if (first.Width != second.Width)
            throw new ArgumentException(
                $"Rows of {first.Width} and of {second.Width} features cannot be compared.",
                nameof(second)
            );
        var rng = new Rng(seed);
        int[] a = Draw(first.Rows, images, rng),
            b = Draw(second.Rows, images, rng);
        var table = new FeatureTable(
            ["first", "second"],
            [.. a.Select(_ => 0), .. b.Select(_ => 1)],
            [.. first.Select(a).Values, .. second.Select(b).Values],
            first.Width
        );
        byte[] digests = [.. DigestsOf(a, firstDigests), .. DigestsOf(b, secondDigests)];
        int[] fold = Datasets.StratifiedFolds.Assign(
            table.Labels,
            Datasets.Groups.OfDigests(digests),
            Folds,
            seed,
            table.ClassNames,
            digests
        );
        bool[] right = HeldOutDiscriminant.Right(table, fold, cancellation);
        int wrong = right.Count(hit => !hit);
        Interval error = WilsonInterval.Of(wrong, right.Length);
        return new DomainDistance(
            Proxy((double)wrong / right.Length),
            new Interval(Proxy(error.High), Proxy(error.Low)),
            (double)wrong / right.Length,
            images
        );
    }

    /// <summary>More mistakes than guessing makes are chance, so the distance is not below 0.</summary>
    private static double Proxy(double error) => Math.Max(0, 2 * (1 - 2 * error));

    private static int[] Draw(int rows, int count, Rng rng)
    {
        int[] all = [.. Enumerable.Range(0, rows)];
        if (count == rows)
            return all;
        rng.Shuffle<int>(all);
        return [.. all.Take(count).Order()];
    }

    /// <summary>The digests of some rows.</summary>
    internal static byte[] DigestsOf(IEnumerable<int> rows, byte[] digests) =>
        [.. rows.SelectMany(row => digests[(32 * row)..(32 * row + 32)])];
}
