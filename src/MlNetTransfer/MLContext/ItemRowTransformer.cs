using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>
/// Computes columns from a column of images or texts: in parallel over data, and row by row for a prediction engine.
/// Thread-safe; dispose it to release ONNX Runtime's session.
/// </summary>
public abstract class ItemRowTransformer : ITransformer, IDisposable, IRunsInParallel
{
    private readonly Lock gate = new();
    private readonly List<RejectedItem> rejected = [];

    private protected ItemRowTransformer(
        ItemColumn images,
        ItemRowScorer scorer,
        IReadOnlyList<RowOutput> outputs,
        IReadOnlyList<DataItem> sample
    )
    {
        (Images, Scorer, Outputs, Sample) = (images, scorer, outputs, sample);
    }

    internal ItemColumn Images { get; }

    internal ItemRowScorer Scorer { get; }

    internal IReadOnlyList<RowOutput> Outputs { get; }

    /// <summary>Some items of the data that it was fitted on: what a saved model is checked on.</summary>
    internal IReadOnlyList<DataItem> Sample { get; }

    /// <summary>
    /// Told of rows whose image cannot be used, which are then left out; null where the first such row ends the work.
    /// </summary>
    internal Action<RejectedItem>? OnRejected { get; init; }

    internal CancellationToken Cancellation { get; init; }

    /// <inheritdoc/>
    public bool IsRowToRowMapper => OnRejected is null;

    /// <summary>Images that could not be used so far, and why; empty where the first of them ends the work.</summary>
    public IReadOnlyList<RejectedItem> Rejected
    {
        get
        {
            lock (gate)
                return [.. rejected];
        }
    }

    /// <inheritdoc/>
    /// <exception cref="TransferException"> The column of images is missing, or is of another kind than at Fit.
    /// </exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        ArgumentNullException.ThrowIfNull(inputSchema);
        ItemColumn found = ItemColumn.Of(inputSchema, Images.Name, Images.Kind == ItemColumnKind.Text);
        if (found.Kind != Images.Kind)
            throw new TransferException(
                $"Column '{Images.Name}' is {inputSchema[Images.Name].Type} now and held another kind of image at "
                    + "Fit. Give the data the form that the model was made for."
            );
        var schema = new DataViewSchema.Builder();
        schema.AddColumns(inputSchema);
        foreach (RowOutput output in Outputs)
            schema.AddColumn(output.Name, output.Type, output.Annotations);
        return schema.ToSchema();
    }

    /// <inheritdoc/>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        return new ItemRowsView(input, this);
    }

    /// <inheritdoc/>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => new ItemRowMapper(this, inputSchema);

    /// <summary>Releases ONNX Runtime's session and the decoders' memory.</summary>
    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        using StockChain chain = Stock();
        chain.Check(this);
        ((ICanSaveModel)chain.Model).Save(ctx);
    }

    /// <summary>
    /// The same work by ML.NET's own transformers, from the images on, which is what a saved model is made of.
    /// </summary>
    internal abstract StockChain Stock();

    private protected virtual void Dispose(bool disposing)
    {
        if (disposing)
            Scorer.Dispose();
    }

    /// <exception cref="TransferException">Nobody asked to be told of images that cannot be used.</exception>
    internal void Reject(RejectedItem image)
    {
        if (OnRejected is null)
            throw CannotBeUsed(image.File, image.Reason, null);
        lock (gate)
            rejected.Add(image);
        OnRejected(image);
    }

    private string Thing => Images.Kind == ItemColumnKind.Text ? "text" : "image";

    internal TransferException CannotBeUsed(string image, string reason, Exception? cause) =>
        new(
            $"The {Thing} {image} in column '{Images.Name}' cannot be used: {reason}. Remove its row, or pass "
                + $"OnRejected to go on without such rows.",
            cause
        );
}

/// <summary>Row after row on the caller's thread, as prediction engines want it.</summary>
internal sealed class ItemRowMapper(ItemRowTransformer parent, DataViewSchema input) : IRowToRowMapper
{
    public DataViewSchema InputSchema => input;

    public DataViewSchema OutputSchema { get; } = parent.GetOutputSchema(input);

    public IEnumerable<DataViewSchema.Column> GetDependencies(IEnumerable<DataViewSchema.Column> dependingColumns)
    {
        DataViewSchema.Column[] wanted = [.. dependingColumns];
        IEnumerable<DataViewSchema.Column> passed = wanted
            .Where(c => c.Index < input.Count)
            .Select(c => input[c.Index]);
        return wanted.Any(c => c.Index >= input.Count)
            ? passed.Append(input[parent.Images.Name]).DistinctBy(c => c.Index)
            : passed;
    }

    public DataViewRow GetRow(DataViewRow input, IEnumerable<DataViewSchema.Column> activeColumns) =>
        new Row(this, parent, input, [.. activeColumns.Select(c => c.Index)]);

    private sealed class Row : DataViewRow
    {
        private readonly ItemRowMapper mapper;
        private readonly ItemRowTransformer parent;
        private readonly DataViewRow row;
        private readonly HashSet<int> active;
        private readonly Lazy<Func<DataItem>> image;
        private readonly float[] numbers;
        private long computed = -1;

        public Row(ItemRowMapper mapper, ItemRowTransformer parent, DataViewRow row, HashSet<int> active)
        {
            (this.mapper, this.parent, this.row, this.active) = (mapper, parent, row, active);
            image = new(() => parent.Images.Reader(row));
            numbers = new float[parent.Scorer.Width];
        }

        public override DataViewSchema Schema => mapper.OutputSchema;

        public override long Position => row.Position;

        public override long Batch => row.Batch;

        public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);

        public override ValueGetter<DataViewRowId> GetIdGetter() => row.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            int own = row.Schema.Count;
            return column.Index < own
                ? row.GetGetter<TValue>(row.Schema[column.Index])
                : (ValueGetter<TValue>)parent.Outputs[column.Index - own].Getter(Numbers);
        }

        /// <summary>
        /// Computed once per position; a prediction engine stays at one position, or moves on with each row.
        /// </summary>
        private ReadOnlyMemory<float> Numbers()
        {
            if (computed == row.Position && computed >= 0)
                return numbers;
            DataItem item = image.Value();
            try
            {
                parent.Scorer.RunOne(item, numbers);
            }
            catch (ImageRejectedException e)
            {
                throw parent.CannotBeUsed(item.Name, e.Reason, e);
            }

            computed = row.Position;
            return numbers;
        }
    }
}
