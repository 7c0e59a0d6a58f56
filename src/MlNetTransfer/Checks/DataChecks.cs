using MlNetTransfer.Imaging;

namespace MlNetTransfer.Checks;

/// <summary>All checks of a data set, one after the other.</summary>
/// <param name="images">The usable images.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="workers">Threads at most; no result depends on it.</param>
/// <param name="seed">Seed of the folds.</param>
internal sealed class DataChecks(CheckedImages images, ImageLimits limits, int workers, int seed)
{
    /// <summary>What could not be checked, and why.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>The findings, ordered by kind, those of a kind as they are best looked at.</summary>
    public IReadOnlyList<DataFinding> Find(IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
        Duplicates duplicates = Duplicates.Find(images, limits, parallel, progress);
        int[] together = duplicates.Together;
        (LabelErrors? predicted, string? note) = LabelErrors.Predict(
            images.Table,
            together,
            seed,
            workers,
            progress,
            cancellation
        );
        if (note is not null)
            Notes.Add(note);
        IReadOnlyList<(int Row, DataFinding Finding)> labels = predicted?.Find(images.Items) ?? [];
        HashSet<int> explained = [.. labels.Select(found => found.Row)];
        double[]? beliefs = predicted?.Beliefs();
        return
        [
            .. duplicates
                .Matches.Select(match => match.Finding(images, beliefs))
                .Concat(labels.Select(found => found.Finding))
                .Concat(Outliers.Find(images, together, explained, parallel, progress))
                .Concat(ClassSizes.Find(images.Table.ClassNames, images.Table.RowsPerClass()))
                .Concat(ImageQuality.Find(images))
                .OrderBy(finding => finding.Kind),
        ];
    }
}
