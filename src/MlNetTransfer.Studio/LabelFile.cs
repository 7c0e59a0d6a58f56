using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Studio;

/// <summary>What was said of one image by hand.</summary>
/// <param name="File">The image.</param>
/// <param name="Label">The class it is of; null where it is left out.</param>
internal sealed record Correction(string File, string? Label);

/// <summary>Labels given by hand, in a file that is replaced whole. Thread-safe.</summary>
internal sealed class LabelFile
{
    private readonly Lock gate = new();
    private readonly string path;
    private ImmutableSortedDictionary<string, Correction> all = ImmutableSortedDictionary.Create<string, Correction>(
        StringComparer.Ordinal
    );

    /// <param name="path">The file, a line of JSON for each image; it need not be there.</param>
    /// <exception cref="TransferException">The file that is there cannot be read.</exception>
    public LabelFile(string path)
    {
        this.path = path;
        if (!File.Exists(path))
            return;
        int line = 0;
        try
        {
            foreach (string text in File.ReadLines(path))
            {
                line++;
                all = all.SetItem(
                    JsonSerializer.Deserialize<Correction>(text) is { File: { } name } read
                        ? name
                        : throw new JsonException("a file and its label were expected"),
                    read
                );
            }
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The labels in '{path}' cannot be read at line {line}: {e.Message} Mend or remove the file."
                ),
                e
            );
        }
    }

    /// <summary>All that was said, by the image.</summary>
    public ImmutableSortedDictionary<string, Correction> All
    {
        get
        {
            lock (gate)
                return all;
        }
    }

    /// <summary>Says something of some images.</summary>
    /// <param name="said">Images, and what is said; null takes back what was.</param>
    public void Set(IEnumerable<(string File, Correction? Said)> said)
    {
        lock (gate)
        {
            ImmutableSortedDictionary<string, Correction>.Builder next = all.ToBuilder();
            foreach ((string file, Correction? correction) in said)
                if (correction is null)
                    next.Remove(file);
                else
                    next[file] = correction;
            // What could not be written is not said.
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            AtomicFile.Write(
                path,
                stream =>
                {
                    foreach (Correction correction in next.Values)
                    {
                        stream.Write(JsonSerializer.SerializeToUtf8Bytes(correction));
                        stream.Write("\n"u8);
                    }
                }
            );
            all = next.ToImmutable();
        }
    }
}
