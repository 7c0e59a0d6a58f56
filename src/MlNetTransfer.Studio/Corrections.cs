using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Studio;

/// <summary>
/// Labels that were mended by hand, and images that were labelled here, kept in files of their own: the images are
/// never touched. Thread-safe.
/// </summary>
internal sealed class Corrections
{
    private readonly string folder,
        digest;
    private readonly LabelFile mended,
        added;

    /// <param name="folder">Folder for such files.</param>
    /// <param name="source">The data set, as its full path.</param>
    /// <exception cref="TransferException">A file that is there cannot be read.</exception>
    public Corrections(string folder, string source)
    {
        this.folder = folder;
        digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(source)))[..16];
        mended = new LabelFile(Path.Combine(folder, $"{digest}.jsonl"));
        added = new LabelFile(Path.Combine(folder, $"{digest}.added.jsonl"));
    }

    /// <summary>How many images are corrected.</summary>
    public int Count => mended.All.Count;

    /// <summary>Images outside the data set that were labelled here, by their full paths.</summary>
    public IReadOnlyDictionary<string, Correction> Added => added.All;

    /// <summary>All classes that were named here.</summary>
    public IEnumerable<string> Labels =>
        mended.All.Values.Concat(added.All.Values).Select(c => c.Label).OfType<string>().Distinct();

    /// <summary>Whether anything was said at all.</summary>
    public bool IsEmpty => mended.All.IsEmpty && added.All.IsEmpty;

    /// <summary>What was said of an image; null where nothing.</summary>
    public Correction? Of(string file) => mended.All.GetValueOrDefault(file);

    /// <summary>Says what class some images are of, null to leave them out.</summary>
    /// <param name="images">Names of images, and the class that the data set gives each: saying so takes a correction
    /// back.</param>
    /// <param name="label">Their class.</param>
    public void Set(IEnumerable<(string File, string Original)> images, string? label) =>
        mended.Set(images.Select(i => (i.File, label == i.Original ? null : new Correction(i.File, label))));

    /// <summary>Adds an image to the data set.</summary>
    /// <param name="path">Its full path.</param>
    /// <param name="label">Its class; null takes it back.</param>
    public void Add(string path, string? label) => added.Set([(path, label is null ? null : new(path, label))]);

    /// <summary>
    /// Where the data set is as it is with what was said: the folder itself, or a list that is written, named by
    /// what is in it, so that a run keeps the images that it was trained on.
    /// </summary>
    /// <param name="path">The folder.</param>
    /// <param name="data">The data set; of files.</param>
    public string SourceOf(string path, Dataset data)
    {
        if (IsEmpty)
            return path;
        byte[] list = Encoding.UTF8.GetBytes(List(data));
        string file = Path.Combine(folder, $"{digest}-{Convert.ToHexStringLower(SHA256.HashData(list))[..12]}.csv");
        Directory.CreateDirectory(folder);
        AtomicFile.Write(file, stream => stream.Write(list));
        return file;
    }

    private string List(Dataset data)
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
            string? split =
                data.Splits is not { } splits ? null
                : splits[i] is SplitPart.None ? ""
                : splits[i].ToString().ToLowerInvariant();
            Line(file.Path, correction?.Label ?? data.ClassNames[item.Label], split);
        }

        foreach (Correction labelled in added.All.Values)
            Line(labelled.File, labelled.Label!, data.Splits is null ? null : "train");
        return text.ToString();

        void Line(string path, string label, string? split)
        {
            text.Append(ResultTable.Field(path)).Append(',').Append(ResultTable.Field(label));
            if (split is not null)
                text.Append(',').Append(split);
            text.Append('\n');
        }
    }
}
