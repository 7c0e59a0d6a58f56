using System.Security.Cryptography;
using System.Text;

namespace MlNetTransfer.Scoring;

/// <summary>
/// What a batch is: another model, input or form of row is another batch, which must not go on where this one stopped.
/// </summary>
/// <param name="Model">SHA-256 of the model file; of several, the first digits of each, and their names.</param>
/// <param name="Input">The input, and how it is read.</param>
/// <param name="Columns">Names of the columns.</param>
/// <param name="Part">Shard and limit.</param>
internal sealed record ScoreIdentity(string Model, string Input, string Columns, string Part)
{
    /// <summary>What differs, in words; empty where nothing does.</summary>
    public string Difference(ScoreIdentity other)
    {
        List<string> found = [];
        Compare("model", Short(Model), Short(other.Model));
        Compare("input", Input, other.Input);
        string[] now = Columns.Split(','),
            then = other.Columns.Split(',');
        Compare("columns", string.Join(", ", now.Except(then)), string.Join(", ", then.Except(now)));
        Compare("part", Part, other.Part);
        return string.Join("; ", found);

        // Of several models each has its name, and is short already.
        static string Short(string model) => model.Contains(' ') ? model : model[..Math.Min(16, model.Length)];

        void Compare(string what, string now, string before)
        {
            if (now != before)
                found.Add($"{what} '{now}' instead of '{before}'");
        }
    }
}

/// <summary>How far a batch is: all rows of the first <see cref="Items"/> inputs are written, and no others.</summary>
/// <param name="Items">Inputs done.</param>
/// <param name="Rejected">Those of them that were rejected.</param>
/// <param name="Keys">A digest of their keys in order, hexadecimal: an input that has changed since does not
/// agree.</param>
/// <param name="Last">Key of the last; null where none is done.</param>
/// <param name="Bytes">Length of the file of rows; 0 for a database.</param>
internal sealed record ScoreState(long Items, long Rejected, string Keys, string? Last, long Bytes)
{
    /// <summary>Nothing is done.</summary>
    public static ScoreState Nothing { get; } = new(0, 0, KeyChain.Start, null, 0);
}

/// <summary>A digest of keys in their order that can go on from any point: digest = SHA-256(digest before ‖
/// key).</summary>
internal static class KeyChain
{
    /// <summary>The digest of no keys.</summary>
    public static string Start { get; } = new('0', 64);

    /// <summary>The digest with one more key.</summary>
    /// <param name="digest">The digest before [32]; changed in place.</param>
    /// <param name="key">SHA-256 of the key [32].</param>
    public static void Add(Span<byte> digest, ReadOnlySpan<byte> key)
    {
        Span<byte> both = stackalloc byte[64];
        digest.CopyTo(both);
        key.CopyTo(both[32..]);
        SHA256.HashData(both, digest);
    }

    /// <summary>SHA-256 of a key's UTF-8.</summary>
    public static byte[] Of(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
