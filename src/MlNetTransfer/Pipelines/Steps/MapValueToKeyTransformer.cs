namespace MlNetTransfer.Pipelines;

/// <summary>Text becomes the index of a class.</summary>
internal sealed class MapValueToKeyTransformer(PipelineEnvironment environment, string output, string input, string[] classNames) : RowTransformer
{
    private const string Step = "MapValueToKey";

    private readonly Dictionary<string, int> keys = KeyNames.Index(classNames);

    public override IReadOnlyList<string> Inputs { get; } = [input];

    public override IReadOnlyList<string> Outputs { get; } = [output];

    public override Schema GetOutputSchema(Schema input) => OutputSchema(input, Outputs[0], Inputs[0], classNames);

    public static Schema OutputSchema(Schema schema, string output, string input, IReadOnlyList<string>? classNames) => StepSchema.Of(Step, schema, before =>
    {
        _ = before.Require(input, "Of a column that has keys already, drop this step.", ColumnKind.Text);
        return before.With(new Column(output, ColumnType.Key(classNames), Step));
    });

    protected override DataBatch Compute(DataBatch batch, CancellationToken cancellation)
    {
        string?[] values = batch.Values<string?>(Inputs[0]);
        var reasons = new string?[values.Length];
        var found = new int[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            if (values[i] is not { } value) reasons[i] = "it is null";
            else if (!keys.TryGetValue(value, out found[i])) reasons[i] = $"'{value}' is none of the {classNames.Length} values seen in the fit";
        }

        batch.Set(Outputs[0], ColumnType.Key(classNames), found);
        return environment.Without(batch, Step, reasons, i => $"'{Inputs[0]}'");
    }
}
