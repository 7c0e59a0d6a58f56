using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Puts a model and the report on it in place, so that a run that is killed never leaves the report of another model
/// beside it.
/// </summary>
/// <remarks>
/// The old report goes first and the new one comes last: whatever is interrupted between leaves a model without a
/// report. The report names the model's SHA-256 too.
/// </remarks>
internal static class ModelAndReport
{
    /// <param name="model">The verified model.</param>
    /// <param name="report">The report's file.</param>
    /// <param name="summary">What it holds.</param>
    /// <param name="between">What else belongs to the model.</param>
    /// <exception cref="TransferException">The model cannot take its name; then the old pair stays.</exception>
    public static void Write<T>(StagedFile model, string report, T summary, Action between)
    {
        string aside = FormattableString.Invariant($"{report}.{Guid.NewGuid():N}.old");
        try
        {
            if (File.Exists(report))
                File.Move(report, aside);
            model.Take();
        }
        catch (Exception e)
        {
            if (File.Exists(aside))
                File.Move(aside, report);
            if (e is IOException or UnauthorizedAccessException)
                throw new TransferException(
                    $"'{report}' cannot be replaced: {e.Message} Check the folder's permissions and the disk, or "
                        + $"give another --output.",
                    e
                );
            throw;
        }

        File.Delete(aside);
        between();
        ReportFile.Write(report, summary);
    }
}
