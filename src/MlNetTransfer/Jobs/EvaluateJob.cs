using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Evaluates a model file on labelled images: all of them, or the part held out where they come with a split of their
/// own (test; without one, validation).
/// </summary>
/// <param name="modelPath">The model file.</param>
/// <param name="folder">The labelled images: a folder with one folder per class, a list or an archive, see
/// <see cref="DatasetReader"/>; classes of the model may be missing, other classes may not be there.</param>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">How the graph is run; the CPU's plan if null.</param>
/// <param name="clock">Measures the wall time.</param>
/// <param name="dataset">How to read the images; the defaults if null. One class is enough in any case.</param>
public sealed class EvaluateJob(
    string modelPath,
    string folder,
    ImageLimits? limits = null,
    ExecutionPlan? plan = null,
    TimeProvider? clock = null,
    DatasetOptions? dataset = null
)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    /// <exception cref="TransferException">The data set has a class that the model does not know, or no usable
    /// image.</exception>
    public ModelEvaluation Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        using TransferModel model = TransferModel.Load(modelPath, limits, plan);
        ImageDataset data = HeldOut(
            DatasetReader.Read(folder, (dataset ?? new DatasetOptions()) with { MinimumClasses = 1 })
        );
        int[] labels = LabelsOf(model, data);
        ImageRows rows = model.Predict(data.Items, progress, cancellation);
        RejectedImage[] rejected = [.. data.Rejected, .. rows.Rejected];
        if (rows.Accepted.Length == 0)
            throw new TransferException(
                $"No image in '{folder}' could be used; the first of {rejected.Length} rejected: "
                    + $"{rejected[0].File}: {rejected[0].Reason}."
            );
        ImageHashes? known = model.Metadata.TrainingImages;
        EvaluatedImage[] images =
        [
            .. rows.Accepted.Select(
                (item, row) =>
                    new EvaluatedImage(
                        data.Items[item].Name,
                        model.ClassNames[labels[data.Items[item].Label]],
                        known?.Contains(rows.Digests.AsSpan(row * SHA256.HashSizeInBytes)),
                        rows.Values.AsMemory(row * rows.Width, rows.Width)
                    )
            ),
        ];
        return new ModelEvaluation
        {
            Images = images.Length,
            Classes = model.ClassNames.Count,
            TrainingImagesKnown = known is not null,
            Unseen = Figures(model.ClassNames, [.. images.Where(i => i.Seen != true)]),
            Seen = Figures(model.ClassNames, [.. images.Where(i => i.Seen == true)]),
            Notes = [.. Notes(known)],
            Rejected = rejected,
            ImagesPerSecond = rows.ImagesPerSecond,
            Seconds = clock.GetElapsedTime(started).TotalSeconds,
            ClassNames = model.ClassNames,
            Predictions = images,
        };
    }

    private static EvaluationFigures? Figures(IReadOnlyList<string> classNames, IReadOnlyList<EvaluatedImage> images)
    {
        if (images.Count == 0)
            return null;
        var index = classNames
            .Select((name, label) => (name, label))
            .ToDictionary(c => c.name, c => c.label, StringComparer.Ordinal);
        int[] labels = [.. images.Select(image => index[image.Truth])];
        return EvaluationFigures.Of(
            ClassificationReport.Of(classNames, labels, [.. images.SelectMany(image => image.Probabilities.ToArray())])
        );
    }

    private static IEnumerable<string> Notes(ImageHashes? known)
    {
        if (known is null)
            yield return "The model file does not say which images it was trained on: those among these images "
                + "could not be told apart.";
        else if (!known.AreAll)
            yield return $"The model file knows {known.Count} of the images it was trained on: others among these "
                + $"images could not be told apart.";
    }

    private static ImageDataset HeldOut(ImageDataset data)
    {
        if (data.Splits is not { } splits || PremadeSplit.HeldOut(splits) is var part && part == SplitPart.None)
            return data;
        return data with { Items = [.. data.Items.Where((_, i) => splits[i] == part)], Splits = null };
    }

    private int[] LabelsOf(TransferModel model, ImageDataset data)
    {
        var known = model
            .ClassNames.Select((name, label) => (name, label))
            .ToDictionary(c => c.name, c => c.label, StringComparer.Ordinal);
        string[] unknown = [.. data.ClassNames.Where(c => !known.ContainsKey(c))];
        if (unknown.Length > 0 && LookAlikes.Find([.. model.ClassNames, unknown[0]]) is var (one, other))
            throw new TransferException(
                $"'{folder}' has a class that looks like one of the model and is another: "
                    + $"{LookAlikes.Describe(one, other)}. Rename it as the model has it."
            );
        return unknown.Length == 0
            ? [.. data.ClassNames.Select(c => known[c])]
            : throw new TransferException(
                $"'{folder}' has classes that the model does not know: "
                    + $"{string.Join(", ", unknown.Select(c => $"'{c}'"))}. It knows "
                    + $"{string.Join(", ", model.ClassNames.Select(c => $"'{c}'"))}. Rename or remove those "
                    + $"classes."
            );
    }
}
