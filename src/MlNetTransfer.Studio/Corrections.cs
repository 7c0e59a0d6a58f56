using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using MlNetTransfer.Datasets;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Studio;

/// <summary>What was said of one image by hand.</summary>
/// <param name="File">Name of the image in its data set.</param>
/// <param name="Label">The class it is of; null where it is left out.</param>
internal sealed record Correction(string File, string? Label);

/// <summary>
/// Labels that were mended by hand, kept in a file of their own: the images are never touched. Thread-safe.
/// </summary>
internal sealed class Corrections
{
    private readonly Lock gate = new();
    private ImmutableSortedDictionary<string, Correction> all = ImmutableSortedDictionary.Create<string, Correction>(
        StringComparer.Ordinal
    );
    private readonly string path;

    /// <param name="folder">Folder for such files.</param>
    /// <param name="source">The data set, as its full path.</param>
    /// <exception cref="TransferException">The file that is there cannot be read.</exception>
    public Corrections(string folder, string source)
    {
        string digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)))[..16];
        path = Path.Combine(folder, $"{digest}.jsonl");
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
                    $"The corrections in '{path}' cannot be read at line {line}: {e.Message} Mend or remove the file."
                ),
                e
            );
        }
    }

    /// <summary>How many images are corrected.</summary>
    public int Count
    {
        get
        {
            lock (gate)
                return all.Count;
        }
    }

    /// <summary>What was said of an image; null where nothing.</summary>
    public Correction? Of(string file)
    {
        lock (gate)
            return all.GetValueOrDefault(file);
    }

    /// <summary>Says what class an image is of, null to leave it out.</summary>
    /// <param name="file">Name of the image.</param>
    /// <param name="label">Its class.</param>
    /// <param name="original">The class that its data set gives it: saying so takes a correction back.</param>
    public void Set(string file, string? label, string original)
    {
        lock (gate)
        {
            // What could not be written is not said.
            ImmutableSortedDictionary<string, Correction> next =
                label == original ? all.Remove(file) : all.SetItem(file, new Correction(file, label));
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
            all = next;
        }
    }

    /// <summary>Writes the data set as it is with the corrections: a list to train on.</summary>
    /// <param name="data">The data set; of files.</param>
    /// <param name="list">The list, a .csv.</param>
    public void WriteList(Dataset data, string list)
    {
        StringBuilder text = new(data.Splits is null ? "path,label\n" : "path,label,split\n");
        for (int i = 0; i < data.Items.Count; i++)
        {
            DataItem item = data.Items[i];
            if (item.Location is not FileLocation file)
                throw new TransferException("Images in an archive cannot be corrected here: unpack it first.");
            Correction? correction = Of(item.Name);
            if (correction is { Label: null })
                continue;
            text.Append(Quoted(file.Path)).Append(',').Append(Quoted(correction?.Label ?? data.ClassNames[item.Label]));
            if (data.Splits is { } splits)
                text.Append(',').Append(splits[i] is SplitPart.None ? "" : splits[i].ToString().ToLowerInvariant());
            text.Append('\n');
        }

        Directory.CreateDirectory(Path.GetDirectoryName(list)!);
        AtomicFile.Write(list, stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static string Quoted(string field) => $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
}
