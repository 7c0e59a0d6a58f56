using System.Text;
using System.Text.Json;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Parquet, whose end has to name all of it: rows are kept as JSON arrays while the batch works and become row groups
/// when it is complete.
/// </summary>
internal sealed class ParquetForm : RowForm
{
    /// <summary>Rows of a row group.</summary>
    private const int GroupRows = 50_000;

    public override string Header(IReadOnlyList<ScoreColumn> columns) => "";

    public override void Append(StringBuilder text, IReadOnlyList<ScoreColumn> columns, object?[] row)
    {
        for (int i = 0; i < row.Length; i++)
            text.Append(i == 0 ? '[' : ',').Append(Written(row[i]));
        text.Append("]\n");
    }

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
        DataField[] fields =
        [
            .. columns.Select(column =>
                column.Type switch
                {
                    ColumnType.Number => new DataField<float?>(column.Name),
                    ColumnType.Flag => new DataField<bool?>(column.Name),
                    _ => (DataField)new DataField<string>(column.Name),
                }
            ),
        ];
        ParquetWriter writer = await ParquetWriter
            .CreateAsync(new ParquetSchema(fields.Cast<Field>().ToArray()), stream, cancellationToken: cancellation)
            .ConfigureAwait(false);
        await using (writer.ConfigureAwait(false))
        {
            long done = 0;
            foreach (string[] lines in File.ReadLines(rows).Chunk(GroupRows))
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
            JsonElement[] values = Array.ConvertAll(rows, row => row[c]);
            if (fields[c] is DataField<float?>)
                await group
                    .WriteAsync<float>(
                        fields[c],
                        Array.ConvertAll(values, v => v.ValueKind == JsonValueKind.Null ? (float?)null : v.GetSingle()),
                        cancellationToken: cancellation
                    )
                    .ConfigureAwait(false);
            else if (fields[c] is DataField<bool?>)
                await group
                    .WriteAsync<bool>(
                        fields[c],
                        Array.ConvertAll(values, v => v.ValueKind == JsonValueKind.Null ? (bool?)null : v.GetBoolean()),
                        cancellationToken: cancellation
                    )
                    .ConfigureAwait(false);
            else
                await group.WriteAsync(fields[c], Array.ConvertAll(values, v => v.GetString()!)).ConfigureAwait(false);
        }
    }
}
