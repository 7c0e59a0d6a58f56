using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Training;

/// <summary>
/// metrics.jsonl: one line for each epoch, the time last in the line, so that all before it can be compared byte for
/// byte.
/// </summary>
internal sealed class MetricsFile
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };
    private readonly string? path;
    private readonly Action<EpochResult>? told;
    private readonly List<EpochResult> lines = [];

    /// <param name="path">The file; null for none.</param>
    /// <param name="resume">Whether lines that are there stay until the training says otherwise.</param>
    /// <param name="told">Told of each new line; null for nobody.</param>
    public MetricsFile(string? path, bool resume, Action<EpochResult>? told = null)
    {
        (this.path, this.told) = (path, told);
        if (path is null)
            return;
        if (resume && File.Exists(path))
            lines.AddRange(
                File.ReadLines(path)
                    .Where(l => l.EndsWith('}'))
                    .Select(l => JsonSerializer.Deserialize<EpochResult>(l, Json)!)
            );
        else
            File.Delete(path);
    }

    /// <summary>The lines.</summary>
    public IReadOnlyList<EpochResult> Lines => lines;

    /// <summary>
    /// Forgets what a fold's first or second training did after an epoch: it is done again from there.
    /// </summary>
    public void Rewind(int fold, bool refit, int epoch)
    {
        if (lines.RemoveAll(l => l.Fold == fold && l.Refit == refit && l.Epoch > epoch) > 0 && path is not null)
            AtomicFile.Write(
                path,
                stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(string.Concat(lines.Select(Text))))
            );
    }

    public void Add(EpochResult line)
    {
        lines.Add(line);
        if (path is not null)
            File.AppendAllText(path, Text(line));
        told?.Invoke(line);
    }

    private static string Text(EpochResult line) => JsonSerializer.Serialize(line, Json) + "\n";
}
