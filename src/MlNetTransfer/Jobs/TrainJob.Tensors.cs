using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Models;

namespace MlNetTransfer.Jobs;

public sealed partial class TrainJob
{
    /// <summary>Runs the job on images that are preprocessed already, instead of those of <see cref="TrainOptions.Folder"/>, which only names their source in messages. On the CPU.</summary>
    /// <param name="classNames">The classes; the index is the label.</param>
    /// <param name="next">Gives the images and their labels.</param>
    /// <param name="total">How many there are, for the progress; 0 where it is not known.</param>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no output file is touched.</param>
    /// <returns>What <c>report.json</c> holds, and the images that the written file was checked on.</returns>
    /// <exception cref="TransferException">An image, an option or the written model is not as it has to be; the message names it and the fix.</exception>
    internal (TrainSummary Summary, ParitySample Sample) Run(IReadOnlyList<string> classNames, NextTensor next, long total, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        long started = clock.GetTimestamp();
        TrainRules.Require(options);
        OutputFolder.RequireWritable(options.Output);
        Backbone backbone = OpenBackbone(cancellation);
        using FeatureExtractor extractor = ExtractorOf(backbone, ExecutionPlan.For(ExecutionProvider.Cpu, options.Workers));
        var kept = new TensorSample(ModelWriter.ParityImages, options.Seed);
        (ImageRows rows, int[] labels) = extractor.Extract(Keeping, total, FeatureCacheFolder, progress, cancellation);
        ImageItem[] items = [.. labels.Select((label, row) => new ImageItem(new MemoryLocation(default), FormattableString.Invariant($"row {row}"), label))];
        return Finish(started, new HeadRoute(options, backbone), backbone, TrainingSet.Of(new ImageDataset(options.Folder, classNames, items, []), rows, extractor, options), kept, progress, cancellation);

        bool Keeping(Span<float> tensor, out int label)
        {
            if (!next(tensor, out label)) return false;
            kept.Offer(tensor);
            return true;
        }
    }
}
