using System.Runtime.ExceptionServices;
using Microsoft.ML;
using MlNetTransfer.Backbones;

namespace MlNetTransfer.Scoring.Chains;

/// <summary>
/// Scores rows with any transformer of ML.NET, several parts of a segment at once: each part is data of its own, so
/// that transformers which know nothing of threads run in parallel. A row that cannot be scored is tried by itself and
/// gets its error; the others are not touched by it.
/// </summary>
internal sealed class ChainScorer : SegmentScorer
{
    /// <summary>A named vector of more places than this is not written unless it is asked for.</summary>
    private const int MostSlotsUnasked = 100;

    /// <summary>Rows of a part at most, whose images may be in memory.</summary>
    private const int MostRows = 128;

    private readonly ITransformer model;
    private readonly RowColumns rows;
    private readonly Func<ScoreInput, object?[]> rowOf;
    private readonly OutputColumn[] passed,
        found;
    private readonly int workers,
        listed;

    /// <param name="model">The transformer.</param>
    /// <param name="digest">SHA-256 of it, hexadecimal.</param>
    /// <param name="rows">The columns of its input.</param>
    /// <param name="rowOf">Makes a row of its input.</param>
    /// <param name="names">Names of the columns to write; null for all that can be written.</param>
    /// <param name="workers">Parts of a segment that are scored at once.</param>
    /// <param name="listed">Names of the columns that inputs have beside a row, which go along in place of those of the
    /// row; null where the row is all.</param>
    /// <exception cref="TransferException">A column is missing or cannot be written, or the transformer may leave rows
    /// out.</exception>
    public ChainScorer(
        ITransformer model,
        string digest,
        RowColumns rows,
        Func<ScoreInput, object?[]> rowOf,
        IReadOnlyList<string>? names,
        int workers,
        IReadOnlyList<string>? listed = null
    )
    {
        (this.model, ModelSha256, this.rows, this.rowOf) = (model, digest, rows, rowOf);
        this.listed = listed?.Count ?? 0;
        if (!model.IsRowToRowMapper)
            throw new TransferException(
                "The model is not one that gives a row for every row: a transformer of it may leave rows out, as one "
                    + "that was fitted with OnRejected does. Fit it without."
            );
        this.workers = Steps(model).Any(step => step is IRunsInParallel) ? 1 : workers;
        DataViewSchema schema = OutputOf(model, rows.Schema);
        OutputColumn[] wanted = [.. Wanted(schema, names)];
        passed = [.. wanted.Where(column => listed is null && IsPassed(column))];
        found = [.. wanted.Where(column => !IsPassed(column))];
        // A database takes names that differ by case alone for one.
        HashSet<string> taken = new(["file", "error", "model"], StringComparer.OrdinalIgnoreCase);
        Columns =
        [
            new ScoreColumn("file", ColumnType.Text),
            .. (listed ?? [])
                .Select(name => new ScoreColumn(name, ColumnType.Text))
                .Concat(passed.Concat(found).SelectMany(column => column.Columns))
                .Select(column => column with { Name = Free(column.Name, taken) }),
            new ScoreColumn("error", ColumnType.Text),
            new ScoreColumn("model", ColumnType.Text),
        ];

        // A column that the model puts another of the same name over stays in the schema, hidden.
        bool IsPassed(OutputColumn column) =>
            rows.Schema.GetColumnOrNull(column.Name) is not null && schema.Count(c => c.Name == column.Name) == 1;
    }

    /// <summary>What is disposed with it.</summary>
    public IReadOnlyList<IDisposable> Owned { get; init; } = [];

    public override string Identity => ModelSha256;

    public override string ModelSha256 { get; }

    public override IReadOnlyList<ScoreColumn> Columns { get; }

    /// <summary>Columns of the input that a model needs for those that it gives.</summary>
    /// <param name="model">The model.</param>
    /// <param name="input">Its input.</param>
    /// <param name="ofOwn">Whether only columns count that are not the input's.</param>
    /// <exception cref="TransferException">The input does not have what the model needs.</exception>
    public static IReadOnlySet<string> NeededBy(ITransformer model, DataViewSchema input, bool ofOwn = false)
    {
        if (!model.IsRowToRowMapper)
            return input.Select(column => column.Name).ToHashSet();
        DataViewSchema output = OutputOf(model, input);
        return model
            .GetRowToRowMapper(input)
            .GetDependencies(
                output.Where(column => !column.IsHidden && !(ofOwn && input.GetColumnOrNull(column.Name) is not null))
            )
            .Select(column => column.Name)
            .ToHashSet();
    }

    public override object?[][] Score(
        IReadOnlyList<ScoreInput> segment,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        var results = new object?[segment.Count][];
        int done = 0;
        try
        {
            Parallel.ForEach(
                Parts(segment),
                new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation },
                part => Fill(segment, part, results, Told)
            );
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        foreach ((ScoreInput input, int i) in segment.Select((input, i) => (input, i)))
            if (input.Fault is { } fault)
                Error(results[i] = Begun(input, null)) = fault;
        return results;

        void Told()
        {
            cancellation.ThrowIfCancellationRequested();
            progress?.Report(new JobProgress(ScoreJob.Stage, Interlocked.Increment(ref done), segment.Count));
        }
    }

    public override void Dispose()
    {
        foreach (IDisposable owned in Owned)
            owned.Dispose();
        base.Dispose();
    }

    private static IEnumerable<ITransformer> Steps(ITransformer model) =>
        model is IEnumerable<ITransformer> chain ? chain.SelectMany(Steps) : [model];

    private static IEnumerable<OutputColumn> Wanted(DataViewSchema schema, IReadOnlyList<string>? names)
    {
        if (names is null)
            return schema
                .Where(column => !column.IsHidden)
                .Select(OutputColumn.Of)
                .OfType<OutputColumn>()
                .Where(column => !column.IsVector && column.Columns.Count <= MostSlotsUnasked);
        return names.Select(name =>
        {
            DataViewSchema.Column column =
                schema.GetColumnOrNull(name)
                ?? throw new TransferException(
                    $"There is no column '{name}' to write; the model gives "
                        + $"{string.Join(", ", schema.Where(c => !c.IsHidden).Select(c => c.Name))}."
                );
            return OutputColumn.Of(column)
                ?? throw new TransferException(
                    $"Column '{name}' is {column.Type}, which rows cannot have. Leave it out, or convert it."
                );
        });
    }

    /// <summary>Places in the segment of each part, of inputs without a fault; at least a part a worker.</summary>
    private IEnumerable<int[]> Parts(IReadOnlyList<ScoreInput> segment)
    {
        int[] usable = [.. Enumerable.Range(0, segment.Count).Where(i => segment[i].Fault is null)];
        return usable.Chunk(Math.Clamp((usable.Length + workers - 1) / workers, 1, MostRows));
    }

    private static DataViewSchema OutputOf(ITransformer model, DataViewSchema input)
    {
        try
        {
            return model.GetOutputSchema(input);
        }
        catch (Exception e) when (e is ArgumentException or InvalidOperationException)
        {
            throw new TransferException(
                $"The model does not fit the data: {e.Message.ReplaceLineEndings(" ")} The data has the columns "
                    + $"{string.Join(", ", input.Select(column => column.Name))}.",
                e
            );
        }
    }

    /// <summary>Scores a part of a segment.</summary>
    private void Fill(IReadOnlyList<ScoreInput> segment, int[] part, object?[][] results, Action told)
    {
        List<int> places = [];
        List<object?[]> inputs = [];
        foreach (int place in part)
            try
            {
                inputs.Add(rowOf(segment[place]));
                places.Add(place);
            }
            catch (Exception e) when (IsOfARow(e))
            {
                Error(results[place] = Begun(segment[place], null)) = Reason(e);
                told();
            }

        Fill([.. inputs], at => results[places[at]] = Begun(segment[places[at]], inputs[at]), told);
    }

    /// <summary>Scores rows; where one ends the reading, it and those behind it are scored one by one.</summary>
    private void Fill(object?[][] inputs, Func<int, object?[]> rowAt, Action told)
    {
        int next = 0;
        try
        {
            foreach (Func<int, object?> value in Read(inputs))
            {
                Write(rowAt(next), value);
                next++;
                told();
            }

            if (next == inputs.Length)
                return;
        }
        catch (Exception e) when (IsOfARow(e) && inputs.Length > 1) { }
        catch (Exception e) when (IsOfARow(e))
        {
            Error(rowAt(0)) = Reason(e);
            told();
            return;
        }

        for (; next < inputs.Length; next++)
        {
            int at = next;
            Fill([inputs[at]], _ => rowAt(at), told);
        }
    }

    /// <summary>The values of each row's columns, one row after the other.</summary>
    private IEnumerable<Func<int, object?>> Read(object?[][] inputs)
    {
        IDataView answers = model.Transform(new RowsView(rows, inputs));
        DataViewSchema.Column[] columns = Array.ConvertAll(found, column => answers.Schema[column.Name]);
        using DataViewRowCursor cursor = answers.GetRowCursor(columns);
        Func<object?>[] readers = Array.ConvertAll(columns, column => RowColumn.Of(column).Reader(cursor, column));
        while (cursor.MoveNext())
            yield return column => readers[column]();
    }

    private void Write(object?[] row, Func<int, object?> value)
    {
        int at = 1 + listed + passed.Sum(column => column.Columns.Count);
        for (int c = 0; c < found.Length; c++)
        {
            found[c].Write(value(c), row.AsSpan(at));
            at += found[c].Columns.Count;
        }
    }

    private object?[] Begun(ScoreInput input, object?[]? values)
    {
        var row = new object?[Columns.Count];
        (row[0], row[^1]) = (input.Key, ModelSha256[..DigestDigits]);
        for (int i = 0; i < listed; i++)
            row[1 + i] = input.Values[i];
        int at = 1 + listed;
        foreach (OutputColumn column in passed)
        {
            column.Write(values?[rows.Schema[column.Name].Index], row.AsSpan(at));
            at += column.Columns.Count;
        }

        return row;
    }

    private static bool IsOfARow(Exception e) =>
        e is not (OperationCanceledException or OutOfMemoryException or DeviceException);

    /// <summary>Cursors that run in threads of their own wrap what went wrong in one of them.</summary>
    private static string Reason(Exception e)
    {
        Exception cause = e;
        while (cause is not TransferException && cause.InnerException is { } inner)
            cause = inner;
        return cause.Message.ReplaceLineEndings(" ").Trim();
    }
}
