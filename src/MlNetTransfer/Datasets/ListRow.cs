namespace MlNetTransfer.Datasets;

/// <summary>A row of a list as it was written; nothing is checked yet.</summary>
/// <param name="Line">Line of the file, from 1; of a row over several lines, the first.</param>
/// <param name="Path">The image's path.</param>
/// <param name="Label">Its class; null where the list does not say.</param>
/// <param name="Group">Its group; null where the list does not say.</param>
/// <param name="Split">Its part of the split; null where the list does not say.</param>
/// <param name="Columns">What the list calls these, for errors.</param>
internal sealed record ListRow(
    long Line,
    string Path,
    string? Label,
    string? Group,
    string? Split,
    ListColumns Columns
);
