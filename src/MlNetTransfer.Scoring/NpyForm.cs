using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Features as NumPy reads them, float32 [rows × width] in a .npy file of version 1.0 (numpy.lib.format), NaN where an
/// input was rejected; all other columns in a .csv of the same name, in the same order.
/// </summary>
/// <param name="output">The .npy file.</param>
internal sealed class NpyForm(string output) : KeptRows
{
    /// <summary>The header's length, magic and version included, is a multiple of this.</summary>
    private const int Alignment = 64;

    public override VectorRule? Vectors => VectorRule.One;

    public override string Finish(
        string rows,
        IReadOnlyList<ScoreColumn> columns,
        long count,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        int features = columns.ToList().FindIndex(column => column.Type == ColumnType.Vector);
        // A rejected input has none: the first that has them says how wide they are.
        int width = Lines().Select(line => Vector(line[features])).FirstOrDefault(row => row is not null)?.Length ?? 0;
        float[] missing = [.. Enumerable.Repeat(float.NaN, width)];
        string file = rows + ".npy";
        using (FileStream stream = new(file, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 16))
        {
            stream.Write(Header(count, width));
            ResultTable.Write(
                FileSink.CompanionOf(output)!,
                [.. Others(columns.Select(column => column.Name))],
                Lines()
                    .Select(
                        (line, i) =>
                        {
                            cancellation.ThrowIfCancellationRequested();
                            stream.Write(MemoryMarshal.AsBytes<float>(Vector(line[features]) ?? missing));
                            if (i % 1000 == 0)
                                progress?.Report(new JobProgress("Writing the features", i, count));
                            return Others(line.EnumerateArray().Zip(columns, Value));
                        }
                    )
            );
            stream.Flush(flushToDisk: true);
        }

        return file;

        IEnumerable<JsonElement> Lines() => File.ReadLines(rows).Select(line => JsonElement.Parse(line));

        IEnumerable<T> Others<T>(IEnumerable<T> values) => values.Where((_, i) => i != features);
    }

    private static object? Value(JsonElement value, ScoreColumn column) =>
        value.ValueKind == JsonValueKind.Null
            ? null
            : column.Type switch
            {
                ColumnType.Number => value.GetSingle(),
                ColumnType.Double => value.GetDouble(),
                ColumnType.Integer => value.GetInt64(),
                ColumnType.Flag => value.GetBoolean(),
                _ => value.GetString(),
            };

    private static byte[] Header(long rows, int width)
    {
        string form = FormattableString.Invariant(
            $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {width}), }}"
        );
        const int before = 10;
        int length = (before + form.Length + 1 + Alignment - 1) / Alignment * Alignment - before;
        return
        [
            0x93,
            .. "NUMPY"u8,
            1,
            0,
            (byte)(length & 0xff),
            (byte)(length >> 8),
            .. Encoding.ASCII.GetBytes(form.PadRight(length - 1) + "\n"),
        ];
    }
}
