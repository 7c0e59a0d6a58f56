using MlNetTransfer.Checks;

namespace MlNetTransfer.Jobs;

/// <summary>A row for every finding of a check. Immutable.</summary>
/// <remarks>
/// Columns: kind, severity, file (the image to act on), other (the one that it is compared with), class, score,
/// message. What a finding lacks is empty in .csv, null in .jsonl.
/// </remarks>
public sealed class FindingRows
{
    private static readonly (string Name, Func<DataFinding, object?> Value)[] All =
    [
        ("kind", finding => Word(finding.Kind)),
        ("severity", finding => Word(finding.Severity)),
        ("file", finding => finding.Files.ElementAtOrDefault(0)),
        ("other", finding => finding.Files.ElementAtOrDefault(1)),
        ("class", finding => finding.Class),
        ("score", finding => (float?)finding.Score),
        ("message", finding => finding.Message),
    ];

    private readonly IReadOnlyList<DataFinding> findings;

    private FindingRows(IReadOnlyList<DataFinding> findings) => this.findings = findings;

    /// <summary>What the columns hold, from left to right.</summary>
    public IReadOnlyList<(string Name, IReadOnlyList<object?> Values)> Columns =>
        [.. All.Select(column => (column.Name, (IReadOnlyList<object?>)[.. findings.Select(column.Value)]))];

    /// <summary>The findings of a check.</summary>
    public static FindingRows Of(CheckSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        return new FindingRows(summary.Findings);
    }

    /// <summary>
    /// Writes the table, whole or not at all: as JSON lines where the name ends in .jsonl, else as CSV.
    /// </summary>
    public void Write(string path) =>
        ResultTable.Write(
            path,
            [.. All.Select(column => column.Name)],
            findings.Select(finding => All.Select(column => column.Value(finding)))
        );

    private static string Word(Enum value) => value.ToString().ToLowerInvariant();
}
