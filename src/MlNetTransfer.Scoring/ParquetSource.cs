using System.Globalization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Onnx;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Scoring;

/// <summary>A Parquet list with a column of paths, one row group in memory at a time; flat columns go along.</summary>
internal sealed class ParquetSource : ScoreSource
{
    private readonly string file,
        folder;
    private readonly DataField[] fields;
    private readonly int path;

    public ParquetSource(string file, ScoreOptions options)
    {
        (this.file, folder) = (file, Path.GetDirectoryName(Path.GetFullPath(file))!);
        using FileStream stream = RegularFile.OpenRead(file);
        ParquetSchema schema = Wait(() => ParquetReader.ReadSchemaAsync(stream));
        fields = [.. schema.Fields.OfType<DataField>().Where(field => !field.IsArray)];
        IReadOnlyList<string> wanted = options.PathColumn is { } asked ? [asked] : ListColumns.PathNames;
        path = Array.FindIndex(
            fields,
            field => IsText(field) && wanted.Contains(field.Name, StringComparer.OrdinalIgnoreCase)
        );
        if (path < 0)
            throw new TransferException(
                $"'{file}' has no column of text named {string.Join(", ", wanted)}. Found: "
                    + $"{string.Join(", ", fields.Select(field => field.Name))}. Name the column of paths with "
                    + "--path-column."
            );
    }

    public override string Identity => $"list {Path.GetFullPath(file)}";

    public override IReadOnlyList<string> Columns => [.. fields.Select(column => column.Name)];

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        using FileStream stream = RegularFile.OpenRead(file);
        ParquetReader reader = Wait(() =>
            ParquetReader.CreateAsync(stream, leaveStreamOpen: true, cancellationToken: cancellation)
        );
        try
        {
            for (int group = 0; group < reader.RowGroupCount; group++)
            {
                string?[][] columns = Group(reader, group, cancellation);
                for (int row = 0; row < columns[0].Length; row++)
                {
                    cancellation.ThrowIfCancellationRequested();
                    int at = row;
                    string?[] values = Array.ConvertAll(columns, column => column[at]);
                    yield return ListedImage.Of(values[path], folder, values);
                }
            }
        }
        finally
        {
            reader.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private string?[][] Group(ParquetReader reader, int index, CancellationToken cancellation)
    {
        using ParquetRowGroupReader group = reader.OpenRowGroupReader(index);
        int rows = (int)group.RowCount;
        return Array.ConvertAll(fields, field => Wait(() => Column(group, field, rows, cancellation)));
    }

    private static Task<string?[]> Column(
        ParquetRowGroupReader group,
        DataField field,
        int rows,
        CancellationToken cancellation
    )
    {
        if (IsText(field))
            return Texts();
        if (field.ClrType == typeof(int))
            return Values<int>();
        if (field.ClrType == typeof(long))
            return Values<long>();
        if (field.ClrType == typeof(float))
            return Values<float>();
        if (field.ClrType == typeof(double))
            return Values<double>();
        if (field.ClrType == typeof(bool))
            return Values<bool>();
        if (field.ClrType == typeof(DateTime))
            return Values<DateTime>();
        return Task.FromResult(new string?[rows]);

        async Task<string?[]> Texts()
        {
            var found = new string?[rows];
            await group.ReadAsync(field, found.AsMemory(), null, cancellation).ConfigureAwait(false);
            return found;
        }

        async Task<string?[]> Values<T>()
            where T : struct
        {
            if (!field.IsNullable)
            {
                var all = new T[rows];
                await group.ReadAsync(field, all.AsMemory(), null, cancellation).ConfigureAwait(false);
                return Array.ConvertAll(all, value => Convert.ToString(value, CultureInfo.InvariantCulture));
            }

            var some = new T?[rows];
            await group.ReadAsync(field, some.AsMemory(), null, cancellation).ConfigureAwait(false);
            return Array.ConvertAll(
                some,
                value => value is { } known ? Convert.ToString(known, CultureInfo.InvariantCulture) : null
            );
        }
    }

    private static bool IsText(DataField field) =>
        field.ClrType == typeof(string) || field.ClrType == typeof(ReadOnlyMemory<char>);

    private T Wait<T>(Func<Task<T>> read)
    {
        try
        {
            return read().GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is not (OperationCanceledException or TransferException))
        {
            throw new TransferException(
                $"'{file}' cannot be read as Parquet: {e.Message.ReplaceLineEndings(" ")} Write it again.",
                e
            );
        }
    }
}
