using System.Text.Json;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Parquet, whose end has to name all of it: rows are kept as JSON arrays while the batch works and become row groups
/// when it is complete.
/// </summary>
internal sealed class ParquetForm : KeptRows
{
    /// <summary>Rows of a row group; fewer where they have features, which are as large as images.</summary>
    private const int GroupRows = 50_000,
        GroupRowsOfFeatures = 2_000;

    // A list that may be missing, of numbers that are there: Dremel's levels (Melnik et al., 2010).
    private const int MissingList = 0,
        WholeElement = 2;

    public override string Finish(
        string rows,
        IReadOnlyList<ScoreColumn> columns,
        long count,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        string file = rows + ".parquet";
        using (FileStream stream = new(file, FileMode.Create, FileAccess.ReadWrite))
        {
            WriteAsync(stream, rows, columns, count, progress, cancellation).GetAwaiter().GetResult();
            stream.Flush(flushToDisk: true);
        }

        return file;
    }

    private static async Task WriteAsync(
        FileStream stream,
        string rows,
        IReadOnlyList<ScoreColumn> columns,
        long count,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        var schema = new ParquetSchema(
            columns
                .Select(column =>
                    column.Type switch
                    {
                        ColumnType.Number => new DataField<float?>(column.Name),
                        ColumnType.Double => new DataField<double?>(column.Name),
                        ColumnType.Integer => new DataField<long?>(column.Name),
                        ColumnType.Flag => new DataField<bool?>(column.Name),
                        ColumnType.Vector => new ListField(column.Name, new DataField<float>("element")),
                        _ => (Field)new DataField<string>(column.Name),
                    }
                )
                .ToArray()
        );
        DataField[] fields = schema.DataFields;
        int rowsOfGroup = columns.Any(column => column.Type == ColumnType.Vector) ? GroupRowsOfFeatures : GroupRows;
        ParquetWriter writer = await ParquetWriter
            .CreateAsync(schema, stream, cancellationToken: cancellation)
            .ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            long done = 0;
            foreach (string[] lines in File.ReadLines(rows).Chunk(rowsOfGroup))
            {
                JsonElement[] group = Array.ConvertAll(lines, line => JsonElement.Parse(line));
                await GroupAsync(writer, fields, group, cancellation).ConfigureAwait(false);
                done += lines.Length;
                progress?.Report(new JobProgress("Writing the Parquet file", done, count));
            }
        }
    }

    private static async Task GroupAsync(
        ParquetWriter writer,
        DataField[] fields,
        JsonElement[] rows,
        CancellationToken cancellation
    )
    {
        using ParquetRowGroupWriter group = writer.CreateRowGroup();
        for (int c = 0; c < fields.Length; c++)
        {
            cancellation.ThrowIfCancellationRequested();
            (DataField field, int place) = (fields[c], c);
            JsonElement[] values = Array.ConvertAll(rows, row => row[place]);
            if (field.MaxRepetitionLevel > 0)
                await ListsAsync(group, field, Array.ConvertAll(values, Vector), cancellation).ConfigureAwait(false);
            else if (field is DataField<float?>)
                await NumbersAsync(value => value.GetSingle()).ConfigureAwait(false);
            else if (field is DataField<double?>)
                await NumbersAsync(value => value.GetDouble()).ConfigureAwait(false);
            else if (field is DataField<long?>)
                await NumbersAsync(value => value.GetInt64()).ConfigureAwait(false);
            else if (field is DataField<bool?>)
                await NumbersAsync(value => value.GetBoolean()).ConfigureAwait(false);
            else
                await group.WriteAsync(field, Array.ConvertAll(values, v => v.GetString()!)).ConfigureAwait(false);

            Task NumbersAsync<T>(Func<JsonElement, T> read)
                where T : struct =>
                group.WriteAsync<T>(
                    field,
                    Array.ConvertAll(values, v => v.ValueKind == JsonValueKind.Null ? (T?)null : read(v)),
                    cancellationToken: cancellation
                );
        }
    }

    private static async Task ListsAsync(
        ParquetRowGroupWriter group,
        DataField field,
        float[]?[] rows,
        CancellationToken cancellation
    )
    {
        float[] values = [.. rows.SelectMany(row => row ?? [])];
        int[] repetitions = [.. rows.SelectMany(row => (row ?? [0]).Select((_, i) => i == 0 ? 0 : 1))],
            definitions = [.. rows.SelectMany(row => row?.Select(_ => WholeElement) ?? [MissingList])];
        await group
            .WriteAllPartsAsync<float>(field, values, definitions, repetitions, cancellation)
            .ConfigureAwait(false);
    }
}
