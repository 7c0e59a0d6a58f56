namespace MlNetTransfer.Hosting;

/// <summary>What a hosted model is serving, and how the last look at its file went.</summary>
/// <param name="Name">Name under which the model was registered.</param>
/// <param name="Path">Full path of the file.</param>
/// <param name="State">Where the model is in its life.</param>
/// <param name="Version">Which file is served; null where none is.</param>
/// <param name="Labels">The classes; the index is the label id. Empty where no model is loaded.</param>
/// <param name="LoadedAt">When it was loaded; null where none is.</param>
/// <param name="ReloadError">Why the file that is there now is not served; null where it is.</param>
public sealed record TransferModelStatus(
    string Name,
    string Path,
    TransferModelState State,
    ModelVersion? Version,
    IReadOnlyList<string> Labels,
    DateTimeOffset? LoadedAt,
    string? ReloadError
);
