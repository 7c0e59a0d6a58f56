using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Onnx;

namespace MlNetTransfer;

/// <summary>
/// A file of JSON lines that grows while a run works: what is written is never lost, and an interrupted run goes on
/// from it. Not thread-safe.
/// </summary>
/// <typeparam name="T">What a line holds.</typeparam>
internal sealed class Ledger<T>
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private readonly string? path;
    private readonly Action<T>? told;
    private readonly List<T> lines = [];

    /// <param name="path">The file; null for none.</param>
    /// <param name="resume">Whether lines that are there stay; else the file is begun anew. A last line that was cut
    /// off is dropped.</param>
    /// <param name="told">Told of each new line; null for nobody.</param>
    public Ledger(string? path, bool resume, Action<T>? told = null)
    {
        (this.path, this.told) = (path, told);
        if (path is null)
            return;
        if (!resume || !File.Exists(path))
            File.Delete(path);
        else
            lines.AddRange(Whole(File.ReadAllText(path)).Select(Parsed));
    }

    private T Parsed(string line, int index)
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line, Json) ?? throw new JsonException("null was found.");
        }
        catch (JsonException e)
        {
            throw new TransferException(
                $"Line {index + 1} of '{path}' is damaged ({e.Message.TrimEnd('.')}), so the run cannot be resumed. "
                    + "Delete the line, whose work is then done again, or start the run over.",
                e
            );
        }
    }

    /// <summary>The lines.</summary>
    public IReadOnlyList<T> Lines => lines;

    /// <summary>Appends a line.</summary>
    public void Add(T line)
    {
        lines.Add(line);
        if (path is not null)
        {
            DropTorn(path);
            File.AppendAllText(path, Text(line));
        }

        told?.Invoke(line);
    }

    /// <summary>Forgets lines whose work is done again.</summary>
    public void Remove(Predicate<T> again)
    {
        if (lines.RemoveAll(again) > 0 && path is not null)
            AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(string.Concat(lines.Select(Text)))));
    }

    /// <summary>Cuts off a last line that was not written whole, so that no line is appended to it.</summary>
    private static void DropTorn(string path)
    {
        if (!File.Exists(path))
            return;
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read);
        long whole = file.Length;
        for (; whole > 0; whole--)
        {
            file.Position = whole - 1;
            if (file.ReadByte() == '\n')
                break;
        }

        if (whole < file.Length)
            file.SetLength(whole);
    }

    private static string[] Whole(string text) =>
        text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static string Text(T line) => JsonSerializer.Serialize(line, Json) + "\n";
}
