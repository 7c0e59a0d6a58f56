using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;
using MlNetTransfer.Scoring.Remote;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Scoring;

/// <summary>A batch of images to score. Immutable; an invalid instance cannot be made.</summary>
public sealed record ScoreOptions : DataJobRequest
{
    /// <summary>
    /// The model file, a model.onnx of this library, or an address of the registry (registry:NAME@production); or a
    /// .zip that ML.NET saved, of a chain with one column of images, which are paths or encoded bytes.
    /// </summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Further models that score the same images, each with a name that its columns begin with. They have to take
    /// images prepared as those of <see cref="Model"/>: heads on one network then cost one run of it. Default none.
    /// </summary>
    public IReadOnlyList<AlsoModel> AlsoModels
    {
        get;
        init =>
            field = value.GroupBy(also => also.Name, StringComparer.OrdinalIgnoreCase).All(name => name.Count() == 1)
                ? [.. value]
                : throw new ArgumentException(
                    $"{nameof(AlsoModels)} are {string.Join(", ", value)}; each name may be given once.",
                    nameof(value)
                );
    } = [];

    /// <summary>
    /// What to score: a folder (with all folders below it), a .csv, .tsv, .jsonl, .ndjson or .parquet list with a
    /// column of paths, a .txt file or "-" (standard input) with a path a line, a .zip, .tar or .tar.gz archive, or a
    /// database ("sqlite:FILE", "postgres://…" or an Npgsql connection string) with a <see cref="Query"/>; or what is
    /// below an address in object storage (s3://bucket/prefix), see <see cref="ObjectStores"/>.
    /// </summary>
    public required string Input
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Where the rows go: a .csv, .jsonl or .parquet file, or a database ("sqlite:FILE", a .db or .sqlite file,
    /// "postgres://…" or an Npgsql connection string), see <see cref="Table"/>; with <see cref="Features"/> a .npy,
    /// .parquet or .jsonl file.
    /// </summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The column of a list or query that has paths; null for path, image, file and their like.</summary>
    public string? PathColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// Servers that images may be fetched from, where a list, a query or standard input has web addresses in place of
    /// paths. Default none: a row with an address has an error that says so.
    /// </summary>
    /// <remarks>
    /// "images.example.com", "*.example.com" for those below it, "example.com:8443" for another port; by https, unless
    /// "http://" stands before it.
    /// </remarks>
    public IReadOnlyList<string> Hosts
    {
        get;
        init => field = [.. value.Select(host => AllowedHost.Of(host).Text)];
    } = [];

    /// <summary>The column of a query that has the encoded images themselves; null for none.</summary>
    public string? BytesColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// The column of a query that tells rows apart and by which they are ordered. Default null: "id".
    /// </summary>
    public string? KeyColumn
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>A SELECT, or the name of a table, where <see cref="Input"/> is a database.</summary>
    public string? Query
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>The table that rows go to where <see cref="Output"/> is a database. Default "predictions".</summary>
    public string Table
    {
        get;
        init => field = TableName.Of(value);
    } = "predictions";

    /// <summary>Classes to list per image, in [1, 100]: the likeliest, then the next ones. Default 1.</summary>
    public int Top
    {
        get;
        init => field = Check.InRange(value, 1, 100);
    } = 1;

    /// <summary>Whether the probability of every class is a column. Default false.</summary>
    public bool Probabilities { get; init; }

    /// <summary>
    /// Whether the features that the head of <see cref="Model"/> stands on are a column: float32, a list in a .parquet
    /// or .jsonl; a .npy file has them alone [rows × width], NaN where an input was rejected, and the other columns are
    /// in a .csv of its name, row by row. Default false.
    /// </summary>
    public bool Features { get; init; }

    /// <summary>How the set of classes of each image is made. Default LAC: the smallest sets on average.</summary>
    public ClassSetKind Sets { get; init; }

    /// <summary>The part of the input that this run scores. Default null: all of it.</summary>
    public Shard? Shard { get; init; }

    /// <summary>Inputs to score at most, the first ones; at least 1. Default null: all.</summary>
    public long? Limit
    {
        get;
        init => field = value is { } limit ? Check.InRange(limit, 1, long.MaxValue) : null;
    }

    /// <summary>
    /// Rejected inputs at most, at least 0; one more ends the run. Default null: any number, each with its row.
    /// </summary>
    public long? MaxErrors
    {
        get;
        init => field = value is { } errors ? Check.InRange(errors, 0, long.MaxValue) : null;
    }

    /// <summary>Inputs per second at most, above 0: to spare a shared disk. Default null: as fast as it goes.</summary>
    public double? RateLimit
    {
        get;
        init => field = value is { } rate ? Check.InRange(rate, 1e-3, 1e9) : null;
    }

    /// <summary>
    /// Whether an interrupted run is begun anew. Default false: it goes on, which is what it is written down for.
    /// </summary>
    public bool Restart { get; init; }

    /// <summary>What runs the graph. Default the CPU.</summary>
    public ExecutionProvider Device { get; init; }

    /// <summary>
    /// Folder for what a run into a database has to remember besides. Default below
    /// <see cref="MlNetTransfer.CacheFolder.Root"/>.
    /// </summary>
    public string WorkFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = Path.Combine(CacheFolder.Root, "scoring");

    /// <inheritdoc/>
    public override ScoreJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// One of several parts of an input, by the digest of each key: whoever knows the number of parts knows his own, so
/// that any scheduler can start them without telling them of each other. Immutable.
/// </summary>
public readonly record struct Shard
{
    /// <param name="number">Which part, from 1.</param>
    /// <param name="count">How many parts, in [1, 1000000].</param>
    public Shard(int number, int count)
    {
        Count = Check.InRange(count, 1, 1_000_000);
        Number = Check.InRange(number, 1, count);
    }

    /// <summary>Which part, from 1.</summary>
    public int Number { get; }

    /// <summary>How many parts.</summary>
    public int Count { get; }

    /// <summary>Reads "2/5": the second of five.</summary>
    /// <exception cref="FormatException">It is written otherwise, or out of range.</exception>
    public static Shard Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return
            text.Split('/') is [var number, var count]
            && int.TryParse(number, System.Globalization.CultureInfo.InvariantCulture, out int i)
            && int.TryParse(count, System.Globalization.CultureInfo.InvariantCulture, out int n)
            && n is >= 1 and <= 1_000_000
            && i >= 1
            && i <= n
            ? new Shard(i, n)
            : throw new FormatException($"'{text}' is no shard; expected e.g. 2/5 for the second of five.");
    }

    /// <inheritdoc/>
    public override string ToString() => FormattableString.Invariant($"{Number}/{Count}");

    /// <summary>Whether an input belongs to the part.</summary>
    /// <param name="key">The first bytes of the digest of its key [8 at least].</param>
    internal bool Has(ReadOnlySpan<byte> key) =>
        System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(key) % (ulong)Count == (ulong)(Number - 1);
}

/// <summary>Names of tables that may stand in SQL as they are.</summary>
internal static class TableName
{
    private const int Longest = 60;

    /// <exception cref="ArgumentException">It has other characters, or is too long.</exception>
    public static string Of(string name) =>
        name.Length is > 0 and <= Longest && name.All(c => c is '_' or '.' || char.IsAsciiLetterOrDigit(c))
            ? name
            : throw new ArgumentException(
                $"Table is '{name}'; expected at most {Longest} letters, digits, underscores, and a dot after a "
                    + "schema.",
                nameof(name)
            );

    /// <summary>The name in double quotes, schema and table each.</summary>
    public static string Quoted(string name) => string.Join('.', name.Split('.').Select(part => $"\"{part}\""));
}
