namespace MlNetTransfer.Scoring;

/// <summary>
/// Where rows go, a segment at a time: a segment is there whole or not at all, together with the note of how far the
/// batch is. Not thread-safe.
/// </summary>
internal abstract class ScoreSink : IDisposable
{
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
        string ending = Path.GetExtension(options.Output).ToLowerInvariant();
        bool isDatabase = DatabaseAddress.TryParse(options.Output, out DatabaseAddress? address);
        if (options.Features && (isDatabase || ending is not (".npy" or ".parquet" or ".jsonl" or ".ndjson")))
            throw new TransferException(
                $"The output is '{options.Output}', which cannot have features; expected a .npy, .parquet or .jsonl "
                    + "file. Give one, or leave --features out."
            );
        if (ending == ".npy" && !options.Features)
            throw new TransferException(
                $"The output is '{options.Output}', and a .npy file has features, which were not asked for. Add "
                    + "--features, or give a .csv, .jsonl or .parquet file."
            );
        if (isDatabase)
            return new DatabaseSink(address!, options.Table, options.Shard, work, waiting, clock);
        string folder = Path.GetDirectoryName(Path.GetFullPath(options.Output))!;
        if (!Directory.Exists(folder))
            throw new TransferException(
                $"The output is '{options.Output}', and the folder '{folder}' does not exist. Make it first."
            );
        return ending switch
        {
            ".csv" => new FileSink(options.Output, work, new CsvForm()),
            ".jsonl" or ".ndjson" => new FileSink(options.Output, work, new JsonLinesForm()),
            ".parquet" => new FileSink(options.Output, work, new ParquetForm()),
            ".npy" => new FileSink(options.Output, work, new NpyForm(Path.GetFullPath(options.Output))),
            _ => throw new TransferException(
                $"The output is '{options.Output}'; expected a .csv, .jsonl or .parquet file, or a database: "
                    + "sqlite:FILE, a .db or .sqlite file, or postgres://user@host/database."
            ),
        };
    }

    /// <summary>The error of an output that another batch has begun or ended.</summary>
    protected static TransferException OfAnother(string output, ScoreIdentity now, ScoreIdentity before) =>
        new(
            $"{output} is of another batch: {now.Difference(before)}. Give another output; or --restart, to throw away "
                + "what is there and begin anew."
        );
}
