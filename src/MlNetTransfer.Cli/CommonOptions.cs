using System.CommandLine;
using System.IO.Enumeration;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;

namespace MlNetTransfer.Cli;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    private const int Million = 1_000_000;

    private const string TextColumnMeans =
        "Column of a list that has texts, for a backbone of texts; the list then names no files.";

    public static Option<bool> Json() =>
        new("--json") { Description = "Print one JSON object on standard output, everything else on standard error." };

    /// <summary>Names that are written with commas between.</summary>
    public static string[] Listed(string text) =>
        text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    public static Option NoCache<T>(this Flags<T> flags, Func<T, T> set)
        where T : class => flags.Switch("--no-cache", "Neither read nor store features on disk.", set);

    public static Option Workers<T>(this Flags<T> flags)
        where T : DataJobRequest =>
        flags.Number<int>(
            "--workers",
            "Images worked on at the same time; no result depends on it. One per core by default.",
            "n",
            (o, workers) => o with { Workers = workers },
            o => o.Workers
        );

    /// <summary>Options of every job on frozen features.</summary>
    public static IReadOnlyList<Option> OfFeatures<T>(this Flags<T> flags)
        where T : FeatureJobRequest =>
        [
            flags.Text(
                "--backbone",
                "Pretrained backbone; several, separated by commas: their features side by side.",
                "id[,id]",
                (o, id) => o with { Backbone = id },
                o => o.Backbone
            ),
            flags.Number<int>(
                "--seed",
                "Seed of folds and draws.",
                "n",
                (o, seed) => o with { Seed = seed },
                o => o.Seed
            ),
            flags.MaxMegapixels(),
            flags.Workers(),
            flags.NoCache(o => o with { CacheFeatures = false }),
        ];

    public static Option MaxMegapixels<T>(this Flags<T> flags)
        where T : DataJobRequest =>
        flags.Number<int>(
            "--max-megapixels",
            "Largest image in millions of pixels; a larger one is rejected before it is decoded. Forms that must be "
                + "decoded whole, such as interlaced PNG, have half of the default.",
            "n",
            (o, millions) => o with { Limits = Megapixels(millions) },
            o => o.Limits.MaxPixels / Million
        );

    public static Option Device<T>(
        this Flags<T> flags,
        Func<T, ExecutionProvider, T> set,
        Func<T, ExecutionProvider?> get
    )
        where T : DataJobRequest =>
        flags.Choice(
            "--device",
            "What runs the network. A GPU must give the CPU's numbers on some of the images before it is used; see "
                + "'mlnet-transfer doctor'.",
            set,
            get
        );

    public static Option Top<T>(this Flags<T> flags)
        where T : PredictionRequest =>
        flags.Number<int>("--top", "Classes to list per image.", "n", (o, top) => o with { Top = top }, o => o.Top);

    public static Option TextColumn<T>(this Flags<T> flags, Func<T, string, T> set)
        where T : class => flags.Text("--text-column", TextColumnMeans, "name", set);

    public static Argument Model<T>(this Flags<T> flags, Func<T, string, T> set)
        where T : class =>
        flags.Argument(
            "model",
            "A model.onnx written by 'mlnet-transfer train', or registry:NAME@production.",
            set,
            ModelRegistry.FileOf
        );

    /// <summary>How to read labelled images.</summary>
    public static (Option Paths, Option Texts, Option Labels, Option Empty) Columns<T>(
        this Flags<T> flags,
        Func<T, DatasetOptions, T> set
    )
        where T : class
    {
        var columns = new Flags<DatasetOptions>(new DatasetOptions());
        flags.Part(columns, set);
        return (
            columns.Text(
                "--path-column",
                "Column of a list that has the paths. Default: path, ImagePath, ImageSource, image, file or filename.",
                "name",
                (o, name) => o with { PathColumn = name }
            ),
            columns.Text("--text-column", TextColumnMeans, "name", (o, name) => o with { TextColumn = name }),
            columns.Text(
                "--label-column",
                "Column of a list that has the labels. Default: label or class.",
                "name",
                (o, name) => o with { LabelColumn = name }
            ),
            columns.Switch(
                "--allow-empty-classes",
                "Leave out classes whose folders hold no file, instead of refusing them.",
                o => o with { AllowEmptyClasses = true }
            )
        );
    }

    /// <summary>What an image may cost; out of range, the error counts millions too.</summary>
    private static ImageLimits Megapixels(int millions)
    {
        int pixels = (int)Math.Clamp((long)millions * Million, int.MinValue, int.MaxValue);
        try
        {
            return new ImageLimits { MaxPixels = pixels, MaxWholeFramePixels = pixels };
        }
        catch (OutOfRangeException e)
        {
            int low = (int)Math.Ceiling((int)e.Low / (double)Million);
            throw new OutOfRangeException(nameof(millions), millions, low, (int)e.High / Million);
        }
    }
}

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
