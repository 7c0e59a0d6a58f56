namespace MlNetTransfer.Pipelines;

/// <summary>The index of a class becomes its name.</summary>
internal sealed class MapKeyToValueTransformer(string output, string input) : RowTransformer
{
    private const string Step = "MapKeyToValue";

    public override IReadOnlyList<string> Inputs { get; } = [input];

    public override IReadOnlyList<string> Outputs { get; } = [output];

    public override Schema GetOutputSchema(Schema input) => OutputSchema(input, Outputs[0], Inputs[0]);

    public static Schema OutputSchema(Schema schema, string output, string input) => StepSchema.Of(Step, schema, before =>
    {
        _ = before.Require(input, "Append MapValueToKey or a trainer before.", ColumnKind.Key);
        return before.With(new Column(output, ColumnType.Text, Step));
    });

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        IReadOnlyList<string> names = batch.TypeOf(Inputs[0]).ClassNames!;
        batch.Set(Outputs[0], ColumnType.Text, Array.ConvertAll(batch.Values<int>(Inputs[0]), key => key < 0 ? null : names[key]));
        return batch;
    }
}
