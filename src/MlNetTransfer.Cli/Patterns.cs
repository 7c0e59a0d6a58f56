using System.IO.Enumeration;

namespace MlNetTransfer.Cli;

/// <summary>
/// Expands what a shell left as it was: "photos/*.jpg" in quotes, or on Windows. * and ? stand for part of a name, **
/// for folders.
/// </summary>
internal static class Patterns
{
    /// <summary>The inputs, patterns replaced by the files they match, in the order of their names.</summary>
    /// <exception cref="TransferException">A pattern matches no file.</exception>
    public static IReadOnlyList<string> Expand(IEnumerable<string> inputs) => [.. inputs.SelectMany(Expand)];

    private static IEnumerable<string> Expand(string input)
    {
        if (!IsPattern(input) || Path.Exists(input))
            return [input];
        string[] parts = input.Replace('\\', OperatingSystem.IsWindows() ? '/' : '\\').Split('/');
        int first = Array.FindIndex(parts, IsPattern);
        string root = string.Join('/', parts[..first]);
        string[] found =
        [
            .. Below(
                    first == 0 ? ""
                        : root.Length == 0 ? "/"
                        : root,
                    parts.AsMemory(first)
                )
                .Order(StringComparer.Ordinal),
        ];
        return found.Length > 0
            ? found
            : throw new TransferException($"No file matches '{input}'. Check the folder and the pattern.");
    }

    private static bool IsPattern(string text) => text.Contains('*') || text.Contains('?');

    private static IEnumerable<string> Below(string folder, ReadOnlyMemory<string> parts)
    {
        string part = parts.Span[0];
        ReadOnlyMemory<string> rest = parts[1..];
        string real = folder.Length == 0 ? "." : folder;
        if (!Directory.Exists(real))
            return [];
        if (part == "**")
        {
            ReadOnlyMemory<string> tail = rest.IsEmpty ? new[] { "*" } : rest;
            return Below(folder, tail).Concat(Folders(real, "*").SelectMany(name => Below(Join(folder, name), parts)));
        }

        return rest.IsEmpty
            ? Directory
                .EnumerateFiles(real)
                .Select(f => Path.GetFileName(f))
                .Where(name => Matches(part, name))
                .Select(name => Join(folder, name))
            : Folders(real, part).SelectMany(name => Below(Join(folder, name), rest));
    }

    /// <summary>Folders that are no links: a pattern cannot go in circles.</summary>
    private static IEnumerable<string> Folders(string folder, string pattern) =>
        new DirectoryInfo(folder)
            .EnumerateDirectories()
            .Where(d => d.LinkTarget is null && Matches(pattern, d.Name))
            .Select(d => d.Name);

    /// <summary>As shells do: names that begin with a dot are matched only by patterns that do.</summary>
    private static bool Matches(string pattern, string name) =>
        (name[0] != '.' || pattern[0] == '.')
        && FileSystemName.MatchesSimpleExpression(pattern, name, ignoreCase: OperatingSystem.IsWindows());

    private static string Join(string folder, string name) =>
        folder.Length == 0 ? name
        : folder.EndsWith('/') ? folder + name
        : $"{folder}/{name}";
}
