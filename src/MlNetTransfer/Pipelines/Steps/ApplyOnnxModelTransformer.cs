using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Graphs;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>Vectors go through any ONNX graph, up to any tensor of it.</summary>
internal sealed class ApplyOnnxModelTransformer : RowTransformer, IFeatureSource
{
    private const string Step = "ApplyOnnxModel";

    private readonly PipelineEnvironment environment;
    private readonly OnnxGraph graph;
    private readonly OnnxModel model;
    private readonly string file;
    private readonly string tensor;
    private readonly bool pool;
    private readonly Schema checkedInput;

    public ApplyOnnxModelTransformer(PipelineEnvironment environment, Schema schema, string output, string input, string file, string? tensor, bool pool)
    {
        (this.environment, this.file, this.pool, Inputs, Outputs, checkedInput) = (environment, file, pool, [input], [output], schema);
        model = OnnxModel.Load(file);
        this.tensor = tensor ?? model.Outputs[0].Name;
        graph = new OnnxGraph(file, Graph(Range.All).ToBytes(), InputType(schema, input).Shape, environment.Plan);
    }

    public override IReadOnlyList<string> Inputs { get; }

    public override IReadOnlyList<string> Outputs { get; }

    public string FeatureColumn => Outputs[0];

    public string InputColumn => Inputs[0];

    public Preprocessing? Preprocessing => null;

    public string Backbone => Path.GetFileNameWithoutExtension(file);

    public BackboneCard? Card => null;

    public string CardDigest => Convert.ToHexStringLower(SHA256.HashData(model.ToBytes()));

    public IReadOnlyList<string> Taps => [tensor];

    public byte[] SpaceKey(Preprocessing preprocessing) => new FeatureSpace(CardDigest, Taps, preprocessing, DecoderVersion.Text, ImageGraph.RuntimeVersion, environment.Plan.Provider.ToString()).Key();

    public OnnxModel Graph(Range taps) => pool ? FeatureGraph.Build(model, tensor) : model.CutAt(tensor);

    public override Schema GetOutputSchema(Schema input) => StepSchema.Of(Step, input, before =>
    {
        ColumnType type = InputType(before, Inputs[0]), expected = InputType(checkedInput, Inputs[0]);
        if (!type.Shape.SequenceEqual(expected.Shape)) throw new SchemaException($"column '{Inputs[0]}' is {type}; {expected} was expected, as in the fit.");
        return before.With(new Column(Outputs[0], ColumnType.Vector(graph.OutputShape), Step));
    });

    /// <summary>The columns after the step, which asks the graph itself.</summary>
    public static Schema OutputSchema(PipelineEnvironment environment, Schema schema, string output, string input, string file, string? tensor, bool pool) => StepSchema.Of(Step, schema, before =>
    {
        _ = InputType(before, input);
        using var probe = new ApplyOnnxModelTransformer(environment, before, output, input, file, tensor, pool);
        return before.With(new Column(output, ColumnType.Vector(probe.graph.OutputShape), Step));
    });

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        float[] from = batch.Values<float>(Inputs[0]);
        ColumnType type = ColumnType.Vector(graph.OutputShape);
        int inputWidth = from.Length / batch.Rows, width = type.Width;
        var values = new float[batch.Rows * width];
        var reasons = new string?[batch.Rows];
        Parallel.For(0, batch.Rows, new ParallelOptions { MaxDegreeOfParallelism = environment.Options.Workers, CancellationToken = cancellation }, i =>
        {
            graph.Run(from.AsMemory(i * inputWidth, inputWidth), values.AsMemory(i * width, width));
            reasons[i] = ImageGraphWorker.FirstNotFinite(values.AsSpan(i * width, width));
        });
        batch.Set(Outputs[0], type, values);
        return environment.Without(batch, Step, reasons, i => $"'{Inputs[0]}'");
    }

    protected override void Close() => graph.Dispose();

    private static ColumnType InputType(Schema schema, string input) => schema.Require(input, "Append ExtractPixels before, or give vectors.", ColumnKind.Vector).Type;
}
