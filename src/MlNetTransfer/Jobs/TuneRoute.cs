using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>Trains the network: from its pretrained weights, or from random ones.</summary>
internal sealed class TuneRoute : ITrainingRoute
{
    private readonly TrainOptions options;
    private readonly FineTuneTrials trials;
    private FineTuneInput? input;

    /// <param name="options">The run.</param>
    /// <param name="backbone">The backbone.</param>
    /// <param name="clock">Measures seconds.</param>
    public TuneRoute(TrainOptions options, Backbone backbone, TimeProvider clock)
    {
        OnnxModel network = backbone.LoadModel();
        this.options = options;
        trials = new FineTuneTrials(
            options,
            backbone,
            options.Strategy == TrainingStrategy.Scratch ? RandomWeights.Draw(network, options.Seed) : network,
            clock
        );
    }

    public void Check(IReadOnlyList<BackboneTap> taps, int classes) => trials.Check(taps, classes);

    public Trial Run(TrainingSet set, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        input = Input(set);
        TrialRunner runner = trials.Runner(
            input,
            set.Protocol.Kind == ProtocolKind.CrossValidation,
            progress,
            cancellation
        );
        return set.Judge(options, runner.Split, fold => runner.CrossValidate(fold));
    }

    public string Digest(TrainingSet set, Trial trial) => trials.Digest(input!, trial.TrainRows);

    public OnnxModel Network(Trial trial) => trial.Tuned!.Backbone;

    public float[] Predict(TrainingSet set, Trial trial, IReadOnlyList<int> rows, CancellationToken cancellation) =>
        trials.Predict(trial.Tuned!, input!, rows, null, cancellation);

    public TuneSummary? Summary(Trial trial) => TuneSummary.Of(trial.Tuned, input!.Metrics.Lines);

    public void Written() => trials.RemoveCheckpoints();

    private FineTuneInput Input(TrainingSet set)
    {
        var images = new TrainingImages(
            [.. Enumerable.Range(0, set.Table.Rows).Select(set.Item)],
            set.Table.Labels,
            set.Rows.Digests,
            set.Data.ClassNames,
            HeldOutRows.GroupsOf(set.Data, set.Rows, options)
        );
        return new FineTuneInput(
            images,
            set.Table,
            set.Extractor.Taps,
            set.Extractor.Space,
            HeadRoute.Recipe(options),
            new MetricsFile(Path.Combine(OutputFolder(), "metrics.jsonl"), options.Resume, options.OnEpoch)
        );
    }

    private string OutputFolder()
    {
        try
        {
            return Directory.CreateDirectory(options.Output).FullName;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"Folder '{options.Output}' cannot be made: {e.Message} Choose another output folder.",
                e
            );
        }
    }
}
