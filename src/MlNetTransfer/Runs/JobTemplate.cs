using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Runs;

/// <summary>A job file to begin with: what most people set, the rest as comments.</summary>
public static class JobTemplate
{
    /// <summary>The name that job files usually have.</summary>
    public const string FileName = "job.yaml";

    private static readonly JsonSerializerOptions Quoted = new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The text of a job file.</summary>
    /// <param name="train">Lines of the section train, besides its comments: the folder above all.</param>
    /// <param name="notes">Comments at the head.</param>
    internal static string Text(IEnumerable<string> train, IEnumerable<string> notes)
    {
        var text = new StringBuilder();
        Lines($"# yaml-language-server: $schema=./{JobSchema.FileName}");
        Lines("# Run it by 'mlnet-transfer run'. Paths are relative to this file.");
        foreach (string note in notes)
            Lines($"# {note.ReplaceLineEndings(" ")}");
        Lines("version: 1", "", "train:");
        foreach (string line in train)
            Lines($"  {line}");
        Lines(
            "  # backbone: resnet18       # see 'mlnet-transfer models list'; auto: the best on this machine",
            "  # taps: [map7_3]           # where features are taken; default: what is best on the training part",
            "  # head: softmax            # default: the best of several by cross-validation",
            "  # strategy: auto           # head (default), finetune, full, scratch; auto keeps the better",
            "  # preset: good             # with auto: fast, good or best",
            "  # fineTune: { epochs: 20, timeBudget: \"00:15:00\" }",
            "  # testFraction: 0.2        # or folds: 5; default: by the number of images",
            "",
            "# What the model has to be; where it is not, nothing is exported and the exit code is 5.",
            "gates:",
            "  noLeak: true",
            "  # minAccuracy: 0.8         # of the lower end of the 95 % interval",
            "  # maxEce: 0.1",
            "  # notWorseThan: { model: production/model.onnx }",
            "",
            "# exports:",
            "#   - format: fp16           # see 'mlnet-transfer export --help'"
        );
        return text.ToString();

        void Lines(params ReadOnlySpan<string> lines)
        {
            foreach (string line in lines)
                text.Append(line).Append('\n');
        }
    }

    /// <summary>Writes a job file and the schema beside it.</summary>
    /// <param name="folder">The labelled images.</param>
    /// <param name="output">The job file; it must not exist.</param>
    /// <exception cref="TransferException">There are no such images, or the file is there already.</exception>
    public static void Write(string folder, string output)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Path.Exists(folder))
            throw new TransferException(
                $"'{folder}' does not exist. Give the labelled images: a folder, list or .zip."
            );
        Save(output, Text([Folder(folder, output)], []));
    }

    /// <summary>Writes the text of a job file, and the schema beside it.</summary>
    internal static void Save(string output, string text)
    {
        if (Path.Exists(output))
            throw new TransferException($"'{output}' exists already. Give another --output, or remove it.");
        string folder = Path.GetDirectoryName(Path.GetFullPath(output))!;
        OutputLock.MakeFolder(folder);
        Put(Path.Combine(folder, JobSchema.FileName), JobSchema.ToJson());
        Put(output, text);

        static void Put(string path, string content) =>
            AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(content)));
    }

    /// <summary>The line that names the images: relative to the file, unless they are far from it.</summary>
    internal static string Folder(string folder, string output)
    {
        string from = Path.GetDirectoryName(Path.GetFullPath(output))!,
            full = Path.GetFullPath(folder),
            relative = Path.GetRelativePath(from, full).Replace('\\', '/');
        return $"folder: {Text(relative.StartsWith("../../..", StringComparison.Ordinal) ? full : relative)}";
    }

    /// <summary>A text as YAML: in double quotes where it could be taken for something else.</summary>
    internal static string Text(string text) =>
        text.Length > 0
        && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '-' or '.')
        && char.IsAsciiLetter(text.TrimStart('.', '/').FirstOrDefault())
        && text is not ("true" or "false" or "null")
            ? text
            : JsonSerializer.Serialize(text, Quoted);
}
