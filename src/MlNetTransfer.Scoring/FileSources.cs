using System.Formats.Tar;
using System.IO.Compression;
using System.Text.Json;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Scoring.Remote;

namespace MlNetTransfer.Scoring;

/// <summary>
/// What a folder or standard input had when the batch began, written down: the batch is of exactly these, whatever is
/// added or removed while it works.
/// </summary>
internal sealed class ManifestSource : ScoreSource
{
    private readonly WorkPlace work;
    private readonly Func<IEnumerable<ScoreInput>> list;
    private long? count;

    /// <param name="identity">What is listed.</param>
    /// <param name="work">Where the list is kept.</param>
    /// <param name="list">Lists it, once.</param>
    public ManifestSource(string identity, WorkPlace work, Func<IEnumerable<ScoreInput>> list) =>
        (Identity, this.work, this.list) = (identity, work, list);

    public override string Identity { get; }

    public override long? Count => count;

    private string File => Path.Combine(work.Folder, "inputs.jsonl.gz");

    /// <summary>Lists the inputs, where that was not done before.</summary>
    public void Prepare(IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        string counted = File + ".count";
        if (System.IO.File.Exists(File) && System.IO.File.Exists(counted))
        {
            count = long.Parse(System.IO.File.ReadAllText(counted), System.Globalization.CultureInfo.InvariantCulture);
            return;
        }

        long found = 0;
        work.Make();
        AtomicFile.Write(
            File,
            stream =>
            {
                using var packed = new GZipStream(stream, CompressionLevel.Fastest, leaveOpen: true);
                using var writer = new StreamWriter(packed);
                foreach (ScoreInput input in list())
                {
                    cancellation.ThrowIfCancellationRequested();
                    string?[] line = [input.Key, (input.Location as FileLocation)?.Path, input.Fault];
                    writer.Write(JsonSerializer.Serialize(line) + "\n");
                    if (++found % 1000 == 0)
                        progress?.Report(new JobProgress("Listing the images", found, 0));
                }
            }
        );
        AtomicFile.Write(counted, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes($"{found}")));
        count = found;
    }

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        using var reader = new StreamReader(new GZipStream(RegularFile.OpenRead(File), CompressionMode.Decompress));
        while (reader.ReadLine() is { } line)
        {
            cancellation.ThrowIfCancellationRequested();
            string?[] fields = JsonSerializer.Deserialize<string?[]>(line)!;
            bool isElsewhere = fields[1] is null && fields[2] is null;
            yield return new ScoreInput(fields[0]!, fields[1] is { } path ? new FileLocation(path) : null, [])
            {
                Fault = fields[2],
                Address = isElsewhere && WebAddress.TryParse(fields[0]!, out Uri? address) ? address : null,
            };
        }
    }
}

/// <summary>The files below a folder, each folder's by name.</summary>
internal static class FolderPaths
{
    /// <param name="folder">The folder.</param>
    /// <param name="output">The output, which is no image, should it lie there.</param>
    /// <param name="companion">The file beside it; null for none.</param>
    public static IEnumerable<ScoreInput> Read(string folder, string output, string? companion = null)
    {
        Stack<(string Path, string Name)> open = new([(Path.GetFullPath(folder), "")]);
        while (open.TryPop(out (string Path, string Name) next))
        {
            (List<FileSystemInfo> entries, string? fault) = List(next.Path);
            if (fault is not null)
                yield return new ScoreInput(next.Name.Length == 0 ? "." : next.Name, null, []) { Fault = fault };
            foreach (FileSystemInfo file in entries.Where(entry => entry is FileInfo))
                if (!file.FullName.StartsWith(output, StringComparison.Ordinal) && file.FullName != companion)
                    yield return new ScoreInput(next.Name + file.Name, new FileLocation(file.FullName), []);
            // The stack gives back the last first.
            foreach (FileSystemInfo below in entries.Where(entry => entry is DirectoryInfo).Reverse())
                if (below.LinkTarget is not null)
                    yield return new ScoreInput(next.Name + below.Name, null, [])
                    {
                        Fault = "is a link to a folder; such links are not followed, since they can be endless",
                    };
                else if (!below.FullName.StartsWith(output, StringComparison.Ordinal))
                    open.Push((below.FullName, $"{next.Name}{below.Name}/"));
        }
    }

    private static (List<FileSystemInfo> Entries, string? Fault) List(string path)
    {
        try
        {
            var options = new EnumerationOptions { AttributesToSkip = 0, IgnoreInaccessible = false };
            List<FileSystemInfo> entries =
            [
                .. new DirectoryInfo(path).EnumerateFileSystemInfos("*", options).Where(e => !Leftovers.Is(e.Name)),
            ];
            entries.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
            return (entries, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return ([], $"the folder cannot be listed: {e.Message.ReplaceLineEndings(" ")}");
        }
    }
}

/// <summary>A path a line.</summary>
internal static class PathLines
{
    /// <param name="text">The lines; empty ones are passed over.</param>
    /// <param name="source">What it is, for errors.</param>
    /// <param name="folder">Where relative paths start; null for the current folder.</param>
    public static IEnumerable<ScoreInput> Read(TextReader text, string source, string? folder)
    {
        string start = folder ?? Directory.GetCurrentDirectory();
        long line = 0;
        while (Next() is { } path)
        {
            line++;
            if (path.Length > 0)
                yield return ListedImage.Of(path, start, []);
        }

        string? Next()
        {
            try
            {
                return text.ReadLine();
            }
            catch (Exception e) when (e is IOException or System.Text.DecoderFallbackException)
            {
                throw new TransferException($"{source}, after line {line}: cannot be read: {e.Message}", e);
            }
        }
    }
}

/// <summary>A .txt file with a path a line.</summary>
/// <param name="file">The file.</param>
internal sealed class LinesSource(string file) : ScoreSource
{
    public override string Identity => $"list {Path.GetFullPath(file)}";

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        using var text = new ListText(file, new ListLimits());
        foreach (ScoreInput input in PathLines.Read(text, $"'{file}'", Path.GetDirectoryName(Path.GetFullPath(file))))
        {
            cancellation.ThrowIfCancellationRequested();
            yield return input;
        }
    }
}

/// <summary>A .csv, .tsv, .jsonl or .ndjson list; all its columns go along.</summary>
internal sealed class ListSource : ScoreSource
{
    private readonly string file,
        folder;
    private readonly DatasetOptions options;
    private IReadOnlyList<string>? columns;

    public ListSource(string file, ScoreOptions options)
    {
        (this.file, folder) = (file, Path.GetDirectoryName(Path.GetFullPath(file))!);
        this.options = new DatasetOptions
        {
            PathColumn = options.PathColumn,
            Lists = new ListLimits { MaxRows = 1_000_000_000 },
            ExtraColumns = ExtraColumns.Ignore,
            TakesTexts = false,
        };
    }

    public override string Identity => $"list {Path.GetFullPath(file)}";

    public override IReadOnlyList<string> Columns =>
        columns ??= Rows().FirstOrDefault() is { } first
            ? first.Columns.Header
            : throw new TransferException($"'{file}' lists no images.");

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        IReadOnlyList<string> expected = Columns;
        foreach (ListRow row in Rows())
        {
            cancellation.ThrowIfCancellationRequested();
            if (!row.Columns.Header.SequenceEqual(expected, StringComparer.Ordinal))
                throw new TransferException(
                    $"'{file}', line {row.Line}: the fields are {string.Join(", ", row.Columns.Header)}; expected "
                        + $"{string.Join(", ", expected)} as in the first line, since each becomes a column."
                );
            yield return ListedImage.Of(row.Path, folder, row.Fields);
        }
    }

    private IEnumerable<ListRow> Rows() =>
        Path.GetExtension(file).ToLowerInvariant() switch
        {
            ".csv" => CsvRows.Read(file, null, labelled: false, options),
            ".tsv" => CsvRows.Read(file, '\t', labelled: false, options),
            _ => JsonLineRows.Read(file, labelled: false, options, whole: true),
        };
}

/// <summary>The entries of a zip archive, in its order.</summary>
/// <param name="file">The archive.</param>
internal sealed class ZipSource(string file) : ScoreSource
{
    private ZipArchive? archive;

    public override string Identity => $"archive {Path.GetFullPath(file)}";

    public override long? Count => Entries().Count();

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation) =>
        Entries().Select(entry => new ScoreInput(entry.FullName, new ZipEntryLocation(file, entry.FullName), []));

    public override void Dispose()
    {
        archive?.Dispose();
        base.Dispose();
    }

    private IEnumerable<ZipArchiveEntry> Entries()
    {
        try
        {
            archive ??= new ZipArchive(RegularFile.OpenRead(file), ZipArchiveMode.Read);
            return archive.Entries.Where(e => !e.FullName.EndsWith('/') && !Leftovers.Is(e.Name));
        }
        catch (Exception e) when (e is IOException or InvalidDataException or UnauthorizedAccessException)
        {
            throw new TransferException($"'{file}' cannot be read as a zip archive: {e.Message}", e);
        }
    }
}

/// <summary>The files of a tar archive, in its order; each is in memory while it is scored.</summary>
/// <param name="file">The archive.</param>
/// <param name="isCompressed">Whether by gzip.</param>
/// <param name="limits">The largest image.</param>
internal sealed class TarSource(string file, bool isCompressed, ImageLimits limits) : ScoreSource
{
    public override string Identity => $"archive {Path.GetFullPath(file)}";

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        using FileStream raw = RegularFile.OpenRead(file, 1 << 16);
        using Stream stream = isCompressed ? new GZipStream(raw, CompressionMode.Decompress) : raw;
        using var reader = new TarReader(stream);
        while (Next(reader) is { } entry)
        {
            cancellation.ThrowIfCancellationRequested();
            string name = entry.Name.StartsWith("./", StringComparison.Ordinal) ? entry.Name[2..] : entry.Name;
            if (
                entry.EntryType is TarEntryType.RegularFile or TarEntryType.V7RegularFile
                && !Leftovers.Is(Path.GetFileName(name))
            )
                yield return Input(name, entry);
        }
    }

    private ScoreInput Input(string name, TarEntry entry)
    {
        if (entry.Length > limits.MaxBytes)
            return new ScoreInput(name, null, [])
            {
                Fault = FormattableString.Invariant(
                    $"has {entry.Length:N0} bytes; at most {limits.MaxBytes:N0} are read"
                ),
            };
        var bytes = new byte[entry.Length];
        try
        {
            entry.DataStream?.ReadExactly(bytes);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            throw Broken(e);
        }

        return new ScoreInput(name, new MemoryLocation(bytes), []);
    }

    private TarEntry? Next(TarReader reader)
    {
        try
        {
            return reader.GetNextEntry();
        }
        catch (Exception e) when (e is IOException or InvalidDataException or FormatException)
        {
            throw Broken(e);
        }
    }

    private TransferException Broken(Exception e) =>
        new($"'{file}' cannot be read as a tar archive: {e.Message.ReplaceLineEndings(" ")} Make it again.", e);
}
