namespace MlNetTransfer.Scoring;

/// <summary>How many lists of numbers a row may have.</summary>
internal enum VectorRule
{
    Any,
    One,
}

/// <summary>
/// Where rows go, a segment at a time: a segment is there whole or not at all, together with the note of how far the
/// batch is. Not thread-safe.
/// </summary>
internal abstract class ScoreSink : IDisposable
{
    /// <summary>Whether a row may have a list of numbers, or has to have one; null for neither.</summary>
    public virtual VectorRule? Vectors => null;

    /// <summary>Begins, or goes on with what an interrupted run left.</summary>
    /// <param name="identity">What the batch is.</param>
    /// <param name="columns">The columns of its rows.</param>
    /// <param name="restart">Whether what is there is thrown away.</param>
    /// <returns>How far the batch is, and whether it is complete.</returns>
    /// <exception cref="TransferException">The output is that of another batch, or cannot be written to.</exception>
    public abstract (ScoreState State, bool IsComplete) Open(
        ScoreIdentity identity,
        IReadOnlyList<ScoreColumn> columns,
        bool restart
    );

    /// <summary>Writes a segment.</summary>
    /// <param name="rows">Its rows, a value per column.</param>
    /// <param name="after">How far the batch is with it.</param>
    /// <param name="cancellation">Ends the waiting for a database that is away; the segment is there or not.</param>
    public abstract void Commit(IReadOnlyList<object?[]> rows, ScoreState after, CancellationToken cancellation);

    /// <summary>The batch is complete.</summary>
    /// <param name="state">How far it is.</param>
    /// <param name="progress">Told how far long work is.</param>
    /// <param name="cancellation">Ends it; the batch stays incomplete, and can go on.</param>
    public abstract void Complete(ScoreState state, IProgress<JobProgress>? progress, CancellationToken cancellation);

    /// <inheritdoc/>
    public virtual void Dispose() { }

    /// <summary>The sink that an output asks for.</summary>
    /// <exception cref="TransferException">The output is of no known kind, or its folder is missing.</exception>
    public static ScoreSink Of(ScoreOptions options, WorkPlace work, Action<string> waiting, TimeProvider clock)
    {
        if (DatabaseAddress.TryParse(options.Output, out DatabaseAddress? address))
            return new DatabaseSink(address, options.Table, options.Shard, work, waiting, clock);
        string folder = Path.GetDirectoryName(Path.GetFullPath(options.Output))!;
        if (!Directory.Exists(folder))
            throw new TransferException(
                $"The output is '{options.Output}', and the folder '{folder}' does not exist. Make it first."
            );
        foreach (string? written in (string?[])[Path.GetFullPath(options.Output), FileSink.CompanionOf(options.Output)])
            if (!ObjectStores.IsAddress(options.Input) && written == Path.GetFullPath(options.Input))
                throw new TransferException(
                    $"The rows would be written to '{written}', which is the input. Give another output."
                );
        return Path.GetExtension(options.Output).ToLowerInvariant() switch
        {
            ".csv" => new FileSink(options.Output, work, new CsvForm()),
            ".jsonl" or ".ndjson" => new FileSink(options.Output, work, new JsonLinesForm()),
            ".parquet" => new FileSink(options.Output, work, new ParquetForm()),
            ".npy" => new FileSink(options.Output, work, new NpyForm(Path.GetFullPath(options.Output))),
            _ => throw new TransferException(
                $"The output is '{options.Output}'; expected a .csv, .jsonl or .parquet file, with features also .npy, "
                    + "or a database: "
                    + "sqlite:FILE, a .db or .sqlite file, or postgres://user@host/database."
            ),
        };
    }

    /// <summary>Refuses columns that the output cannot have.</summary>
    /// <exception cref="TransferException">There are such columns.</exception>
    public void RequireFor(string output, IReadOnlyList<ScoreColumn> columns)
    {
        ScoreColumn[] vectors = [.. columns.Where(column => column.Type == ColumnType.Vector)];
        if (vectors is [var first, ..] && Vectors is null)
            throw new TransferException(
                $"The output is '{output}', which cannot have lists of numbers, and '{first.Name}' is one. Give a "
                    + ".npy, .parquet or .jsonl file, or leave it out."
            );
        if (vectors.Length != 1 && Vectors == VectorRule.One)
            throw new TransferException(
                $"The output is '{output}', and a .npy file has one list of numbers a row; {vectors.Length} were asked "
                    + "for. Add --features, or give a .csv, .jsonl or .parquet file."
            );
    }

    /// <summary>The error of an output that another batch has begun or ended.</summary>
    protected static TransferException OfAnother(string output, ScoreIdentity now, ScoreIdentity before) =>
        new(
            $"{output} is of another batch: {now.Difference(before)}. Give another output; or --restart, to throw away "
                + "what is there and begin anew."
        );
}
