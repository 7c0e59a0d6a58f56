using System.Security.Cryptography;
using System.Text;

namespace MlNetTransfer.Reports.Page;

/// <summary>
/// A page that stands alone: its style and its script are in it and allowed by their hashes, its pictures are data, and
/// everything else is forbidden by its own policy. It can be read whole without the script.
/// </summary>
internal static class PageFrame
{
    private static readonly string Style = Resource("page.css"),
        Script = Resource("page.js");

    /// <param name="title">What the browser's tab says.</param>
    /// <param name="contents">Ids and titles of the sections.</param>
    /// <param name="header">What stands above them.</param>
    /// <param name="body">The sections.</param>
    public static string Of(string title, IReadOnlyList<(string Id, string Title)> contents, Html header, Html body)
    {
        string policy =
            $"default-src 'none'; img-src data:; style-src {Hash(Style)}; script-src {Hash(Script)}; "
            + "base-uri 'none'; form-action 'none'";
        Html links = Html.Join(contents.Select(c => Html.Of($"<li><a href=\"#{c.Id}\">{c.Title}</a></li>")));
        return Html.Of(
            $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta http-equiv="Content-Security-Policy" content="{policy}">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta name="referrer" content="no-referrer">
            <link rel="icon" href="data:,">
            <title>{title}</title>
            <style>{new Html(Style)}</style>
            </head>
            <body>
            <a class="skip" href="#main">Skip to the report</a>
            <header>{header}<nav aria-label="Contents"><ul>{links}</ul></nav></header>
            <main id="main">{body}</main>
            <script>{new Html(Script)}</script>
            </body>
            </html>

            """
        ).Markup;
    }

    /// <summary>A section with its heading.</summary>
    public static Html Section(string id, string title, Html content) =>
        Html.Of(
            $"<section id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2>"
                + $"\n{content}</section>\n"
        );

    /// <summary>A table in a box of its own, which scrolls where the page is narrow.</summary>
    /// <param name="caption">What it shows.</param>
    /// <param name="columns">Heads of the columns.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="ofFacts">Whether it says in words what things are: then nothing goes to the right.</param>
    public static Html Table(
        string caption,
        IReadOnlyList<string> columns,
        IEnumerable<Html> rows,
        bool ofFacts = false
    )
    {
        Html head = Html.Join(columns.Select(c => Html.Of($"<th scope=\"col\">{c}</th>")));
        return Html.Of(
            $"<div class=\"scroll\" role=\"region\" aria-label=\"{caption}\" tabindex=\"0\">"
                + $"<table class=\"{(ofFacts ? "facts" : "")}\"><caption>{caption}</caption><thead><tr>"
                + $"{head}</tr></thead>"
                + $"<tbody>\n{rows}</tbody></table></div>\n"
        );
    }

    /// <summary>A row: the first cell is its header, numbers go to the right.</summary>
    public static Html Row(string first, params IReadOnlyList<string> cells) =>
        Html.Of($"<tr><th scope=\"row\">{first}</th>{Html.Join(cells.Select(c => Html.Of($"<td>{c}</td>")))}</tr>\n");

    /// <summary>A row of a thing and what is said of it, which may be long.</summary>
    public static Html Fact(string thing, string said) =>
        Html.Of($"<tr><th scope=\"row\">{thing}</th><td class=\"text\">{said}</td></tr>\n");

    private static string Hash(string text) =>
        $"'sha256-{Convert.ToBase64String(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}'";

    private static string Resource(string name)
    {
        using Stream stream = typeof(PageFrame).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd().ReplaceLineEndings("\n");
    }
}
