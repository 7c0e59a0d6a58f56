using System.IO.Compression;

namespace MlNetTransfer.Datasets;

/// <summary>
/// Which entries of an archive may become images. Nothing is ever extracted, but names travel on into reports, file
/// names and other tools.
/// </summary>
internal static class ZipEntryRules
{
    public const string Encrypted = "encrypted; make the archive again without a password";

    private const int RatioMatters = 1 << 20;

    /// <returns>Why the entry's name is refused, or null.</returns>
    public static string? WhyNameRefused(string name)
    {
        if (name.Contains('\uFFFD'))
            return "its name is not UTF-8; make the archive again with a tool that writes UTF-8 names";
        if (name.AsSpan().IndexOfAnyInRange('\0', '\u001F') >= 0 || name.Contains('\u007F'))
            return "its name has control characters";
        if (name.Contains('\\'))
            return "its name has a backslash; archives separate folders by '/'";
        if (name[0] == '/')
            return "its name is an absolute path; expected a path inside the archive";
        if (name.Length >= 2 && name[1] == ':' && char.IsAsciiLetter(name[0]))
            return "its name has a drive letter; expected a path inside the archive";
        foreach (Range part in name.AsSpan().TrimEnd('/').Split('/'))
        {
            ReadOnlySpan<char> segment = name.AsSpan()[part];
            if (segment is "..")
                return "its name leads out of the archive by '..'";
            if (segment is "" or ".")
                return "its name has an empty folder or '.' in it";
        }

        return null;
    }

    /// <returns>Why the entry's content is refused, or null.</returns>
    public static string? WhyContentRefused(ZipArchiveEntry entry, ZipLimits limits)
    {
        if (entry.IsEncrypted)
            return Encrypted;
        if ((entry.ExternalAttributes >>> 28) == 0xA)
            return "is a link; links are not followed";
        if (entry.Length > RatioMatters && entry.Length / limits.MaxRatio > entry.CompressedLength)
            return string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"inflates from {entry.CompressedLength} to {entry.Length} bytes, as zip bombs do; at most "
                    + $"{limits.MaxRatio} times is allowed ({nameof(ZipLimits.MaxRatio)})"
            );
        return null;
    }
}
