using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models;

namespace MlNetTransfer.Pipelines;

/// <summary>A model file as a step: images, paths, encoded bytes or streams in, calibrated probabilities and the likeliest class out.</summary>
public sealed class TransferModelTransformer : RowTransformer
{
    private const string Step = "TransferModel";

    private readonly PipelineEnvironment environment;
    private readonly LoadImagesTransformer load;

    internal TransferModelTransformer(PipelineEnvironment environment, TransferModel model, string imageColumn, string scoreColumn, string predictedColumn)
    {
        (this.environment, Model, Inputs, Outputs) = (environment, model, [imageColumn], [scoreColumn, predictedColumn]);
        load = new LoadImagesTransformer(environment, $"{Step} image of {imageColumn}", imageColumn, null);
    }

    /// <summary>The model.</summary>
    public TransferModel Model { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Inputs { get; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Outputs { get; }

    /// <inheritdoc/>
    public override Schema GetOutputSchema(Schema input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return StepSchema.Of(Step, input, before =>
        {
            _ = before.Require(Inputs[0], "Give images, paths (string), encoded images (byte[]) or streams (Func<Stream>), and their column's name when loading.", ColumnKind.Image, ColumnKind.Text, ColumnKind.Bytes, ColumnKind.Stream);
            return before.With(new Column(Outputs[0], ColumnType.Vector(Model.ClassNames.Count), Step)).With(new Column(Outputs[1], ColumnType.Key(Model.ClassNames), Step));
        });
    }

    /// <inheritdoc/>
    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(batch);
        bool loaded = batch.TypeOf(Inputs[0]).Kind == ColumnKind.Image;
        (batch, ImageItem[] items) = ImageColumn.Present(environment, loaded ? batch : load.Map(batch, cancellation), Step, loaded ? Inputs[0] : load.Outputs[0]);
        ImageRows rows = Model.Predict(items, null, cancellation);
        batch = ImageColumn.Accepted(environment, batch, Step, items, rows);
        Scores.Set(batch, Model.ClassNames, rows.Values, Outputs[0], Outputs[1]);
        return batch;
    }

    /// <inheritdoc/>
    protected override void Close()
    {
        Model.Dispose();
        load.Dispose();
    }
}
