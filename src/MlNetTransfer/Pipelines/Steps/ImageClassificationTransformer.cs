using MlNetTransfer.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Pipelines;

/// <summary>A trained classifier as a step: images or features in, calibrated probabilities and the likeliest class out.</summary>
public sealed class ImageClassificationTransformer : RowTransformer
{
    private const string Step = "ImageClassification";

    private readonly ImageClassificationOptions options;

    internal ImageClassificationTransformer(ImageClassificationOptions options, IReadOnlyList<string> classNames, FittedHead fitted, IReadOnlyList<int> rowsPerClass, byte[] digest, ApplyBackboneTransformer? backbone)
    {
        (this.options, ClassNames, Fitted, TrainRowsPerClass, RowsDigest, Backbone) = (options, classNames, fitted, rowsPerClass, digest, backbone);
        (Inputs, Outputs) = ([options.FeatureColumnName], [options.ScoreColumnName, options.PredictedLabelColumnName]);
    }

    /// <summary>The classes; the index is the key.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>The head that was fitted, calibrated.</summary>
    public IHead Head => Fitted.Head;

    /// <summary>Name of the kind of head.</summary>
    public string HeadName => Fitted.Selection.Name;

    /// <summary>What was found for each kind of head; empty where there was no choice.</summary>
    public IReadOnlyList<HeadTrial> HeadTrials => Fitted.Selection.Trials;

    /// <summary>What was found for each tap; empty where there was no choice.</summary>
    public IReadOnlyList<TapTrial> TapTrials => Fitted.TapTrials;

    /// <summary>What the logits were divided by to calibrate them.</summary>
    public double Temperature => Fitted.Selection.Temperature;

    /// <summary>Rows it was trained on.</summary>
    public int TrainRows => TrainRowsPerClass.Sum();

    /// <summary>Rows of each class that it was trained on, in the order of <see cref="ClassNames"/>.</summary>
    public IReadOnlyList<int> TrainRowsPerClass { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Inputs { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Outputs { get; }

    internal FittedHead Fitted { get; }

    internal byte[] RowsDigest { get; }

    /// <summary>What computes the features, where it takes images.</summary>
    internal ApplyBackboneTransformer? Backbone { get; }

    /// <inheritdoc/>
    public override Schema GetOutputSchema(Schema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return StepSchema.Of(Step, input, before =>
        {
            Column feature = before.Require(Inputs[0], "Give the column that the step was fitted on.", Backbone is null ? ColumnKind.Vector : ColumnKind.Image);
            if (Backbone is null && feature.Type.Width < Fitted.Start + Head.Width) throw new SchemaException($"column '{feature.Name}' has {feature.Type.Width} features, fewer than in the fit. Compute them by the same step.");
            return OutputSchema(before, Step, options, ClassNames);
        });
    }

    internal static Schema OutputSchema(Schema before, string step, ImageClassificationOptions options, IReadOnlyList<string>? classNames) => before
        .With(new Column(options.ScoreColumnName, ColumnType.Vector(Math.Max(1, classNames?.Count ?? 1)), step))
        .With(new Column(options.PredictedLabelColumnName, ColumnType.Key(classNames), step));

    /// <inheritdoc/>
    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (Backbone is not null) batch = Backbone.Map(batch, cancellation);
        float[] all = batch.Values<float>(Backbone?.FeatureColumn ?? Inputs[0]);
        int width = batch.Rows == 0 ? 0 : all.Length / batch.Rows;
        var features = new float[batch.Rows * Head.Width];
        for (int row = 0; row < batch.Rows; row++) all.AsSpan(row * width + Fitted.Start, Head.Width).CopyTo(features.AsSpan(row * Head.Width));
        var scores = new float[batch.Rows * ClassNames.Count];
        Head.Predict(features, scores);
        Scores.Set(batch, ClassNames, scores, Outputs[0], Outputs[1]);
        return batch;
    }

    /// <inheritdoc/>
    protected override void Close() => Backbone?.Dispose();
}
