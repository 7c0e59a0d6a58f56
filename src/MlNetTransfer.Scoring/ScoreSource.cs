using MlNetTransfer.Scoring.Remote;

namespace MlNetTransfer.Scoring;

/// <summary>
/// The inputs of a batch, one after the other, never all in memory, in an order that is the same at every reading.
/// </summary>
internal abstract class ScoreSource : IDisposable
{
    /// <summary>What it is, so that another is not taken for it.</summary>
    public abstract string Identity { get; }

    /// <summary>Names of the columns that it brings along.</summary>
    public virtual IReadOnlyList<string> Columns => [];

    /// <summary>How many inputs there are; null where that is not known.</summary>
    public virtual long? Count => null;

    /// <summary>Whether <see cref="Read"/> can begin behind a key without reading what is before it.</summary>
    public virtual bool Seeks => false;

    /// <summary>The inputs.</summary>
    /// <param name="after">Key to begin behind, where it seeks; null for all.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="TransferException">The input cannot be read; the message says where and how to mend
    /// it.</exception>
    public abstract IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation);

    /// <inheritdoc/>
    public virtual void Dispose() { }

    /// <summary>Opens the input of a batch.</summary>
    /// <param name="options">The batch.</param>
    /// <param name="work">Where a list of what a folder or standard input had can be kept.</param>
    /// <param name="standardInput">Standard input.</param>
    /// <exception cref="TransferException">There is no such input, or an option does not go with it.</exception>
    public static ScoreSource Open(ScoreOptions options, WorkPlace work, TextReader standardInput)
    {
        string input = options.Input;
        bool isDatabase = DatabaseAddress.TryParse(input, out DatabaseAddress? address);
        RequireEffect(options, isDatabase);
        if (isDatabase)
            return new DatabaseSource(address!, options);
        if (ObjectStores.Open(input) is { } objects)
            return objects;
        if (input == "-")
            return new ManifestSource(
                "standard input",
                work,
                () => PathLines.Read(standardInput, "standard input", null)
            );
        if (Directory.Exists(input))
            return new ManifestSource(
                $"folder {Path.GetFullPath(input)}",
                work,
                () => FolderPaths.Read(input, Path.GetFullPath(options.Output), FileSink.CompanionOf(options.Output))
            );
        if (!File.Exists(input))
            throw new TransferException(
                $"There is no input '{input}'. Give a folder, a .csv, .tsv, .jsonl, .ndjson, .parquet or .txt list, a "
                    + ".zip, .tar or .tar.gz archive, a database such as sqlite:FILE or postgres://…, "
                    + "s3://bucket/prefix, or - for "
                    + "paths on standard input."
            );
        string kind = input.EndsWith(".tar.gz", StringComparison.OrdinalIgnoreCase)
            ? ".tgz"
            : Path.GetExtension(input).ToLowerInvariant();
        return kind switch
        {
            ".txt" or ".lst" => new LinesSource(input),
            ".csv" or ".tsv" or ".jsonl" or ".ndjson" => new ListSource(input, options),
            ".parquet" => new ParquetSource(input, options),
            ".zip" => new ZipSource(input),
            ".tar" or ".tgz" => new TarSource(input, isCompressed: kind == ".tgz", options.Limits),
            _ => throw new TransferException(
                $"'{input}' is no kind of input that is known by its name: expected .csv, .tsv, .jsonl, .ndjson, "
                    + ".parquet, .txt, .zip, .tar, .tar.gz or a folder. For one image, take 'predict'."
            ),
        };
    }

    /// <summary>An option without effect would look like one that was tried.</summary>
    private static void RequireEffect(ScoreOptions options, bool isDatabase)
    {
        (string Name, bool IsGiven)[] ofDatabases =
        [
            ("--query", options.Query is not null),
            ("--key-column", options.KeyColumn is not null),
            ("--bytes-column", options.BytesColumn is not null),
        ];
        foreach ((string name, bool given) in ofDatabases)
            if (given && !isDatabase)
                throw new TransferException(
                    $"{name} has no effect here: it is for a database, and the input is '{options.Input}'. "
                        + "Leave it out."
                );
        bool isList =
            Path.GetExtension(options.Input).ToLowerInvariant()
            is ".csv"
                or ".tsv"
                or ".jsonl"
                or ".ndjson"
                or ".parquet";
        if (
            options.Hosts.Count > 0
            && (
                options.BytesColumn is not null
                || !(
                    isDatabase
                    || options.Input == "-"
                    || isList
                    || Path.GetExtension(options.Input).ToLowerInvariant() is ".txt" or ".lst"
                )
            )
        )
            throw new TransferException(
                $"--hosts has no effect here: '{options.Input}' has no column or lines that could be web addresses. "
                    + "Leave it out."
            );
        if (options.PathColumn is not null && !isDatabase && (!isList || Directory.Exists(options.Input)))
            throw new TransferException(
                $"--path-column has no effect here: '{options.Input}' has no columns. Leave it out."
            );
    }
}

/// <summary>An image that a list names.</summary>
internal static class ListedImage
{
    /// <summary>The input of a path.</summary>
    /// <param name="path">The path, as the list has it.</param>
    /// <param name="folder">Where relative paths start.</param>
    /// <param name="values">What the list has besides.</param>
    public static ScoreInput Of(string? path, string folder, IReadOnlyList<string?> values)
    {
        if (string.IsNullOrWhiteSpace(path))
            return Faulty(path ?? "", "the path is empty");
        if (path.Contains('\0'))
            return Faulty(path.Replace('\0', '?'), "the path has a NUL character in it");
        if (WebAddress.TryParse(path, out Uri? address))
            return new ScoreInput(path, null, values) { Address = address };
        return new ScoreInput(path, new Datasets.FileLocation(Path.GetFullPath(path, folder)), values);

        ScoreInput Faulty(string key, string why) => new(key, null, values) { Fault = why };
    }
}
