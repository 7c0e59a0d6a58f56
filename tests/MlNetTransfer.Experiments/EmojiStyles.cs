using System.Diagnostics;
using System.Formats.Tar;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Experiments;

/// <summary>
/// The same emoji drawn in four styles, by subgroup of Unicode: npm's @iconify-json packages, rendered by Debian's
/// librsvg2-bin once and kept beside the other caches.
/// </summary>
internal static partial class EmojiStyles
{
    private const int Side = 128,
        LeastOfClass = 15,
        MostOfClass = 45;

    // Where a drawing shows a person, a letter or a flag, the subgroup is no kind of thing to see.
    private static readonly string[] LeftOut =
    [
        "country-flag",
        "person-role",
        "person-activity",
        "person",
        "person-sport",
        "person-fantasy",
        "person-gesture",
        "family",
        "alphanum",
        "religion",
        "other-symbol",
        "time",
    ];

    /// <summary>The styles, and the packages they come from.</summary>
    public static IReadOnlyDictionary<string, string> Packages { get; } =
        new Dictionary<string, string>
        {
            ["twemoji"] = "@iconify-json/twemoji@1.2.5",
            ["noto"] = "@iconify-json/noto@1.2.9",
            ["fluent"] = "@iconify-json/fluent-emoji-flat@1.2.6",
            ["openmoji"] = "@iconify-json/openmoji@1.2.29",
        };

    /// <summary>The styles as data sets: the same classes, and the same emoji in the same order.</summary>
    public static IReadOnlyDictionary<string, Dataset> Read()
    {
        string root = Path.Combine(CacheFolder.For("experiments"), "emoji");
        if (!File.Exists(Path.Combine(root, "done")))
            Render(root);
        return Packages.Keys.ToDictionary(style => style, style => DatasetReader.Read(Path.Combine(root, style)));
    }

    private static void Render(string root)
    {
        using Tests.Shared.Scratch scratch = new();
        Dictionary<string, JsonElement> styles = Packages.ToDictionary(
            style => style.Key,
            style => Package(style.Value, "icons.json", scratch.File(style.Key))
        );
        JsonElement emoji = Package("emojibase-data@17.0.0", "en/data.json", scratch.File("names")),
            groups = Package("emojibase-data@17.0.0", "meta/groups.json", scratch.File("groups"))
                .GetProperty("subgroups");
        (string Class, string Name)[] all =
        [
            .. emoji
                .EnumerateArray()
                .Where(e => e.TryGetProperty("subgroup", out _))
                .Select(e => (groups.GetProperty($"{e.GetProperty("subgroup")}").GetString()!, Slug(e)))
                .Where(e =>
                    styles.Values.All(style => style.GetProperty("icons").TryGetProperty(e.Item2, out _))
                    && !LeftOut.Contains(e.Item1)
                )
                .GroupBy(e => e.Item1)
                .Where(group => group.Count() >= LeastOfClass)
                .SelectMany(group => group.Take(MostOfClass)),
        ];
        Parallel.ForEach(
            styles.SelectMany(style => all.Select(e => (Style: style, Emoji: e))),
            one => Draw(one.Style.Value, one.Emoji.Name, Path.Combine(root, one.Style.Key, one.Emoji.Class))
        );
        File.WriteAllText(Path.Combine(root, "done"), "");
    }

    private static string Slug(JsonElement emoji) =>
        NotOfSlug()
            .Replace(
                emoji
                    .GetProperty("label")
                    .GetString()!
                    .ToLowerInvariant()
                    .Replace("&", "and", StringComparison.Ordinal)
                    .Replace("’", "", StringComparison.Ordinal),
                "-"
            )
            .Trim('-');

    [GeneratedRegex("[^a-z0-9]+")]
    private static partial Regex NotOfSlug();

    private static JsonElement Package(string package, string member, string folder)
    {
        Directory.CreateDirectory(folder);
        Run("npm", ["pack", package, "--silent"], folder, null);
        using var archive = new TarReader(
            new GZipStream(File.OpenRead(Directory.GetFiles(folder, "*.tgz").Single()), CompressionMode.Decompress)
        );
        while (archive.GetNextEntry() is { } entry)
            if (entry.Name == $"package/{member}")
                return JsonDocument.Parse(entry.DataStream!).RootElement;
        throw new TransferException($"The package {package} has no {member}.");
    }

    private static void Draw(JsonElement style, string name, string folder)
    {
        JsonElement icon = style.GetProperty("icons").GetProperty(name);
        double Of(string member, double missing) =>
            icon.TryGetProperty(member, out JsonElement own) || style.TryGetProperty(member, out own)
                ? own.GetDouble()
                : missing;
        string svg =
            "<svg xmlns=\"http://www.w3.org/2000/svg\" xmlns:xlink=\"http://www.w3.org/1999/xlink\" "
            + FormattableString.Invariant($"viewBox=\"{Of("left", 0)} {Of("top", 0)} {Of("width", 16)} ")
            + FormattableString.Invariant($"{Of("height", 16)}\" width=\"{Side}\" height=\"{Side}\">")
            + $"{icon.GetProperty("body").GetString()}</svg>";
        Directory.CreateDirectory(folder);
        Run(
            "rsvg-convert",
            ["-w", $"{Side}", "-h", $"{Side}", "--background-color", "white", "-o", $"{name}.png"],
            folder,
            svg
        );
    }

    private static void Run(string program, string[] arguments, string folder, string? input)
    {
        try
        {
            using Process process = Process.Start(
                new ProcessStartInfo(program, arguments)
                {
                    WorkingDirectory = folder,
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                }
            )!;
            using (StreamWriter stream = new(process.StandardInput.BaseStream, new UTF8Encoding(false)))
                stream.Write(input);
            process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            if (process.ExitCode != 0)
                throw new TransferException($"{program} {string.Join(' ', arguments)} failed in {folder}.");
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new TransferException($"{program} is missing: install Debian's npm and librsvg2-bin.", e);
        }
    }
}
