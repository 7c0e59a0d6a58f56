using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>Resized images become tensors [3, size, size]: <c>(pixel / 255 - mean) / std</c>, channels in RGB order.</summary>
internal sealed class ExtractPixelsTransformer : RowTransformer
{
    private const string Step = "ExtractPixels";

    private readonly PipelineEnvironment environment;
    private readonly float[] table;

    public ExtractPixelsTransformer(PipelineEnvironment environment, string output, string input, ChannelValues mean, ChannelValues std)
    {
        (this.environment, Mean, Std, Inputs, Outputs) = (environment, mean, std, [input], [output]);
        table = PixelValues.Table(mean, std);
    }

    public ChannelValues Mean { get; }

    public ChannelValues Std { get; }

    public override IReadOnlyList<string> Inputs { get; }

    public override IReadOnlyList<string> Outputs { get; }

    public override Schema GetOutputSchema(Schema input) => OutputSchema(input, Outputs[0], Inputs[0]);

    public static Schema OutputSchema(Schema schema, string output, string input) => StepSchema.Of(Step, schema, before =>
    {
        Column image = before.Require(input, "Append ResizeImages before.", ColumnKind.Image);
        if (image.Type.Shape.Count == 0) throw new SchemaException($"column '{input}' is Image of any size; images of one size were expected. Append ResizeImages before.");
        return before.With(new Column(output, ColumnType.Vector([3, .. image.Type.Shape]), Step));
    });

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        (batch, ImageItem[] items) = ImageColumn.Present(environment, batch, Step, Inputs[0]);
        IReadOnlyList<int> shape = batch.TypeOf(Inputs[0]).Shape;
        int plane = shape[0] * shape[1];
        var values = new float[items.Length * 3 * plane];
        var reasons = new string?[items.Length];
        Parallel.For(0, items.Length, new ParallelOptions { MaxDegreeOfParallelism = environment.Options.Workers, CancellationToken = cancellation }, i =>
        {
            if (items[i].Location is PixelsLocation { Image: var image } && image.Height == shape[0] && image.Width == shape[1]) Extract(image.Pixels.Span, values.AsSpan(i * 3 * plane, 3 * plane));
            else reasons[i] = $"it is not resized to {shape[1]} x {shape[0]} pixels";
        });
        batch.Set(Outputs[0], ColumnType.Vector([3, .. shape]), values);
        return ImageColumn.Without(environment, batch, Step, items, reasons);
    }

    private void Extract(ReadOnlySpan<byte> pixels, Span<float> tensor)
    {
        int plane = tensor.Length / 3;
        for (int channel = 0; channel < 3; channel++)
        {
            Span<float> values = tensor.Slice(channel * plane, plane);
            ReadOnlySpan<float> lookup = table.AsSpan(256 * channel, 256);
            for (int i = 0, p = channel; i < values.Length; i++, p += 3) values[i] = lookup[pixels[p]];
        }
    }
}
