using System.Security.Cryptography;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Pipelines;

/// <summary>What a division of rows has to know of them, read without computing any features.</summary>
/// <param name="Numbers">Number of each row in the data [rows].</param>
/// <param name="Labels">Class of each row [rows].</param>
/// <param name="ClassNames">The classes.</param>
/// <param name="Groups">Groups that must stay together [rows]; null where every row stands alone.</param>
/// <param name="Parts">The part of a pre-made split that each row belongs to [rows]; null where there is none.</param>
internal sealed record RowPartition(long[] Numbers, int[] Labels, IReadOnlyList<string> ClassNames, int[]? Groups, SplitPart[]? Parts)
{
    /// <summary>Reads labels, groups and, where asked for, the digests of the images.</summary>
    public static RowPartition Read(PipelineEnvironment environment, IDataView data, string labelColumn, bool duplicatesTogether, CancellationToken cancellation)
    {
        Column label = data.Schema.Require(labelColumn, "Name the column of classes.", ColumnKind.Key, ColumnKind.Text);
        string? group = Optional(data.Schema, DataOperations.GroupColumn), part = Optional(data.Schema, DataOperations.SplitColumn);
        string? image = duplicatesTogether ? data.Schema.FirstOrDefault(c => c.Type.Kind is ColumnKind.Image or ColumnKind.Bytes)?.Name : null;
        var numbers = new List<long>();
        var names = new List<string?>();
        var groups = new List<string?>();
        var parts = new List<SplitPart>();
        var digests = new List<byte>();
        foreach (DataBatch batch in data.Read([.. new[] { labelColumn, group, part, image }.OfType<string>()], cancellation))
        {
            numbers.AddRange(batch.RowNumbers);
            names.AddRange(Names(batch, label));
            groups.AddRange(group is null ? new string?[batch.Rows] : batch.Values<string?>(group));
            if (part is not null) parts.AddRange(batch.Values<string?>(part).Select(Part));
            if (image is not null) digests.AddRange(Digests(environment, batch, image, cancellation));
        }

        int missing = names.IndexOf(null);
        if (missing >= 0) throw new TransferException($"Row {numbers[missing]} has no class in column '{labelColumn}'. Give it one, or leave the row out.");
        string[] classes = [.. label.Type.ClassNames ?? [.. names.Distinct().Order(StringComparer.Ordinal)!]];
        Dictionary<string, int> index = KeyNames.Index(classes);
        return new RowPartition([.. numbers], [.. names.Select(n => index[n!])], classes, Datasets.Groups.Linking(groups, digests.ToArray()), part is null ? null : [.. parts]);
    }

    /// <summary>A view of some of the rows.</summary>
    /// <param name="data">The data.</param>
    /// <param name="rows">Indices into <see cref="Numbers"/>.</param>
    public IDataView Part(IDataView data, IReadOnlyList<int> rows)
    {
        HashSet<long> kept = [.. rows.Select(row => Numbers[row])];
        return data.WhereRows(kept.Contains, kept.Count);
    }

    private static string? Optional(Schema schema, string name) => schema.Find(name) is { Type.Kind: ColumnKind.Text } ? name : null;

    private static IEnumerable<string?> Names(DataBatch batch, Column label) => label.Type.Kind == ColumnKind.Text
        ? batch.Values<string?>(label.Name)
        : batch.Values<int>(label.Name).Select(key => key < 0 ? null : label.Type.ClassNames![key]);

    private static SplitPart Part(string? name) => Enum.TryParse(name, out SplitPart part) ? part : SplitPart.None;

    /// <summary>SHA-256 of every image; of one that cannot be read, its row number, so that it stands alone until the step that needs it rejects it.</summary>
    private static byte[] Digests(PipelineEnvironment environment, DataBatch batch, string column, CancellationToken cancellation)
    {
        var digests = new byte[batch.Rows * SHA256.HashSizeInBytes];
        ImageItem?[] items = batch.TypeOf(column).Kind == ColumnKind.Image
            ? batch.Values<ImageItem?>(column)
            : Array.ConvertAll(batch.Values<byte[]?>(column), bytes => bytes is null ? null : new ImageItem(new MemoryLocation(bytes), column));
        long[] numbers = batch.RowNumbers.ToArray();
        Parallel.For(0, items.Length, new ParallelOptions { MaxDegreeOfParallelism = environment.Options.Workers, CancellationToken = cancellation }, () => new ImageItemReader(environment.Options.Limits), (i, _, reader) =>
        {
            Span<byte> digest = digests.AsSpan(i * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes);
            try
            {
                if (items[i] is { } item) SHA256.HashData(reader.Read(item), digest);
                else BitConverter.TryWriteBytes(digest, numbers[i] + 1);
            }
            catch (ImageRejectedException)
            {
                BitConverter.TryWriteBytes(digest, numbers[i] + 1);
            }

            return reader;
        }, reader => reader.Dispose());
        return digests;
    }
}
