using System.Globalization;

namespace MlNetTransfer.Checks;

/// <summary>Images that say little because of how they are: tiny, dark, flat, blurred, or of another shape.</summary>
/// <remarks>
/// The limits are where a person sees little, not where a network fails: a class of night photos is dark for a reason,
/// which is why these findings are of the lowest severity. Sharpness is judged beside the data set's own: drawings with
/// soft shades and photos differ tenfold.
/// </remarks>
internal static class ImageQuality
{
    /// <summary>
    /// Shorter side in pixels below which an image is tiny: a network of 224 pixels enlarges it sevenfold.
    /// </summary>
    public const int TinySide = 32;

    /// <summary>The brightest 1 % of a dark image is below this shade of 255.</summary>
    public const int DarkShade = 64;

    /// <summary>Shades between the darkest and the brightest 1 % below which there is no contrast.</summary>
    public const int LeastContrast = 24;

    /// <summary>Times that an image may be wider or taller than the median shape.</summary>
    public const double MostStretch = 4;

    /// <summary>A blurred image has less than this share of the median's sharpness, and less than
    /// <see cref="Soft"/>.</summary>
    public const double BlurredShare = 0.05;

    /// <summary>Sharpness that is not blurred whatever the others have: edges over two or three pixels.</summary>
    public const double Soft = 0.01;

    /// <summary>The findings of all images.</summary>
    public static IEnumerable<DataFinding> Find(CheckedImages images)
    {
        ImageFacts[] seen = [.. images.Facts.OfType<ImageFacts>()];
        if (seen.Length == 0)
            return [];
        double shape = Median(seen.Select(f => Math.Log((double)f.Width / f.Height))),
            sharpness = Median(seen.Where(f => f.Sharpness is not null).Select(f => f.Sharpness!.Value));
        return Enumerable
            .Range(0, images.Count)
            .Where(row => images.Facts[row] is not null)
            .SelectMany(row =>
                Of(images.Facts[row]!, shape, sharpness)
                    .Select(f => new DataFinding(f.Kind, [images.Name(row)], f.Score, f.Message)
                    {
                        Class = images.ClassOf(row),
                    })
            );
    }

    private static IEnumerable<(FindingKind Kind, double Score, string Message)> Of(
        ImageFacts facts,
        double shape,
        double sharpness
    )
    {
        if (Math.Min(facts.Width, facts.Height) < TinySide)
            yield return (
                FindingKind.Tiny,
                Math.Min(facts.Width, facts.Height),
                $"{facts.Width} x {facts.Height} pixels: little is left to see. Take the original, or leave it out."
            );
        if (facts.Bright < DarkShade)
            yield return (
                FindingKind.Dark,
                facts.Bright,
                Text($"99 % of it is darker than {100.0 * facts.Bright / 255:f0} % grey. Brighten it, or leave it out.")
            );
        else if (facts.Bright - facts.Dark < LeastContrast)
            yield return (
                FindingKind.LowContrast,
                facts.Bright - facts.Dark,
                $"Nearly one shade ({facts.Dark} to {facts.Bright} of 255). Look whether anything is on it."
            );
        if (facts.Sharpness is { } own && own < Math.Min(Soft, BlurredShare * sharpness))
            yield return (
                FindingKind.Blurred,
                own,
                Text(
                    $"Without sharp edges: {own / sharpness:p0} of the usual sharpness. Take a sharper one if there is."
                )
            );
        double stretch = Math.Exp(Math.Abs(Math.Log((double)facts.Width / facts.Height) - shape));
        if (stretch > MostStretch)
            yield return (
                FindingKind.OddShape,
                stretch,
                Text($"{facts.Width} x {facts.Height} pixels, sides {stretch:f1} times as unequal as usual here: the ")
                    + "network sees it squeezed or cut. Crop it to what matters."
            );
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? 0 : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
