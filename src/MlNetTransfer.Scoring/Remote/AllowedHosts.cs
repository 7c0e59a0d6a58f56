using System.Diagnostics.CodeAnalysis;

namespace MlNetTransfer.Scoring.Remote;

/// <summary>
/// A server that images may be fetched from: "images.example.com", "*.example.com" for those below it,
/// "example.com:8443" for another port; by https, unless "http://" stands before it. Immutable.
/// </summary>
internal sealed record AllowedHost
{
    private readonly string name;
    private readonly int? port;
    private readonly bool isPlain,
        isBelow;

    private AllowedHost(string text, string name, int? port, bool isPlain, bool isBelow) =>
        (Text, this.name, this.port, this.isPlain, this.isBelow) = (text, name, port, isPlain, isBelow);

    /// <summary>As it was written.</summary>
    public string Text { get; }

    /// <summary>Reads one.</summary>
    /// <exception cref="ArgumentException">It is no host.</exception>
    public static AllowedHost Of(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        const string plain = "http://",
            secure = "https://",
            below = "*.";
        bool isPlain = text.StartsWith(plain, StringComparison.OrdinalIgnoreCase);
        string rest =
            isPlain ? text[plain.Length..]
            : text.StartsWith(secure, StringComparison.OrdinalIgnoreCase) ? text[secure.Length..]
            : text;
        bool isBelow = rest.StartsWith(below, StringComparison.Ordinal);
        if (isBelow)
            rest = rest[below.Length..];
        // A web address of that host alone says whether it is one.
        return
            rest.Length > 0
            && rest.All(c => c is not ('/' or '@' or '?' or '#' or '*'))
            && Uri.TryCreate($"{(isPlain ? plain : secure)}{rest}/", UriKind.Absolute, out Uri? uri)
            ? new AllowedHost(text, uri.IdnHost, uri.IsDefaultPort ? null : uri.Port, isPlain, isBelow)
            : throw new ArgumentException(
                $"Host is '{text}'; expected for example images.example.com, *.example.com, example.com:8443, or "
                    + "http://example.com where it has no https.",
                nameof(text)
            );
    }

    /// <inheritdoc/>
    public override string ToString() => Text;

    /// <summary>Whether an address is on it.</summary>
    public bool Has(Uri address) =>
        (address.Scheme == Uri.UriSchemeHttps || (isPlain && address.Scheme == Uri.UriSchemeHttp))
        && (port is { } own ? address.Port == own : address.IsDefaultPort)
        && (
            isBelow
                ? address.IdnHost.EndsWith($".{name}", StringComparison.OrdinalIgnoreCase)
                : address.IdnHost.Equals(name, StringComparison.OrdinalIgnoreCase)
        );
}

/// <summary>Web addresses in a list.</summary>
internal static class WebAddress
{
    /// <summary>Whether a path of a list is one.</summary>
    public static bool TryParse(string path, [NotNullWhen(true)] out Uri? address)
    {
        address = null;
        return (
                path.StartsWith("http://", StringComparison.OrdinalIgnoreCase)
                || path.StartsWith("https://", StringComparison.OrdinalIgnoreCase)
            ) && Uri.TryCreate(path, UriKind.Absolute, out address);
    }

    /// <summary>Why images may not be fetched from it; null where they may.</summary>
    public static string? Refused(Uri address, IReadOnlyList<AllowedHost> hosts) =>
        hosts.Any(host => host.Has(address))
            ? null
            : $"'{address.Authority}' is not among the hosts that images may be fetched from"
                + (address.Scheme == Uri.UriSchemeHttp ? " without https" : "")
                + "; name it with --hosts "
                + (address.Scheme == Uri.UriSchemeHttp ? $"http://{address.Authority}" : address.Authority);
}
