using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Graphs;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>Images become bottleneck features: resize, pixels and graph in one, by the backbone's card.</summary>
internal sealed class ApplyBackboneTransformer : RowTransformer, IFeatureSource
{
    private const string Step = "ApplyBackbone";

    private readonly PipelineEnvironment environment;
    private readonly Backbone backbone;
    private readonly FeatureExtractor extractor;
    private readonly Lazy<FeatureCache?> cache;

    public ApplyBackboneTransformer(PipelineEnvironment environment, string output, string input, Backbone backbone, IReadOnlyList<string> taps, string? cacheFolder)
    {
        (this.environment, this.backbone, Inputs, Outputs) = (environment, backbone, [input], [output]);
        extractor = new FeatureExtractor(backbone, taps, environment.Options.Limits, environment.Plan);
        cache = new Lazy<FeatureCache?>(() => cacheFolder is null ? null : new FeatureCache(cacheFolder, extractor.Space, extractor.Width));
    }

    public override IReadOnlyList<string> Inputs { get; }

    public override IReadOnlyList<string> Outputs { get; }

    public string FeatureColumn => Outputs[0];

    public string InputColumn => Inputs[0];

    public Preprocessing? Preprocessing => backbone.Card.Preprocessing;

    public string Backbone => backbone.Card.Id;

    public BackboneCard? Card => backbone.Card;

    public string CardDigest => backbone.Card.Digest();

    public IReadOnlyList<string> Taps => extractor.Groups.Names;

    public byte[] SpaceKey(Preprocessing preprocessing) => extractor.Space.Key();

    public OnnxModel Graph(Range taps) => FeatureGraph.Build(backbone.LoadModel(), [.. extractor.Taps.ToArray()[taps].Select(t => t.Tensor)]);

    public override Schema GetOutputSchema(Schema input) => OutputSchema(input, Outputs[0], Inputs[0], backbone.Card, Taps);

    public static Schema OutputSchema(Schema schema, string output, string input, BackboneCard card, IReadOnlyList<string> taps) => StepSchema.Of(Step, schema, before =>
    {
        _ = before.Require(input, ImageColumn.Fix, ColumnKind.Image);
        return before.With(new Column(output, Features(card, taps), Step));
    });

    public static ColumnType Features(BackboneCard card, IReadOnlyList<string> taps) =>
        ColumnType.Features(new TapGroups(taps, [.. taps.Select(t => card.Tap(t).Width)]), taps.Contains(card.DefaultTap) ? card.DefaultTap : taps[^1]);

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        (batch, ImageItem[] items) = ImageColumn.Present(environment, batch, Step, Inputs[0]);
        ImageRows rows = extractor.Extract(items, cache.Value, null, cancellation);
        batch = ImageColumn.Accepted(environment, batch, Step, items, rows);
        batch.Set(Outputs[0], Features(backbone.Card, Taps), rows.Values);
        return batch;
    }

    protected override void Close()
    {
        extractor.Dispose();
        if (cache.IsValueCreated) cache.Value?.Dispose();
    }
}
