using Microsoft.ML;
using MlNetTransfer.Backbones;
using MlNetTransfer.Scoring.Chains;

namespace MlNetTransfer.Scoring;

/// <summary>Batch scoring for any model and any data of ML.NET.</summary>
public static class ScoreCatalog
{
    /// <summary>
    /// Scores data with a model and writes a row for every row of it: in parallel, whatever the model is made of; with
    /// memory that does not grow with the data; and so that the same call goes on where a killed one stopped.
    /// </summary>
    /// <remarks>
    /// Rows have the columns file (the row's key), those of the data and of the model that can be written, error and
    /// model. Keys of ML.NET are written by name, vectors whose places have names as a column for each. A row that the
    /// model cannot score, an image that is missing for example, has its error and ends nothing.
    /// </remarks>
    /// <param name="catalog">The catalog, <c>mlContext.Data</c>.</param>
    /// <param name="model">The model: a chain of any transformers that give a row for every row.</param>
    /// <param name="data">The data, which has to have the same rows in the same order each time.</param>
    /// <param name="output">Where the rows go: a .csv, .jsonl or .parquet file, or a database ("sqlite:FILE", a .db or
    /// .sqlite file, "postgres://…" or an Npgsql connection string).</param>
    /// <param name="options">How; null for the defaults.</param>
    /// <param name="progress">Told how far it is, from any thread.</param>
    /// <param name="cancellation">Ends it: all that was committed stays, and the next call goes on there.</param>
    /// <exception cref="TransferException">Model, data or output is not as it has to be, or there are more errors than
    /// are allowed; the message names it and the fix.</exception>
    public static ScoreSummary Score(
        this DataOperationsCatalog catalog,
        ITransformer model,
        IDataView data,
        string output,
        DataScoreOptions? options = null,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(data);
        options ??= new DataScoreOptions();
        IReadOnlySet<string> needed = ChainScorer.NeededBy(model, data.Schema);
        var job = new ScoreJob(
            new ScoreOptions
            {
                Model = options.ModelName ?? model.GetType().Name,
                Input = "data of ML.NET",
                Output = output,
                Table = options.Table,
                Limit = options.Limit,
                MaxErrors = options.MaxErrors,
                Restart = options.Restart,
                Workers = options.Workers,
                WorkFolder = options.WorkFolder,
            }
        )
        {
            Source = () => new DataViewSource(data, needed, options.KeyColumn, options.DataName),
            Scorer = _ => new ChainScorer(
                model,
                options.ModelName is { } name
                    ? Convert.ToHexStringLower(KeyChain.Of(name))
                    : SavedChain.DigestOf(model, data.Schema),
                new RowColumns(data.Schema),
                input => input.Row!,
                options.Columns,
                options.Workers
            ),
        };
        return job.Run(progress, cancellation);
    }
}

/// <summary>How data of ML.NET is scored. Immutable; an invalid instance cannot be made.</summary>
public sealed record DataScoreOptions
{
    /// <summary>
    /// The column that names rows, in the column file of the output. Default null: the first one of text; where there
    /// is none, the number of the row, from 0.
    /// </summary>
    public string? KeyColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// The columns to write, of the data or of the model. Default null: all but images and vectors whose places have no
    /// names or are more than 100. A vector without names is a list, which .parquet and .jsonl files can have.
    /// </summary>
    public IReadOnlyList<string>? Columns
    {
        get;
        init => field = value is null ? null : [.. value];
    }

    /// <summary>
    /// What tells the model from others, in place of what ML.NET would save of it. Default null. For models that cannot
    /// be saved, or whose saving takes long.
    /// </summary>
    public string? ModelName
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// What tells the data from other data with the same columns and as many rows, a date for example: an output that
    /// is complete, or begun, with other data is then refused. Default null: it is taken for that of the same data,
    /// unless the keys of rows that were written say otherwise when it goes on.
    /// </summary>
    public string? DataName
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>The table that rows go to where the output is a database. Default "predictions".</summary>
    public string Table
    {
        get;
        init => field = TableName.Of(value);
    } = "predictions";

    /// <summary>Rows to score at most, the first ones; at least 1. Default null: all.</summary>
    public long? Limit
    {
        get;
        init => field = value is { } limit ? Check.InRange(limit, 1, long.MaxValue) : null;
    }

    /// <summary>Rejected rows at most, at least 0; one more ends the run. Default null: any number.</summary>
    public long? MaxErrors
    {
        get;
        init => field = value is { } errors ? Check.InRange(errors, 0, long.MaxValue) : null;
    }

    /// <summary>Whether an interrupted run is begun anew. Default false: it goes on.</summary>
    public bool Restart { get; init; }

    /// <summary>Parts of the data that are scored at once, in [1, 256]. Default one per core.</summary>
    public int Workers
    {
        get;
        init => field = new ExecutionPlan { Workers = value }.Workers;
    } = new ExecutionPlan().Workers;

    /// <summary>Folder for what a run into a database has to remember besides.</summary>
    public string WorkFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = Path.Combine(CacheFolder.Root, "scoring");
}
