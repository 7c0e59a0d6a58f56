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
        KeptColumn[] kept = [.. columns.Zip(schema.DataFields, KeptColumn.Of)];
        int rowsOfGroup = columns.Any(column => column.Type == ColumnType.Vector) ? GroupRowsOfFeatures : GroupRows;
        ParquetWriter writer = await ParquetWriter
            .CreateAsync(schema, stream, cancellationToken: cancellation)
            .ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            long done = 0;
            foreach (string line in File.ReadLines(rows))
            {
                using (var row = JsonDocument.Parse(line))
                    for (int c = 0; c < kept.Length; c++)
                        kept[c].Add(row.RootElement[c]);
                if (++done % rowsOfGroup == 0 || done == count)
                    await GroupAsync(writer, kept, cancellation).ConfigureAwait(false);
                if (done % 1000 == 0)
                    progress?.Report(new JobProgress("Writing the Parquet file", done, count));
            }
        }
    }

    private static async Task GroupAsync(ParquetWriter writer, KeptColumn[] columns, CancellationToken cancellation)
    {
        using ParquetRowGroupWriter group = writer.CreateRowGroup();
        foreach (KeptColumn column in columns)
        {
            cancellation.ThrowIfCancellationRequested();
            await column.WriteAsync(group, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>The values of a column until they are a row group.</summary>
    private abstract class KeptColumn
    {
        public abstract void Add(JsonElement value);

        /// <summary>Writes what was added, and forgets it.</summary>
        public abstract Task WriteAsync(ParquetRowGroupWriter group, CancellationToken cancellation);

        public static KeptColumn Of(ScoreColumn column, DataField field) =>
            column.Type switch
            {
                ColumnType.Number => new Values<float>(field, value => value.GetSingle()),
                ColumnType.Double => new Values<double>(field, value => value.GetDouble()),
                ColumnType.Integer => new Values<long>(field, value => value.GetInt64()),
                ColumnType.Flag => new Values<bool>(field, value => value.GetBoolean()),
                ColumnType.Vector => new Lists(field),
                _ => new Texts(field),
            };
    }

    private sealed class Values<T>(DataField field, Func<JsonElement, T> read) : KeptColumn
        where T : struct
    {
        private readonly List<T?> values = [];

        public override void Add(JsonElement value) =>
            values.Add(value.ValueKind == JsonValueKind.Null ? null : read(value));

        public override async Task WriteAsync(ParquetRowGroupWriter group, CancellationToken cancellation)
        {
            await group.WriteAsync<T>(field, values.ToArray(), cancellationToken: cancellation).ConfigureAwait(false);
            values.Clear();
        }
    }

    private sealed class Texts(DataField field) : KeptColumn
    {
        /// <summary>Texts that are kept once: names of classes repeat, names of files do not.</summary>
        private const int MostKnown = 1000;

        private readonly List<string?> values = [];
        private readonly Dictionary<string, string> known = [];

        public override void Add(JsonElement value)
        {
            string? text = value.GetString();
            if (text is not null && known.TryGetValue(text, out string? same))
                text = same;
            else if (text is not null && known.Count < MostKnown)
                known[text] = text;
            values.Add(text);
        }

        public override async Task WriteAsync(ParquetRowGroupWriter group, CancellationToken cancellation)
        {
            await group.WriteAsync(field, values!).ConfigureAwait(false);
            values.Clear();
        }
    }

    private sealed class Lists(DataField field) : KeptColumn
    {
        // A list that may be missing, of numbers that are there: Dremel's levels (Melnik et al., 2010).
        private const int MissingList = 0,
            WholeElement = 2;

        private readonly List<float[]?> rows = [];

        public override void Add(JsonElement value) => rows.Add(Vector(value));

        public override async Task WriteAsync(ParquetRowGroupWriter group, CancellationToken cancellation)
        {
            float[] values = [.. rows.SelectMany(row => row ?? [])];
            int[] repetitions = [.. rows.SelectMany(row => (row ?? [0]).Select((_, i) => i == 0 ? 0 : 1))],
                definitions = [.. rows.SelectMany(row => row?.Select(_ => WholeElement) ?? [MissingList])];
            await group
                .WriteAllPartsAsync<float>(field, values, definitions, repetitions, cancellation)
                .ConfigureAwait(false);
            rows.Clear();
        }
    }
}
