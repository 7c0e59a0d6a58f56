namespace MlNetTransfer.Models;

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
    /// <exception cref="TransferException">
    /// The bytes are not those that were sealed; or the name cannot be taken: then the verified file stays, and the
    /// message says where.
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
