using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>Images are decoded and resized to one size: bit for bit what a backbone's own preprocessing does before it normalises.</summary>
internal sealed class ResizeImagesTransformer(PipelineEnvironment environment, string output, string input, Preprocessing resize) : RowTransformer
{
    private const string Step = "ResizeImages";

    public Preprocessing Resize => resize;

    public override IReadOnlyList<string> Inputs { get; } = [input];

    public override IReadOnlyList<string> Outputs { get; } = [output];

    public override Schema GetOutputSchema(Schema input) => OutputSchema(input, Outputs[0], Inputs[0], resize.Size);

    public static Schema OutputSchema(Schema schema, string output, string input, int size) => StepSchema.Of(Step, schema, before =>
    {
        _ = before.Require(input, ImageColumn.Fix, ColumnKind.Image);
        return before.With(new Column(output, ColumnType.ImageOf(size, size), Step));
    });

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        (batch, ImageItem[] items) = ImageColumn.Present(environment, batch, Step, Inputs[0]);
        var resized = new ImageItem?[items.Length];
        var reasons = new string?[items.Length];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = environment.Options.Workers, CancellationToken = cancellation };
        Parallel.For(0, items.Length, parallel, () => new ImageResizer(resize, environment.Options.Limits), (i, _, worker) =>
        {
            try
            {
                resized[i] = items[i] with { Location = new PixelsLocation(worker.Resize(items[i])) };
            }
            catch (ImageRejectedException e)
            {
                reasons[i] = e.Reason;
            }

            return worker;
        }, worker => worker.Dispose());
        batch.Set(Outputs[0], ColumnType.ImageOf(resize.Size, resize.Size), resized);
        return ImageColumn.Without(environment, batch, Step, items, reasons);
    }

    private sealed class ImageResizer(Preprocessing resize, ImageLimits limits) : IDisposable
    {
        private readonly ImagePreprocessor preprocessor = new(resize, limits);
        private readonly ImageItemReader reader = new(limits);

        public RgbImage Resize(ImageItem item)
        {
            var pixels = new byte[resize.TensorLength];
            preprocessor.ProcessToPixels(reader.Read(item), pixels);
            return new RgbImage(resize.Size, resize.Size, pixels);
        }

        public void Dispose()
        {
            preprocessor.Dispose();
            reader.Dispose();
        }
    }
}
