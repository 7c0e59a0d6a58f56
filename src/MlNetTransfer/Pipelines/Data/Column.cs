namespace MlNetTransfer.Pipelines;

/// <summary>A column of a data view.</summary>
/// <param name="Name">Its name; unique in a schema, case counts.</param>
/// <param name="Type">What its values are.</param>
/// <param name="MadeBy">The step that makes it; null where the data brought it.</param>
public sealed record Column(string Name, ColumnType Type, string? MadeBy = null);
