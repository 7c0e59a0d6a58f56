using MlNetTransfer.Datasets;

namespace MlNetTransfer.Pipelines;

/// <summary>Paths, bytes or streams become images. Nothing is opened here: an image is read when a later step needs it, so that it can be decoded at the right size.</summary>
internal sealed class LoadImagesTransformer(PipelineEnvironment environment, string output, string input, string? folder) : RowTransformer
{
    private const string Step = "LoadImages";

    private readonly string? root = folder is null ? null : Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar;

    public override IReadOnlyList<string> Inputs { get; } = [input];

    public override IReadOnlyList<string> Outputs { get; } = [output];

    public override Schema GetOutputSchema(Schema input) => OutputSchema(input, Outputs[0], Inputs[0]);

    public static Schema OutputSchema(Schema schema, string output, string input) => StepSchema.Of(Step, schema, before =>
    {
        _ = before.Require(input, "Give a column of paths (string), encoded images (byte[]) or streams (Func<Stream>).", ColumnKind.Text, ColumnKind.Bytes, ColumnKind.Stream);
        return before.With(new Column(output, ColumnType.Image, Step));
    });

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        var items = new ImageItem?[batch.Rows];
        var reasons = new string?[batch.Rows];
        for (int i = 0; i < items.Length; i++) items[i] = Item(batch, i, out reasons[i]);
        batch.Set(Outputs[0], ColumnType.Image, items);
        return environment.Without(batch, Step, reasons, i => $"'{Inputs[0]}'");
    }

    private ImageItem? Item(DataBatch batch, int row, out string? reason)
    {
        string name = $"row {batch.RowNumbers[row]}";
        reason = null;
        switch (batch.TypeOf(Inputs[0]).Kind)
        {
            case ColumnKind.Text when batch.Column<string>(Inputs[0])[row] is { Length: > 0 } path:
                if (Locate(path) is { } full) return new ImageItem(full, path);
                reason = $"'{path}' leaves the image folder '{root}'";
                return null;
            case ColumnKind.Bytes when batch.Column<byte[]>(Inputs[0])[row] is { } bytes:
                return new ImageItem(new MemoryLocation(bytes), name);
            case ColumnKind.Stream when batch.Column<Func<Stream>>(Inputs[0])[row] is { } open:
                return new ImageItem(new StreamLocation(open), name);
            default:
                reason = "it is null or empty";
                return null;
        }
    }

    private string? Locate(string path)
    {
        if (root is null) return path;
        string full = Path.GetFullPath(Path.Combine(root, path));
        return full.StartsWith(root, StringComparison.Ordinal) ? full : null;
    }
}
