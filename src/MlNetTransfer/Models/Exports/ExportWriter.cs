namespace MlNetTransfer.Models.Exports;

/// <summary>
/// Writes an export that has shown how far it agrees with the evaluated model; one that is too far off is never kept.
/// </summary>
/// <param name="format">The format.</param>
/// <param name="parity">What it is compared with.</param>
public sealed class ExportWriter(IExportFormat format, ExportParity parity)
{
    /// <summary>
    /// Writes beside the target, reads back, checks on real images, writes the record into the file, then takes the
    /// target's name.
    /// </summary>
    /// <param name="export">The converted model.</param>
    /// <param name="path">The file. Its folder is made where it is missing.</param>
    /// <param name="sample">Images and what was evaluated for them.</param>
    /// <param name="allowDrift">Largest difference in probability to accept instead of the format's own; null for
    /// that.</param>
    /// <param name="overwrite">Whether a file that is there may be replaced.</param>
    /// <param name="calibrationImages">Images that the export was fitted to, for the record; null where it was fitted
    /// to none.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work; no file is touched.</param>
    /// <returns>The record, and the files written, the first being the one that was asked for.</returns>
    /// <exception cref="TransferException">The file is too far off, exists, or cannot be written; whatever was there
    /// before stays.</exception>
    public (ExportRecord Record, IReadOnlyList<ExportedFile> Files) Write(
        IExport export,
        string path,
        ParitySample sample,
        double? allowDrift = null,
        bool overwrite = false,
        int? calibrationImages = null,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        RequireFree(path, overwrite);
        string folder = Path.GetDirectoryName(Path.GetFullPath(path))!,
            staging = Path.Combine(
                folder,
                FormattableString.Invariant($".{Path.GetFileName(path)}.{Guid.NewGuid():N}.unverified")
            );
        try
        {
            Directory.CreateDirectory(folder);
            using OutputLock held = OutputLock.OfFile(path);
            Directory.CreateDirectory(staging);
            string staged = Path.Combine(staging, Path.GetFileName(path));
            export.Save(staged, null);
            ParityRecord found;
            using (IExportScorer scorer = export.Open(staged))
                found = parity.Measure(scorer, sample, progress, cancellation);
            double tolerance = allowDrift ?? format.Tolerance;
            if (found.MaxDifference > tolerance)
                throw TooFar(path, found, tolerance);
            foreach (string trial in Directory.GetFiles(staging))
                File.Delete(trial);
            var record = new ExportRecord(
                format.Name,
                found.Images,
                found.MaxDifference,
                found.MeanDifference,
                found.LabelFlips,
                tolerance,
                allowDrift is not null,
                format.Check,
                calibrationImages
            );
            export.Save(staged, record);
            cancellation.ThrowIfCancellationRequested();
            return (record, Take(staging, folder, Path.GetFileName(path), overwrite));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{path}' cannot be written: {e.Message} Check the folder's permissions and the disk, or give "
                    + $"another --output.",
                e
            );
        }
        finally
        {
            if (Directory.Exists(staging))
                Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>Refuses a path that is taken, before any work.</summary>
    internal static void RequireFree(string path, bool overwrite)
    {
        if (Directory.Exists(path))
            throw new TransferException($"'{path}' is a folder. Give the name of a file.");
        if (!overwrite && File.Exists(path))
            throw new TransferException($"'{path}' exists. Give another name, or --overwrite to replace it.");
    }

    private TransferException TooFar(string path, ParityRecord found, double tolerance) =>
        new(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"'{path}' was not written: on {found.Images} images the {format.Name} export differs from the "
                    + $"evaluated model by up to {found.MaxDifference:g3} in probability (mean "
                    + $"{found.MeanDifference:g3}, {found.LabelFlips} of {found.Images} labels differ); at most "
                    + $"{tolerance:g3} was expected. Use another format, or accept it with --allow-drift "
                    + $"{found.MaxDifference:g2}, which is recorded in the file."
            )
        );

    /// <summary>Moves what lies beside the file first: the file that names it appears when it is complete.</summary>
    private static ExportedFile[] Take(string staging, string folder, string name, bool overwrite)
    {
        string[] names =
        [
            name,
            .. Directory
                .GetFiles(staging)
                .Select(f => Path.GetFileName(f)!)
                .Where(n => n != name)
                .Order(StringComparer.Ordinal),
        ];
        foreach (string each in names)
            RequireFree(Path.Combine(folder, each), overwrite);
        ExportedFile[] files =
        [
            .. names.Select(each => Describe(Path.Combine(staging, each), Path.Combine(folder, each))),
        ];
        foreach (string each in names.Reverse())
            File.Move(Path.Combine(staging, each), Path.Combine(folder, each), overwrite);
        return files;
    }

    private static ExportedFile Describe(string staged, string path) =>
        new(path, new FileInfo(staged).Length, FileDigest.Of(staged));
}
