using MlNetTransfer.Datasets;
using MlNetTransfer.Models.Exports;

namespace MlNetTransfer.Jobs;

/// <summary>What an export wrote and how far it agrees with the evaluated model.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Files">The files, the first being the export itself.</param>
/// <param name="Parity">How far it agrees, as recorded in the file.</param>
/// <param name="Rejected">Images that it was not checked on, and why.</param>
/// <param name="Seconds">Wall time of the whole job in seconds.</param>
public sealed record ExportSummary(
    string Format,
    IReadOnlyList<ExportedFile> Files,
    ExportRecord Parity,
    IReadOnlyList<RejectedImage> Rejected,
    double Seconds
);
