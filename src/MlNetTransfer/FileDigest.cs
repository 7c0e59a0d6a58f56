using System.Security.Cryptography;
using MlNetTransfer.Onnx;

namespace MlNetTransfer;

/// <summary>The digest of a file's content.</summary>
internal static class FileDigest
{
    /// <summary>SHA-256, 64 hexadecimal digits in lower case; the file is never in memory whole.</summary>
    public static string Of(string path)
    {
        using FileStream stream = RegularFile.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
