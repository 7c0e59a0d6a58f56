using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace MlNetTransfer.Reports.Page;

/// <summary>
/// Text that is HTML. It is made of interpolated strings only, whose holes are escaped: what others wrote, such as
/// names of classes and files, cannot become markup.
/// </summary>
/// <param name="Markup">The HTML.</param>
internal readonly record struct Html(string Markup)
{
    public static Html Empty { get; } = new("");

    /// <summary>The literal parts are HTML, the holes are text or HTML of their own.</summary>
    public static Html Of(HtmlHandler parts) => new(parts.Text());

    /// <summary>One after the other.</summary>
    public static Html Join(IEnumerable<Html> parts) => new(string.Concat(parts.Select(p => p.Markup)));

    /// <summary>This where the condition holds, else nothing.</summary>
    public Html If(bool condition) => condition ? this : Empty;

    public override string ToString() => Markup ?? "";
}

/// <summary>Collects the parts of an interpolated string; escapes what is in its holes.</summary>
[InterpolatedStringHandler]
internal readonly struct HtmlHandler
{
    private readonly StringBuilder text;

    public HtmlHandler(int literals, int holes) => text = new StringBuilder(literals + (16 * holes));

    public void AppendLiteral(string markup) => text.Append(markup);

    public void AppendFormatted(Html html) => text.Append(html.Markup);

    public void AppendFormatted(IEnumerable<Html> parts)
    {
        foreach (Html part in parts)
            text.Append(part.Markup);
    }

    public void AppendFormatted(string? value) => Escape(text, value ?? "");

    public void AppendFormatted(int value) => text.Append(value.ToString(CultureInfo.InvariantCulture));

    public void AppendFormatted(double value, string format) =>
        text.Append(value.ToString(format, CultureInfo.InvariantCulture));

    public string Text() => text.ToString();

    /// <summary>
    /// Control characters and those that turn the direction of writing are shown as U+FFFD: a browser would obey them.
    /// </summary>
    private static void Escape(StringBuilder target, string value)
    {
        foreach (char c in value)
            _ = c switch
            {
                '&' => target.Append("&amp;"),
                '<' => target.Append("&lt;"),
                '>' => target.Append("&gt;"),
                '"' => target.Append("&quot;"),
                '\'' => target.Append("&#39;"),
                '\n' or '\t' => target.Append(c),
                _ when char.IsControl(c) || c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069') =>
                    target.Append('\uFFFD'),
                _ => target.Append(c),
            };
    }
}

/// <summary>Numbers as the page writes them.</summary>
internal static class Figure
{
    /// <summary>A difference of shares in points, with its sign.</summary>
    public static string Points(double difference) =>
        (100 * difference).ToString("+0.0;-0.0;0.0", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A space that no line is broken at.</summary>
    private const string Unit = "\u00A0%";

    /// <summary>"77 %"; a decimal where the whole number would look like all or nothing and is not.</summary>
    public static string Percent(double share) =>
        (100 * share).ToString(
            share is (> 0 and < 0.005) or (< 1 and >= 0.995) ? "0.0" : "0",
            CultureInfo.InvariantCulture
        ) + Unit;

    /// <summary>"77.1 %".</summary>
    public static string Percent1(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture) + Unit;

    /// <summary>"70 to 83 %".</summary>
    public static string Range(double low, double high) => $"{Percent(low)[..^2]} to {Percent(high)}";

    /// <summary>"70.2 to 83.0 %".</summary>
    public static string Range1(double low, double high) => $"{Percent1(low)[..^2]} to {Percent1(high)}";

    /// <summary>Three decimals.</summary>
    public static string Three(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);

    /// <summary>A name, or what of it there is room for.</summary>
    public static string Short(string name, int most) => name.Length <= most ? name : name[..(most - 1)] + "…";

    /// <summary>"1 image", "2 images".</summary>
    public static string Count(int count, string one, string? several = null) =>
        string.Create(CultureInfo.InvariantCulture, $"{count:N0} {(count == 1 ? one : several ?? one + "s")}");
}
