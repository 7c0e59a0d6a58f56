using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Models.Exports;

/// <summary>Compares a written export with the evaluated model, image by image.</summary>
/// <param name="model">The evaluated model.</param>
/// <param name="limits">What an image may cost.</param>
public sealed class ExportParity(TransferModel model, ImageLimits? limits = null)
{
    private readonly ImageLimits limits = limits ?? new ImageLimits();

    /// <summary>What the evaluated model says of images, and which it can use.</summary>
    /// <param name="items">The images.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>The usable images with their probabilities, and the others.</returns>
    /// <exception cref="TransferException">None of the images can be used.</exception>
    public (ParitySample Sample, IReadOnlyList<RejectedImage> Rejected) Expect(
        IReadOnlyList<ImageItem> items,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        var rows = model.Predict(items, "Scoring with the model", progress, cancellation);
        if (rows.Accepted.Length == 0)
            throw new TransferException(
                $"None of the {items.Count} images can be used, e.g. {rows.Rejected[0].File}: "
                    + $"{rows.Rejected[0].Reason}. Give images that the model was made for."
            );
        return (
            new ParitySample([.. rows.Accepted.Select(i => items[i])], rows.Values) { Digests = rows.Digests },
            rows.Rejected
        );
    }

    /// <summary>Scores the images with a written file.</summary>
    /// <param name="export">The written file, opened.</param>
    /// <param name="sample">The images and what was evaluated.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <exception cref="TransferException">An image that the model could use is rejected.</exception>
    public ParityRecord Measure(
        IExportScorer export,
        ParitySample sample,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        int classes = model.ClassNames.Count;
        var found = new float[sample.Probabilities.Length];
        using var reader = new ImageItemReader(limits);
        for (int i = 0; i < sample.Items.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                export.Score(reader.Read(sample.Items[i]), found.AsSpan(i * classes, classes));
            }
            catch (ImageRejectedException e)
            {
                throw new TransferException(
                    $"The export could not be checked: {sample.Items[i].Name} was readable before and is not any "
                        + $"more ({e.Reason}). Run again when the images do not change.",
                    e
                );
            }

            progress?.Report(new JobProgress("Scoring with the export", i + 1, sample.Items.Count));
        }

        // A number that is not finite is as far off as can be; NaN would pass every comparison.
        for (int i = 0; i < found.Length; i++)
            if (!float.IsFinite(found[i]))
                throw new TransferException(
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"The export gives {found[i]} for {sample.Items[i / classes].Name}. A value inside it is "
                            + $"beyond its number format; export it in another."
                    )
                );
        return ParityRecord.Of(sample.Probabilities, found, classes);
    }
}
