using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Scoring;

/// <summary>
/// A file: rows are appended to one beside it, whose length is noted after each segment; what a kill left behind that
/// length is cut off. Complete, it takes the output's name in one step.
/// </summary>
/// <param name="output">The file.</param>
/// <param name="work">Where rows and notes are until then.</param>
/// <param name="form">How rows are written.</param>
internal sealed class FileSink(string output, WorkPlace work, RowForm form) : ScoreSink
{
    private const int Buffered = 1 << 20;
    private FileStream? rows,
        ledger;
    private OutputLock? held;
    private IReadOnlyList<ScoreColumn> columns = [];
    private ScoreIdentity? identity;

    private string RowsFile => Path.Combine(work.Folder, "rows");

    private string LedgerFile => Path.Combine(work.Folder, "ledger.jsonl");

    private string IdentityFile => Path.Combine(work.Folder, "batch.json");

    /// <summary>What tells that the output is complete, and of which batch.</summary>
    private string Receipt => Path.GetFullPath(output) + ".batch.json";

    public override VectorRule? Vectors => form.Vectors;

    public override (ScoreState State, bool IsComplete) Open(
        ScoreIdentity identity,
        IReadOnlyList<ScoreColumn> columns,
        bool restart
    )
    {
        (this.identity, this.columns) = (identity, columns);
        held = OutputLock.OfFile(Path.GetFullPath(output));
        if (restart)
            work.Remove();
        else if (Done(identity) is { } done)
        {
            work.Remove();
            return (done, true);
        }

        if (Read<ScoreIdentity>(IdentityFile) is { } before && before != identity)
        {
            if (Last() != ScoreState.Nothing)
                throw OfAnother($"'{output}', which was begun and not ended,", identity, before);
            // Nothing was written: there is nothing to lose, and nothing to go on with.
            work.Remove();
        }

        work.Make();
        if (!File.Exists(IdentityFile))
        {
            RequireFreeCompanion(restart);
            AtomicFile.Write(IdentityFile, stream => JsonSerializer.Serialize(stream, identity));
        }

        ScoreState state = Last();
        rows = new FileStream(RowsFile, FileMode.OpenOrCreate, FileAccess.Write, FileShare.Read, 1 << 16);
        if (rows.Length < state.Bytes)
            throw new TransferException(
                $"'{RowsFile}' has {rows.Length:N0} bytes, and {state.Bytes:N0} were written: it was changed since. "
                    + "Begin anew with --restart."
            );
        rows.SetLength(state.Bytes);
        rows.Seek(0, SeekOrigin.End);
        ledger = new FileStream(LedgerFile, FileMode.Append, FileAccess.Write, FileShare.Read);
        return (state, false);
    }

    public override void Commit(IReadOnlyList<object?[]> segment, ScoreState after, CancellationToken cancellation)
    {
        var text = new StringBuilder();
        try
        {
            if (rows!.Length == 0)
                rows.Write(Encoding.UTF8.GetBytes(form.Header(columns)));
            foreach (object?[] row in segment)
            {
                form.Append(text, columns, row);
                if (text.Length > Buffered)
                    Flush();
            }

            Flush();
            rows.Flush(flushToDisk: true);
            ledger!.Write(JsonSerializer.SerializeToUtf8Bytes(after with { Bytes = rows.Length }));
            ledger.Write("\n"u8);
            ledger.Flush(flushToDisk: true);
        }
        catch (IOException e)
        {
            throw new TransferException(
                $"The rows of '{output}' cannot be written: {e.Message} Make room on the disk and run the same command "
                    + "again: it goes on where it was.",
                e
            );
        }

        void Flush()
        {
            rows!.Write(Encoding.UTF8.GetBytes(text.ToString()));
            text.Clear();
        }
    }

    public override void Complete(ScoreState state, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        if (rows!.Length == 0)
            Commit([], state, cancellation);
        try
        {
            rows.Dispose();
            rows = null;
            string finished = form.Finish(RowsFile, columns, state.Items, progress, cancellation);
            // The receipt first: a file that has its name without one would be an output of nobody.
            AtomicFile.Write(Receipt, stream => JsonSerializer.Serialize(stream, new Completed(identity!, state)));
            File.Move(finished, Path.GetFullPath(output), overwrite: true);
            ledger!.Dispose();
            ledger = null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or GraphException)
        {
            throw new TransferException(
                $"All {state.Items:N0} rows are written, but '{output}' cannot be finished: {e.Message} Make room on "
                    + "the disk, or close what has the file open, and run the same command again: nothing is scored "
                    + "twice.",
                e
            );
        }

        work.Remove();
    }

    public override void Dispose()
    {
        Close(rows);
        Close(ledger);
        held?.Dispose();
        base.Dispose();
    }

    /// <summary>What a full disk did not take is of no segment that was committed.</summary>
    private static void Close(FileStream? file)
    {
        try
        {
            file?.Dispose();
        }
        catch (IOException)
        {
            // The error of the write was said.
        }
    }

    /// <summary>The second file of an output, as a full path; null where it has one alone.</summary>
    public static string? CompanionOf(string output) =>
        Path.GetExtension(output).Equals(".npy", StringComparison.OrdinalIgnoreCase)
            ? Path.ChangeExtension(Path.GetFullPath(output), ".csv")
            : null;

    private void RequireFreeCompanion(bool restart)
    {
        if (restart || CompanionOf(output) is not { } beside || !File.Exists(beside))
            return;
        work.Remove();
        throw new TransferException(
            $"'{beside}' is there already, and the rows beside '{output}' would take its name. Give another output, or "
                + "--restart to replace both."
        );
    }

    /// <summary>The state of a complete output; null where there is none.</summary>
    private ScoreState? Done(ScoreIdentity now)
    {
        // Rows that are still beside it are not all in it.
        if (!File.Exists(output) || File.Exists(RowsFile))
            return null;
        return Read<Completed>(Receipt) is not { } completed
                ? throw new TransferException(
                    $"'{output}' is there already, and nothing says of which batch. Give another output, or "
                        + "--restart to replace it."
                )
            : completed.Identity != now ? throw OfAnother($"'{output}'", now, completed.Identity)
            : completed.State;
    }

    private ScoreState Last()
    {
        if (!File.Exists(LedgerFile))
            return ScoreState.Nothing;
        // A last line that was cut off tells of a segment that is not to be counted.
        string whole = File.ReadAllText(LedgerFile);
        string? line = whole.Split('\n').LastOrDefault(l => l.EndsWith('}'));
        if (whole.Length > 0 && !whole.EndsWith('\n'))
            AtomicFile.Write(
                LedgerFile,
                stream => stream.Write(Encoding.UTF8.GetBytes(line is null ? "" : line + "\n"))
            );
        return line is null ? ScoreState.Nothing : JsonSerializer.Deserialize<ScoreState>(line)!;
    }

    private static T? Read<T>(string file)
        where T : class
    {
        if (!File.Exists(file))
            return null;
        try
        {
            return JsonSerializer.Deserialize<T>(File.ReadAllText(file));
        }
        catch (JsonException e)
        {
            throw new TransferException($"'{file}' cannot be read: {e.Message} Begin anew with --restart.", e);
        }
    }

    private sealed record Completed(ScoreIdentity Identity, ScoreState State);
}

/// <summary>How rows are written to a file.</summary>
internal abstract class RowForm
{
    private static readonly JsonSerializerOptions Json = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>As <see cref="ScoreSink.Vectors"/>.</summary>
    public virtual VectorRule? Vectors => null;

    /// <summary>What stands before the first row.</summary>
    public abstract string Header(IReadOnlyList<ScoreColumn> columns);

    /// <summary>Appends a row.</summary>
    public abstract void Append(StringBuilder text, IReadOnlyList<ScoreColumn> columns, object?[] row);

    /// <summary>Makes of the rows what the output is to be.</summary>
    /// <returns>The file with it.</returns>
    public virtual string Finish(
        string rows,
        IReadOnlyList<ScoreColumn> columns,
        long count,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) => rows;

    /// <summary>A value as JSON, which has no numbers that are not finite.</summary>
    protected static string Written(object? value) =>
        JsonSerializer.Serialize(
            value is float[] vector ? Array.ConvertAll(vector, v => float.IsFinite(v) ? v : (float?)null) : value,
            Json
        );
}

/// <summary>CSV by RFC 4180, lines ended by a line feed.</summary>
internal sealed class CsvForm : RowForm
{
    public override string Header(IReadOnlyList<ScoreColumn> columns) =>
        string.Join(',', columns.Select(column => ResultTable.Field(column.Name))) + "\n";

    public override void Append(StringBuilder text, IReadOnlyList<ScoreColumn> columns, object?[] row)
    {
        for (int i = 0; i < row.Length; i++)
            text.Append(i == 0 ? "" : ",").Append(ResultTable.Field(row[i]));
        text.Append('\n');
    }
}

/// <summary>A JSON object a line.</summary>
internal sealed class JsonLinesForm : RowForm
{
    public override VectorRule? Vectors => VectorRule.Any;

    public override string Header(IReadOnlyList<ScoreColumn> columns) => "";

    public override void Append(StringBuilder text, IReadOnlyList<ScoreColumn> columns, object?[] row)
    {
        for (int i = 0; i < row.Length; i++)
            text.Append(i == 0 ? '{' : ',').Append(Written(columns[i].Name)).Append(':').Append(Written(row[i]));
        text.Append("}\n");
    }
}

/// <summary>
/// A row as a JSON array, from which a file is made that can only be written when all rows are known. Float32 rows are
/// kept as the base64 of their bytes.
/// </summary>
internal abstract class KeptRows : RowForm
{
    public override VectorRule? Vectors => VectorRule.Any;

    public override string Header(IReadOnlyList<ScoreColumn> columns) => "";

    public override void Append(StringBuilder text, IReadOnlyList<ScoreColumn> columns, object?[] row)
    {
        for (int i = 0; i < row.Length; i++)
            text.Append(i == 0 ? '[' : ',').Append(Written(row[i] is float[] vector ? Bytes(vector) : row[i]));
        text.Append("]\n");
    }

    /// <summary>The values of a float32 row; null where it has none.</summary>
    protected static float[]? Vector(JsonElement value) =>
        value.ValueKind == JsonValueKind.Null
            ? null
            : MemoryMarshal.Cast<byte, float>(value.GetBytesFromBase64()).ToArray();

    private static byte[] Bytes(float[] vector) => MemoryMarshal.AsBytes<float>(vector).ToArray();
}
