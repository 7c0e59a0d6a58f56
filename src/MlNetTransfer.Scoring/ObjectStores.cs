using System.Collections.Concurrent;
using MlNetTransfer.Scoring.Remote;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Images in object storage, below one prefix. Packages of their own know how to get at it: MlNetTransfer.Scoring.S3
/// for Amazon S3 and what speaks its protocol.
/// </summary>
public interface IObjectStore : IDisposable
{
    /// <summary>What it is, bucket and prefix, so that another is not taken for it.</summary>
    string Name { get; }

    /// <summary>Keys of the objects below the prefix, in an order that is the same at every listing.</summary>
    /// <param name="after">Key to begin behind; null for all.</param>
    /// <param name="cancellation">Ends the listing.</param>
    /// <exception cref="TransferException">They cannot be listed; the message says why and how to mend it.</exception>
    IAsyncEnumerable<string> ListAsync(string? after, CancellationToken cancellation);

    /// <summary>Opens an object. Called from any thread, many times at once.</summary>
    /// <param name="key">Its key.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="FileNotFoundException">It is not there.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    /// <exception cref="IOException">The storage cannot be reached, or gives no answer about the object.</exception>
    Task<Stream> OpenAsync(string key, CancellationToken cancellation);
}

/// <summary>The kinds of object storage that a batch can be read from, by the scheme of their addresses.</summary>
public static class ObjectStores
{
    private static readonly ConcurrentDictionary<string, Func<Uri, IObjectStore>> Known = new(
        StringComparer.OrdinalIgnoreCase
    );

    /// <summary>Adds a kind; one that was added before is replaced.</summary>
    /// <param name="scheme">What its addresses begin with, "s3" for example.</param>
    /// <param name="open">Opens what is below an address such as s3://bucket/prefix.</param>
    public static void Add(string scheme, Func<Uri, IObjectStore> open) => Known[Check.NotEmpty(scheme)] = open;

    /// <summary>Whether an input is the address of something, and no path.</summary>
    internal static bool IsAddress(string input) => input.Contains("://", StringComparison.Ordinal);

    /// <summary>The inputs below an address; null where the input is none.</summary>
    /// <exception cref="TransferException">No such kind was added, or it cannot be opened.</exception>
    internal static ScoreSource? Open(string input)
    {
        if (!IsAddress(input))
            return null;
        string scheme = input[..input.IndexOf("://", StringComparison.Ordinal)];
        if (!Known.TryGetValue(scheme, out Func<Uri, IObjectStore>? open))
            throw new TransferException(
                $"The input is '{input}', and nothing here knows what '{scheme}://' is. Known: "
                    + $"{string.Join(", ", ((string[])["postgres", "sqlite", .. Known.Keys]).Order())}. "
                    + "Images at web addresses are read from a list of them; s3:// needs the package "
                    + "MlNetTransfer.Scoring.S3, and S3Storage.Register()."
            );
        return Uri.TryCreate(input, UriKind.Absolute, out Uri? address)
            ? new ObjectSource(open(address))
            : throw new TransferException(
                $"The input is '{input}', which is no address. Write it as s3://bucket/prefix."
            );
    }
}
