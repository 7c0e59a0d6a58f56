using System.Text;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace MlNetTransfer.Cli;

/// <summary>
/// The one filter between text of others and the terminal: labels, node names and file names can hold escape sequences
/// that colour, retitle or rewrite a terminal. Control characters and marks that turn the direction of writing are left
/// out.
/// </summary>
internal static class Printable
{
    /// <summary>The text without them; line feeds and tabs stay.</summary>
    public static string Of(string text)
    {
        if (!text.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            return text;
        var kept = new StringBuilder(text.Length);
        foreach (char c in text)
            if (c is '\n' or '\t' || !(char.IsControl(c) || IsTurn(c)))
                kept.Append(c);
        return kept.ToString();
    }

    /// <summary>
    /// JSON with such characters escaped, so that a program still gets them. Between strings there are none.
    /// </summary>
    public static string Json(string json)
    {
        var escaped = new StringBuilder(json.Length);
        foreach (char c in json)
        {
            if (IsTurn(c) || (char.IsControl(c) && c is not ('\n' or '\r')))
                escaped.Append($"\\u{(int)c:x4}");
            else
                escaped.Append(c);
        }

        return escaped.ToString();
    }

    /// <summary>
    /// Makes a console filter what it is given to write; colours and cursor movements of its own stay.
    /// </summary>
    public static IAnsiConsole Filtered(IAnsiConsole console)
    {
        console.Pipeline.Attach(new Hook());
        return console;
    }

    /// <summary>
    /// Embeddings, overrides and isolates of the bidirectional algorithm: with them "gpj.exe" reads "exe.jpg".
    /// </summary>
    private static bool IsTurn(char c) => c is (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    private sealed class Hook : IRenderHook
    {
        public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables) =>
            renderables.Select(r => new Clean(r));
    }

    private sealed class Clean(IRenderable inner) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => inner.Measure(options, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth) =>
            inner
                .Render(options, maxWidth)
                .Select(s => s.IsControlCode || s.IsLineBreak ? s : new Segment(Of(s.Text), s.Style));
    }
}
