using System.Numerics.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Writes a trained model in another form, once that has shown on real images that it agrees with the evaluated model.
/// </summary>
/// <param name="options">The export.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class ExportJob(ExportOptions options, TimeProvider? clock = null)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Ends the job; no file is touched.</param>
    /// <exception cref="TransferException">The model, the images or the output are not as they have to be, or the
    /// export is too far off; the message names it and the fix.</exception>
    /// <exception cref="GraphException">The model cannot be read, or an operator cannot be converted; the message names
    /// it.</exception>
    public ExportSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        IExportFormat format = ExportFormats.Get(options.Format);
        string path =
            options.Output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(options.Model))!, format.FileName);
        ExportWriter.RequireFree(path, options.Overwrite);
        if (options.CalibrationImages.Count > 0 && !format.IsFitted)
            throw new TransferException(
                $"--calibration-images are for formats that are fitted to images "
                    + $"({string.Join(", ", ExportFormats.All.Where(f => f.IsFitted).Select(f => f.Name))}), not "
                    + $"for {format.Name}. Leave them out."
            );
        if (options.Images.Count == 0)
            throw new TransferException(
                "An export is checked on real images, and none were given. Give some that the model was made for, "
                    + "e.g. --images FOLDER: a folder, a list, a .zip or image files."
            );

        OnnxModel onnx = OnnxModel.Load(options.Model);
        (IReadOnlyList<ImageItem> all, IReadOnlyList<RejectedImage> passedOver) = ImageInputs.Of(options.Images);
        bool divided = format.IsFitted && options.CalibrationImages.Count == 0;
        ImageItem[] items = Spread(all, options.MaxImages + (divided ? options.Quantization.CalibrationImages : 0));
        if (items.Length == 0)
            throw new TransferException(
                $"There are no images in {string.Join(", ", options.Images)}. An export is checked on real images: "
                    + $"give some that the model was made for."
            );
        var request = new ExportRequest(options.Model, onnx)
        {
            WithFeatures = options.WithFeatures,
            WithLogits = options.WithLogits,
            ExternalDataAbove = options.ExternalDataAbove,
            Quantization = options.Quantization,
            Limits = options.Limits,
        };
        using TransferModel model = TransferModel.Load(
            options.Model,
            options.Limits,
            ExecutionPlan.For(ExecutionProvider.Cpu, options.Workers)
        );
        var parity = new ExportParity(model, options.Limits);
        (ParitySample sample, IReadOnlyList<RejectedImage> rejected) = parity.Expect(items, progress, cancellation);
        int classes = model.ClassNames.Count;
        ImageItem[] calibration = [];
        if (divided)
            (calibration, sample) = Divide(sample, model.ClassNames);
        else if (format.IsFitted)
        {
            (ParitySample others, IReadOnlyList<RejectedImage> unusable) = parity.Expect(
                Others(items),
                progress,
                cancellation
            );
            (calibration, rejected) = (Labelled(others, classes), [.. rejected, .. unusable]);
        }

        IExport export = format.Convert(
            request with
            {
                Images = Labelled(sample, classes),
                Calibration = calibration,
            },
            progress,
            cancellation
        );
        (ExportRecord record, IReadOnlyList<ExportedFile> files) = new ExportWriter(format, parity).Write(
            export,
            path,
            sample,
            options.AllowDrift,
            options.Overwrite,
            format.IsFitted ? calibration.Length : null,
            progress,
            cancellation
        );
        return new ExportSummary(
            format.Name,
            files,
            record,
            [.. passedOver, .. rejected],
            clock.GetElapsedTime(started).TotalSeconds
        );
    }

    /// <summary>Some of the images of each class to fit to, others to check on.</summary>
    private (ImageItem[] Calibration, ParitySample Held) Divide(ParitySample sample, IReadOnlyList<string> classNames)
    {
        int classes = classNames.Count;
        ImageItem[] labelled = Labelled(sample, classes);
        double share = Math.Clamp(options.MaxImages / (double)labelled.Length, 0.01, 0.5);
        int[] labels = [.. labelled.Select(i => i.Label)];
        TrainTestRows split = StratifiedSplit.TrainTest(
            labels,
            share,
            options.Quantization.Seed,
            classNames,
            sample.Digests
        );
        if (split.Test.Count == 0)
            throw new TransferException(
                $"{labelled.Length} usable images are too few to fit the {options.Format} export to some and to "
                    + $"check it on others of the same classes. Give more images; some hundreds are best."
            );
        return (
            [.. split.Train.Select(r => labelled[r])],
            new ParitySample(
                [.. split.Test.Select(r => labelled[r])],
                [.. split.Test.SelectMany(r => sample.Probabilities[(r * classes)..((r + 1) * classes)])]
            )
        );
    }

    /// <summary>The calibration images that are not among those checked on.</summary>
    private ImageItem[] Others(ImageItem[] items)
    {
        HashSet<string> judged = [.. items.Select(i => Path.GetFullPath(i.Name))];
        ImageItem[] others =
        [
            .. ImageInputs.Of(options.CalibrationImages).Items.Where(i => !judged.Contains(Path.GetFullPath(i.Name))),
        ];
        if (others.Length == 0)
            throw new TransferException(
                $"There are no images in {string.Join(", ", options.CalibrationImages)} but those of --images. Give "
                    + $"others, or leave --calibration-images out: then --images are divided."
            );
        return Spread(others, options.Quantization.CalibrationImages);
    }

    /// <summary>The images with the classes that the model gives them.</summary>
    private static ImageItem[] Labelled(ParitySample sample, int classes) =>
        [
            .. sample.Items.Select(
                (item, i) =>
                    item with
                    {
                        Label = TensorPrimitives.IndexOfMax(sample.Probabilities.AsSpan(i * classes, classes)),
                    }
            ),
        ];

    /// <summary>At most so many, evenly spread: images often come class by class.</summary>
    private static ImageItem[] Spread(IReadOnlyList<ImageItem> all, int most)
    {
        int count = Math.Min(all.Count, most);
        return [.. Enumerable.Range(0, count).Select(i => all[(int)((long)i * all.Count / count)])];
    }
}
