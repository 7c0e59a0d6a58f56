namespace MlNetTransfer.Backbones;

/// <summary>One file of a backbone's package.</summary>
public sealed record BackboneFile
{
    /// <summary>Path relative to the package, with forward slashes; it may not lead out of it.</summary>
    public required string Path
    {
        get;
        init => field = Relative(value);
    }

    /// <summary>SHA-256 of the file, 64 lower-case hexadecimal digits.</summary>
    public required string Sha256
    {
        get;
        init => field = CheckSha256(value);
    }

    /// <exception cref="ArgumentException">The text is no SHA-256 in lower case.</exception>
    internal static string CheckSha256(string value) =>
        value is { Length: 64 } && value.All(c => c is (>= '0' and <= '9') or (>= 'a' and <= 'f'))
            ? value
            : throw new ArgumentException(
                $"'{value}' is not a SHA-256; expected 64 lower-case hexadecimal digits.",
                nameof(value)
            );

    internal static string Relative(string path) =>
        path.Split('/').All(p => p.Length > 0 && p is not ("." or "..")) && !path.Contains('\\') && !path.Contains(':')
            ? path
            : throw new ArgumentException(
                $"'{path}' may lead out of the packages folder; expected a relative path with forward slashes and "
                    + $"without '..'.",
                nameof(path)
            );
}
