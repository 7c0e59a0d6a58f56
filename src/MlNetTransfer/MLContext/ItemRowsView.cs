using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;

namespace MlNetTransfer;

/// <summary>
/// Data with columns that are computed from its images: in parallel, lazily and in the order of the rows. Two cursors
/// go over the source: one gives the rows, the other, over the images alone, runs ahead of it and keeps the workers
/// busy. Columns of others cost no run of the graph.
/// </summary>
internal sealed class ItemRowsView : IDataView
{
    private readonly IDataView source;
    private readonly ItemRowTransformer parent;

    public ItemRowsView(IDataView source, ItemRowTransformer parent)
    {
        (this.source, this.parent) = (source, parent);
        Schema = parent.GetOutputSchema(source.Schema);
    }

    public bool CanShuffle => source.CanShuffle;

    public DataViewSchema Schema { get; }

    /// <summary>Not known where rows may be left out.</summary>
    public long? GetRowCount() => parent.OnRejected is null ? source.GetRowCount() : null;

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded,
        int n,
        Random? rand = null
    ) => [GetRowCursor(columnsNeeded, rand)];

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null)
    {
        HashSet<int> needed = [.. columnsNeeded.Select(c => c.Index)];
        int own = source.Schema.Count;
        // Which rows there are must not depend on the columns that are read.
        bool runs = needed.Any(i => i >= own) || parent.OnRejected is not null;
        int? seed = rand?.Next();
        DataViewRowCursor rows = source.GetRowCursor(
            source.Schema.Where(c => needed.Contains(c.Index)),
            seed is { } s ? new Random(s) : null
        );
        if (!runs)
            return new Cursor(this, rows, null, needed);
        DataViewRowCursor ahead = source.GetRowCursor(
            [source.Schema[parent.Images.Name]],
            seed is { } same ? new Random(same) : null
        );
        return new Cursor(this, rows, new RowsAhead(ahead, parent), needed);
    }

    private sealed class Cursor(ItemRowsView view, DataViewRowCursor rows, RowsAhead? ahead, HashSet<int> active)
        : DataViewRowCursor
    {
        private bool disposed;

        public override DataViewSchema Schema => view.Schema;

        public override long Position => rows.Position;

        public override long Batch => rows.Batch;

        public override bool IsColumnActive(DataViewSchema.Column column) => active.Contains(column.Index);

        public override ValueGetter<DataViewRowId> GetIdGetter() => rows.GetIdGetter();

        public override bool MoveNext()
        {
            while (rows.MoveNext())
                if (ahead is null || ahead.MoveNext())
                    return true;
            return false;
        }

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column)
        {
            int own = rows.Schema.Count;
            if (column.Index < own)
                return rows.GetGetter<TValue>(rows.Schema[column.Index]);
            if (ahead is null)
                throw new InvalidOperationException(
                    $"Column '{column.Name}' is not active in this cursor. Name it among the columns needed."
                );
            return (ValueGetter<TValue>)view.parent.Outputs[column.Index - own].Getter(() => ahead.Row);
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing && !disposed)
            {
                ahead?.Dispose();
                rows.Dispose();
            }

            disposed = true;
            base.Dispose(disposing);
        }
    }
}

/// <summary>Runs ahead of the reader: while the rows of one chunk are read, the next is computed.</summary>
internal sealed class RowsAhead : IDisposable
{
    private readonly DataViewRowCursor cursor;
    private readonly ItemRowTransformer parent;
    private readonly Func<DataItem> image;
    private readonly CancellationTokenSource stop;
    private Task<Chunk?>? next;
    private Chunk? current;
    private int at;
    private int size;

    public RowsAhead(DataViewRowCursor cursor, ItemRowTransformer parent)
    {
        (this.cursor, this.parent) = (cursor, parent);
        image = parent.Images.Reader(cursor);
        stop = CancellationTokenSource.CreateLinkedTokenSource(parent.Cancellation);
        size = 2 * parent.Scorer.Graph.Plan.Workers;
    }

    /// <summary>The numbers of the current row [width].</summary>
    public ReadOnlyMemory<float> Row => current!.Row(at);

    /// <summary>Goes on by one row.</summary>
    /// <returns>
    /// Whether its image could be used; where not, the caller was told, and the row is to be passed over.
    /// </returns>
    /// <exception cref="TransferException">The image cannot be used, and nobody asked to be told of it.</exception>
    public bool MoveNext()
    {
        if (current is null || ++at == current.Items.Length)
            Advance();
        if (current!.Reason(at) is not { } reason)
            return true;
        parent.Reject(new RejectedItem(current.Items[at].Name, reason));
        return false;
    }

    public void Dispose()
    {
        stop.Cancel();
        try
        {
            next?.Wait(CancellationToken.None);
        }
        catch (AggregateException)
        {
            // The reader stopped before the end; nobody is left to be told.
        }

        stop.Dispose();
        cursor.Dispose();
    }

    private void Advance()
    {
        next ??= Start();
        current =
            next.GetAwaiter().GetResult()
            ?? throw new InvalidOperationException(
                "The data has more rows now than when its images were read. Give data that stays the same while it "
                    + "is read."
            );
        at = 0;
        next = Start();
    }

    /// <summary>The first chunks are small, so that whoever wants one row does not wait for many.</summary>
    private Task<Chunk?> Start()
    {
        int count = size;
        size = Math.Min(2 * size, parent.Scorer.ChunkSize);
        return Task.Factory.StartNew(
            () => Read(count),
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default
        );
    }

    private Chunk? Read(int count)
    {
        var items = new List<DataItem>(count);
        while (items.Count < count && cursor.MoveNext())
            items.Add(image());
        return items.Count == 0 ? null : new Chunk([.. items], parent.Scorer.Run(items, stop.Token));
    }

    private sealed class Chunk
    {
        private readonly ItemRows rows;
        private readonly int[] place;
        private readonly Queue<RejectedItem> rejected;

        public Chunk(DataItem[] items, ItemRows rows)
        {
            (Items, this.rows, rejected) = (items, rows, new Queue<RejectedItem>(rows.Rejected));
            place = new int[items.Length];
            Array.Fill(place, -1);
            for (int row = 0; row < rows.Accepted.Length; row++)
                place[rows.Accepted[row]] = row;
        }

        public DataItem[] Items { get; }

        public ReadOnlyMemory<float> Row(int item) => rows.Values.AsMemory(place[item] * rows.Width, rows.Width);

        /// <summary>
        /// Why an image has no row; rejections stand in the order of the images, and each is asked for once.
        /// </summary>
        public string? Reason(int item) => place[item] >= 0 ? null : rejected.Dequeue().Reason;
    }
}
