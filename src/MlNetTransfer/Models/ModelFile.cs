using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models;

/// <summary>
/// A model file of this product: its graph, and what it says of itself. The one place where such files are read, stated
/// and put in place.
/// </summary>
/// <param name="Path">The file.</param>
/// <param name="Onnx">The model, metadata included.</param>
/// <param name="Metadata">What it says of itself.</param>
internal sealed record ModelFile(string Path, OnnxModel Onnx, ModelMetadata Metadata)
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="GraphException">It cannot be read, or is no ONNX model.</exception>
    /// <exception cref="TransferException">It is an ONNX model that this product did not write.</exception>
    public static ModelFile Load(string path) => Of(path, OnnxModel.Load(path));

    /// <summary>A file that is read already.</summary>
    /// <exception cref="TransferException">It is an ONNX model that this product did not write.</exception>
    public static ModelFile Of(string path, OnnxModel onnx) =>
        new(path, onnx, ModelMetadata.FromEntries(path, onnx.Metadata));

    /// <summary>A model that says this of itself, and no more.</summary>
    public static OnnxModel Stated(OnnxModel onnx, ModelMetadata metadata)
    {
        foreach ((string key, string value) in metadata.ToEntries())
            onnx = onnx.WithMetadata(key, value);
        string[] gone =
        [
            .. metadata.ModelCard is null ? [ModelMetadata.CardKey] : (string[])[],
            .. metadata.Reliability is null ? [ModelMetadata.ReliabilityKey] : (string[])[],
        ];
        foreach (string key in gone.Where(onnx.Metadata.ContainsKey))
            onnx = onnx.WithMetadata(key, null);
        return onnx;
    }

    /// <summary>
    /// Writes a model beside its place and proves it there: nothing takes a name before it was read back and is right.
    /// </summary>
    /// <param name="onnx">The model, metadata included.</param>
    /// <param name="target">Its place. The folder is made where it is missing.</param>
    /// <param name="prove">Looks at the file under its temporary name; throws where it is not right.</param>
    /// <returns>The file, sealed, to be given its name; and the proof.</returns>
    /// <exception cref="TransferException">The folder cannot be made or written to. Whatever the proof throws passes;
    /// the file is deleted then.</exception>
    public static (StagedFile File, TProof Proof) Stage<TProof>(
        OnnxModel onnx,
        string target,
        Func<string, TProof> prove
    )
    {
        OutputLock.MakeFolder(System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(target))!);
        var file = new StagedFile(target);
        try
        {
            onnx.Save(file.Path);
            file.Seal();
            return (file, prove(file.Path));
        }
        catch (Exception e)
        {
            file.Dispose();
            if (e is IOException or UnauthorizedAccessException)
                throw new TransferException(
                    $"'{target}' cannot be written: {e.Message} Check the folder's permissions and the disk.",
                    e
                );
            throw;
        }
    }
}

/// <summary>
/// A file under a temporary name of its own, beside the one that it takes when it has shown that it is right. Without
/// that it is deleted.
/// </summary>
/// <param name="target">The name that it is to take.</param>
internal sealed class StagedFile(string target) : IDisposable
{
    private const string Ending = ".unverified";

    private string? digest;
    private bool isKept;

    /// <summary>The file under its temporary name.</summary>
    public string Path { get; } = FormattableString.Invariant($"{target}.{Guid.NewGuid():N}{Ending}");

    /// <summary>SHA-256 of what was sealed, 64 hexadecimal digits.</summary>
    public string Sha256 => digest ?? throw new InvalidOperationException("The file is not sealed.");

    /// <summary>
    /// Deletes what earlier runs of a target left behind when they were killed. Only for who holds the output.
    /// </summary>
    public static void RemoveLeftOver(string target)
    {
        string folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(target))!;
        foreach (string file in Directory.GetFiles(folder, $"{System.IO.Path.GetFileName(target)}.*{Ending}"))
            File.Delete(file);
    }

    /// <summary>The bytes are final: what is verified from here on is what takes the name.</summary>
    public void Seal() => digest = FileDigest.Of(Path);

    /// <summary>Takes the name.</summary>
    /// <exception cref="TransferException"> The bytes are not those that were sealed; or the name cannot be taken: then
    /// the verified file stays, and the message says where.
    /// </exception>
    public void Take(bool overwrite = true)
    {
        if (FileDigest.Of(Path) != Sha256)
            throw new TransferException(
                $"'{target}' was not written: '{Path}' changed after it was verified. Does another program write "
                    + $"into that folder? Give another --output."
            );
        try
        {
            File.Move(Path, target, overwrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            isKept = true;
            string kept = Path[..^Ending.Length] + ".verified";
            File.Move(Path, kept);
            string reason = !overwrite && File.Exists(target) ? "it exists by now" : e.Message.TrimEnd('.');
            throw new TransferException(
                $"'{target}' could not be replaced: {reason}. The new file is verified and kept as '{kept}': rename "
                    + $"it when no program holds the old one.",
                e
            );
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!isKept)
            File.Delete(Path);
    }
}
