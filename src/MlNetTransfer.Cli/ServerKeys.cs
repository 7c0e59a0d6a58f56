using System.Security.Cryptography;
using System.Text;

namespace MlNetTransfer.Cli;

/// <summary>
/// The keys that requests to a server need, each with the name of whom it was given to. Kept as SHA-256, so that
/// neither memory nor a file of digests gives one away.
/// </summary>
internal sealed class ServerKeys
{
    private const int Shortest = 16;
    private const string Digest = "sha256:";

    private readonly List<(string Name, byte[] Hash)> keys = [];

    private ServerKeys() { }

    /// <summary>
    /// Reads a file: on each line NAME=KEY, or NAME=sha256: and the 64 hexadecimal digits of the key's SHA-256. Empty
    /// lines and lines that begin with # say nothing.
    /// </summary>
    /// <exception cref="TransferException">The file cannot be read, or a line is none of those.</exception>
    public static ServerKeys Load(string path)
    {
        string[] lines;
        try
        {
            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"The keys cannot be read from '{path}': {e.Message} Write NAME=KEY on each line of it.",
                e
            );
        }

        ServerKeys keys = new();
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].Trim();
            if (line.Length > 0 && line[0] != '#')
                keys.Add(Read(line, $"{path}, line {i + 1}"), $"{path}, line {i + 1}");
        }

        return keys.keys.Count > 0
            ? keys
            : throw new TransferException($"'{path}' has no key. Write NAME=KEY on each line of it.");
    }

    /// <summary>Whose key it is; null where it is nobody's. Takes the same time for every key.</summary>
    public string? NameOf(string key)
    {
        byte[] hash = SHA256.HashData(Encoding.UTF8.GetBytes(key));
        string? found = null;
        foreach ((string name, byte[] known) in keys)
            if (CryptographicOperations.FixedTimeEquals(hash, known))
                found = name;
        return found;
    }

    private void Add((string Name, byte[] Hash) key, string where)
    {
        if (keys.Any(k => k.Name == key.Name || k.Hash.AsSpan().SequenceEqual(key.Hash)))
            throw new TransferException($"{where}: the name '{key.Name}', or its key, stands in the file twice.");
        keys.Add(key);
    }

    private static (string Name, byte[] Hash) Read(string line, string where)
    {
        int equals = line.IndexOf('=');
        if (equals <= 0)
            throw new TransferException($"{where}: NAME=KEY was expected.");
        (string name, string key) = (line[..equals].Trim(), line[(equals + 1)..].Trim());
        if (key.StartsWith(Digest, StringComparison.OrdinalIgnoreCase))
            return key.Length == Digest.Length + 64 && key[Digest.Length..].All(char.IsAsciiHexDigit)
                ? (name, Convert.FromHexString(key[Digest.Length..]))
                : throw new TransferException($"{where}: 64 hexadecimal digits were expected after '{Digest}'.");
        return key.Length >= Shortest
            ? (name, SHA256.HashData(Encoding.UTF8.GetBytes(key)))
            : throw new TransferException(
                $"{where}: the key of '{name}' has {key.Length} characters; at least {Shortest} were expected, e.g. "
                    + $"{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}"
            );
    }
}
