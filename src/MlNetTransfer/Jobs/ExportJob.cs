using System.Numerics.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Graphs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;

namespace MlNetTransfer.Jobs;

/// <summary>Writes a trained model in another form, once that has shown on real images that it agrees with the evaluated model.</summary>
/// <param name="options">The export.</param>
/// <param name="clock">Measures the wall time.</param>
public sealed class ExportJob(ExportOptions options, TimeProvider? clock = null)
{
    private readonly TimeProvider clock = clock ?? TimeProvider.System;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Ends the job; no file is touched.</param>
    /// <exception cref="TransferException">The model, the images or the output are not as they have to be, or the export is too far off; the message names it and the fix.</exception>
    /// <exception cref="GraphException">The model cannot be read, or an operator cannot be converted; the message names it.</exception>
    public ExportSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        long started = clock.GetTimestamp();
        IExportFormat format = ExportFormats.Get(options.Format);
        string path = options.Output ?? Path.Combine(Path.GetDirectoryName(Path.GetFullPath(options.Model))!, format.FileName);
        ExportWriter.RequireFree(path, options.Overwrite);
        if (options.Images.Count == 0) throw new TransferException("An export is checked on real images, and none were given. Give some that the model was made for, e.g. --images FOLDER: a folder, a list, a .zip or image files.");

        OnnxModel onnx = OnnxModel.Load(options.Model);
        (IReadOnlyList<ImageItem> all, IReadOnlyList<RejectedImage> passedOver) = ImageInputs.Of(options.Images);
        ImageItem[] items = Spread(all);
        if (items.Length == 0) throw new TransferException($"There are no images in {string.Join(", ", options.Images)}. An export is checked on real images: give some that the model was made for.");
        var request = new ExportRequest(options.Model, onnx) { WithFeatures = options.WithFeatures, WithLogits = options.WithLogits, ExternalDataAbove = options.ExternalDataAbove, Limits = options.Limits };
        using TransferModel model = TransferModel.Load(options.Model, options.Limits, ExecutionPlan.For(ExecutionProvider.Cpu, options.Workers));
        var parity = new ExportParity(model, options.Limits);
        (ParitySample sample, IReadOnlyList<RejectedImage> rejected) = parity.Expect(items, progress, cancellation);
        IExport export = format.Convert(request with { Images = Labelled(sample, model.ClassNames.Count) }, progress, cancellation);
        (ExportRecord record, IReadOnlyList<ExportedFile> files) = new ExportWriter(format, parity).Write(export, path, sample, options.AllowDrift, options.Overwrite, progress, cancellation);
        return new ExportSummary(format.Name, files, record, [.. passedOver, .. rejected], clock.GetElapsedTime(started).TotalSeconds);
    }

    /// <summary>The images with the classes that the model gives them.</summary>
    private static ImageItem[] Labelled(ParitySample sample, int classes) =>
        [.. sample.Items.Select((item, i) => item with { Label = TensorPrimitives.IndexOfMax(sample.Probabilities.AsSpan(i * classes, classes)) })];

    /// <summary>At most so many, evenly spread: images often come class by class.</summary>
    private ImageItem[] Spread(IReadOnlyList<ImageItem> all)
    {
        int count = Math.Min(all.Count, options.MaxImages);
        return [.. Enumerable.Range(0, count).Select(i => all[(int)((long)i * all.Count / count)])];
    }
}
