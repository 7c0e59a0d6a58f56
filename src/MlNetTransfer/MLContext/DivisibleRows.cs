using System.Globalization;
using System.Security.Cryptography;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer;

/// <summary>What a division of rows depends on: classes, groups, and the content of the images.</summary>
/// <param name="ClassNames">The classes, in ordinal order.</param>
/// <param name="Labels">Class of each row.</param>
/// <param name="Groups">Group of each row, which equal images share; null where each row stands alone.</param>
/// <param name="Digests">SHA-256 of each image [rows × 32].</param>
internal sealed record DivisibleRows(IReadOnlyList<string> ClassNames, int[] Labels, int[]? Groups, byte[] Digests)
{
    /// <summary>Reads them; each image's bytes are read once.</summary>
    /// <exception cref="TransferException"> A column is missing or of another type, or an image cannot be read.
    /// </exception>
    public static DivisibleRows Read(IDataView rows, string labelColumn, string? groupColumn, string imageColumn)
    {
        ArgumentNullException.ThrowIfNull(rows);
        ItemColumn images = ItemColumn.Of(rows.Schema, imageColumn);
        DataViewSchema.Column label = Column(rows.Schema, labelColumn);
        DataViewSchema.Column? group = groupColumn is null ? null : Column(rows.Schema, groupColumn);
        if (group is { } g && g.Type is not TextDataViewType)
            throw new TransferException(
                $"Group column '{groupColumn}' is {g.Type}; text was expected. Convert it, or name another column."
            );
        using DataViewRowCursor cursor = rows.GetRowCursor([
            rows.Schema[imageColumn],
            label,
            .. group is { } there ? [there] : (DataViewSchema.Column[])[],
        ]);
        Func<string> className = ClassName(cursor, label);
        Func<DataItem> image = images.Reader(cursor);
        ValueGetter<ReadOnlyMemory<char>>? groupName = group is { } named
            ? cursor.GetGetter<ReadOnlyMemory<char>>(named)
            : null;
        List<string> classes = [];
        List<string?> groups = [];
        var digests = new MemoryStream();
        using var reader = new ItemReader();
        while (cursor.MoveNext())
        {
            classes.Add(className());
            ReadOnlyMemory<char> name = default;
            groupName?.Invoke(ref name);
            groups.Add(name.IsEmpty ? null : name.ToString());
            digests.Write(Digest(reader, image(), imageColumn));
        }

        string[] names = [.. classes.Distinct().Order(StringComparer.Ordinal)];
        int[] labels = [.. classes.Select(c => Array.BinarySearch(names, c, StringComparer.Ordinal))];
        return new DivisibleRows(names, labels, Datasets.Groups.Linking(groups, digests.ToArray()), digests.ToArray());
    }

    public TrainTestRows Split(double testFraction, int seed) =>
        Groups is { } groups
            ? StratifiedSplit.TrainTest(Labels, groups, testFraction, seed, ClassNames, Digests)
            : StratifiedSplit.TrainTest(Labels, testFraction, seed, ClassNames, Digests);

    public int[] Folds(int folds, int seed) =>
        Groups is { } groups
            ? StratifiedFolds.Assign(Labels, groups, folds, seed, ClassNames, Digests)
            : StratifiedFolds.Assign(Labels, folds, seed, ClassNames, Digests);

    private static byte[] Digest(ItemReader reader, DataItem item, string column)
    {
        try
        {
            return SHA256.HashData(reader.Read(item));
        }
        catch (ImageRejectedException e)
        {
            throw new TransferException(
                $"The image {item.Name} in column '{column}' cannot be read: {e.Reason}. Remove its row before "
                    + "the data is divided.",
                e
            );
        }
    }

    private static DataViewSchema.Column Column(DataViewSchema schema, string name) =>
        schema.GetColumnOrNull(name)
        ?? throw ItemColumn.Missing(name, schema.Where(c => !c.IsHidden).Select(c => c.Name));

    private static Func<string> ClassName(DataViewRow row, DataViewSchema.Column label)
    {
        if (label.Type is TextDataViewType)
        {
            ValueGetter<ReadOnlyMemory<char>> text = row.GetGetter<ReadOnlyMemory<char>>(label);
            return () =>
            {
                ReadOnlyMemory<char> value = default;
                text(ref value);
                return value.IsEmpty
                    ? throw new TransferException(
                        $"Row {row.Position.ToString(CultureInfo.InvariantCulture)} (counted from 0) has no label: "
                            + $"'{label.Name}' is empty there. Remove such rows, or give them one."
                    )
                    : value.ToString();
            };
        }

        LabelKeyColumn column = LabelKeyColumn.Of(row.Schema, label.Name, binary: label.Type is BooleanDataViewType);
        Func<int> index = column.Reader(row);
        return () => column.Names[index()];
    }
}

/// <summary>Some rows of a data view, in its order.</summary>
/// <param name="source">The data view.</param>
/// <param name="kept">Whether each row is kept [rows].</param>
internal sealed class RowSubset(IDataView source, bool[] kept) : IDataView
{
    /// <summary>Rows are known by their place.</summary>
    public bool CanShuffle => false;

    public DataViewSchema Schema => source.Schema;

    public long? GetRowCount() => kept.Count(k => k);

    public DataViewRowCursor GetRowCursor(IEnumerable<DataViewSchema.Column> columnsNeeded, Random? rand = null) =>
        new Cursor(source.GetRowCursor(columnsNeeded), kept);

    public DataViewRowCursor[] GetRowCursorSet(
        IEnumerable<DataViewSchema.Column> columnsNeeded,
        int n,
        Random? rand = null
    ) => [GetRowCursor(columnsNeeded, rand)];

    private sealed class Cursor(DataViewRowCursor rows, bool[] kept) : DataViewRowCursor
    {
        private long position = -1;
        private int row = -1;

        public override DataViewSchema Schema => rows.Schema;

        public override long Position => position;

        public override long Batch => 0;

        public override bool IsColumnActive(DataViewSchema.Column column) => rows.IsColumnActive(column);

        public override ValueGetter<DataViewRowId> GetIdGetter() => rows.GetIdGetter();

        public override ValueGetter<TValue> GetGetter<TValue>(DataViewSchema.Column column) =>
            rows.GetGetter<TValue>(column);

        public override bool MoveNext()
        {
            while (rows.MoveNext())
            {
                if (++row >= kept.Length)
                    throw new InvalidOperationException(
                        $"The data has more rows now than the {kept.Length} that were divided. Give data that "
                            + "stays the same."
                    );
                if (!kept[row])
                    continue;
                position++;
                return true;
            }

            return false;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
                rows.Dispose();
            base.Dispose(disposing);
        }
    }
}
