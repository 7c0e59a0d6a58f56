using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>
/// The Markdown of model cards as HTML: headings, paragraphs and tables, which is all that they have. Everything
/// else is shown as it stands.
/// </summary>
internal static class CardText
{
    private const int MostRows = 200;

    public static Html ToHtml(string markdown)
    {
        List<Html> parts = [];
        List<string> table = [];
        foreach (string line in markdown.ReplaceLineEndings("\n").Split('\n'))
        {
            if (line.StartsWith('|'))
            {
                table.Add(line);
                continue;
            }

            Flush();
            if (line.StartsWith("## ", StringComparison.Ordinal))
                parts.Add(Html.Of($"<h3>{line[3..]}</h3>"));
            else if (line.StartsWith("# ", StringComparison.Ordinal))
                parts.Add(Html.Of($"<p><strong>{line[2..]}</strong></p>"));
            else if (line.Length > 0)
                parts.Add(Html.Of($"<p>{line}</p>"));
        }

        Flush();
        return Html.Join(parts);

        void Flush()
        {
            if (table.Count > 2)
                parts.Add(
                    PageFrame.Table(
                        "Classes on the card",
                        Cells(table[0]),
                        table
                            .Skip(2)
                            .Take(MostRows)
                            .Select(row =>
                                Cells(row) is [var first, .. var rest] ? PageFrame.Row(first, rest) : Html.Empty
                            )
                    )
                );
            table.Clear();
        }
    }

    /// <summary>A backslash before a bar means the bar.</summary>
    private static string[] Cells(string line)
    {
        const char bar = '\u0001';
        return
        [
            .. line.Replace("\\|", $"{bar}", StringComparison.Ordinal)
                .Trim('|', ' ')
                .Split('|')
                .Select(cell => cell.Trim().Replace(bar, '|')),
        ];
    }
}
