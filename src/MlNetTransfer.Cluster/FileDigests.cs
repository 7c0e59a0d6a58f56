using System.Text.Json;
using MlNetTransfer.Models;

namespace MlNetTransfer.Cluster;

/// <summary>
/// The files that a job stands on, by the SHA-256 that they had when it was submitted. A worker reads a file once, and
/// again when its length or time changes. Thread-safe.
/// </summary>
internal static class FileDigests
{
    private static readonly Dictionary<string, (string Path, long Length, DateTime Written, string Digest)> Known = [];
    private static readonly Lock Gate = new();

    /// <summary>Notes the digests of files.</summary>
    public static string Note(IEnumerable<string> files) =>
        JsonSerializer.Serialize(files.ToDictionary(file => file, Of, StringComparer.Ordinal));

    /// <summary>Checks that files are what was noted.</summary>
    /// <exception cref="TransferException">One is missing here, or another by now.</exception>
    public static void Require(string noted)
    {
        foreach ((string file, string digest) in JsonSerializer.Deserialize<Dictionary<string, string>>(noted)!)
        {
            string found = Of(file);
            if (found != digest)
                throw new TransferException(
                    $"'{file}' on {Environment.MachineName} is not the file that the job was submitted with: its "
                        + $"SHA-256 is {found[..16]}…, expected {digest[..16]}…. Put the file back and use "
                        + "'jobs retry', or submit a new job with another output."
                );
        }
    }

    /// <summary>SHA-256 of a file, or of a version of a registry.</summary>
    /// <exception cref="TransferException">It cannot be read.</exception>
    public static string Of(string file)
    {
        lock (Gate)
        {
            try
            {
                if (
                    Known.TryGetValue(file, out var known)
                    && new FileInfo(known.Path) is { Exists: true } same
                    && (known.Length, known.Written) == (same.Length, same.LastWriteTimeUtc)
                )
                    return known.Digest;
                // A version of a registry is copied to this machine first.
                string path = ModelRegistry.FileOf(file);
                var info = new FileInfo(path);
                string digest = FileDigest.Of(path);
                Known[file] = (path, info.Length, info.LastWriteTimeUtc, digest);
                return digest;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new TransferException(
                    $"'{file}' cannot be read on {Environment.MachineName}: {e.Message} Every worker reads it by this "
                        + "path: mount the folder there that has it.",
                    e
                );
            }
        }
    }
}
