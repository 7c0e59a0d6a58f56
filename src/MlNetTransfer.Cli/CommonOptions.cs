using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.IO.Enumeration;
using System.Numerics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Cli;

/// <summary>Options that several commands have.</summary>
internal static class CommonOptions
{
    public static Option<bool> Json() =>
        new("--json") { Description = "Print one JSON object on standard output, everything else on standard error." };

    public static Option<int> Workers() =>
        Numbers.Within(
            new Option<int>("--workers")
            {
                Description = "Images worked on at the same time; no result depends on it. One per core by default.",
                DefaultValueFactory = _ => Environment.ProcessorCount,
                HelpName = "n",
            },
            1,
            1024
        );

    public static Option<ExecutionProvider> Device() =>
        Numbers.OneOf(
            new Option<ExecutionProvider>("--device")
            {
                Description =
                    "What runs the network. A GPU must give the CPU's numbers on some of the images before it is "
                    + "used; see 'mlnet-transfer doctor'.",
                DefaultValueFactory = _ => ExecutionProvider.Cpu,
            }
        );

    public static Argument<string> Model() =>
        new("model") { Description = "A model.onnx written by 'mlnet-transfer train'." };

    public static Option<string> PathColumn() =>
        Column(
            "--path-column",
            "Column of a list that has the paths. Default: path, ImagePath, ImageSource, image, file or filename."
        );

    public static Option<string> LabelColumn() =>
        Column("--label-column", "Column of a list that has the labels. Default: label or class.");

    private static Option<string> Column(string name, string description)
    {
        var option = new Option<string>(name) { Description = description, HelpName = "name" };
        option.Validators.Add(result =>
        {
            if (result.Tokens is [{ Value: var value }] && string.IsNullOrWhiteSpace(value))
                result.AddError($"{name} is empty; expected the name of a column.");
        });
        return option;
    }

    public static Option<int?> MaxMegapixels() =>
        Numbers.Within(
            new Option<int?>("--max-megapixels")
            {
                Description =
                    "Largest image in millions of pixels; a larger one is rejected before it is decoded. Forms that "
                    + "must be "
                    + "decoded whole, such as interlaced PNG, have half of the default. [default: 100]",
                HelpName = "n",
            },
            1,
            1073
        );

    /// <summary>What an image may cost, given that option.</summary>
    public static ImageLimits Limits(int? megapixels) =>
        megapixels is { } millions
            ? new ImageLimits { MaxPixels = millions * 1_000_000, MaxWholeFramePixels = millions * 1_000_000 }
            : new ImageLimits();
}

/// <summary>
/// Numbers and choices of the command line: written one way whatever the machine's language, and never with CLR names.
/// </summary>
/// <remarks>Without this, "0,001" is 1: a comma separates thousands in the default parser.</remarks>
internal static class Numbers
{
    /// <summary>A number that has a value even where none is given.</summary>
    public static Option<T> Within<T>(Option<T> option, T low, T high)
        where T : struct, INumber<T>
    {
        option.CustomParser = result => Parse(result, option.Name, low, high) ?? default;
        return option;
    }

    /// <summary>A number that is null where none is given.</summary>
    public static Option<T?> Within<T>(Option<T?> option, T low, T high)
        where T : struct, INumber<T>
    {
        option.CustomParser = result => Parse(result, option.Name, low, high);
        return option;
    }

    /// <summary>One of a few names.</summary>
    public static Option<T> OneOf<T>(Option<T> option)
        where T : struct, Enum
    {
        option.HelpName = string.Join('|', Names<T>());
        option.CustomParser = result => Choose<T>(result, option.Name) ?? default;
        return option;
    }

    /// <summary>One of a few names; null where none is given.</summary>
    public static Option<T?> OneOf<T>(Option<T?> option)
        where T : struct, Enum
    {
        option.HelpName = string.Join('|', Names<T>());
        option.CustomParser = result => Choose<T>(result, option.Name);
        return option;
    }

    /// <summary>One of a registry's names.</summary>
    public static Option<T> OneOf<T>(Option<T> option, Registry<T> choices)
        where T : class, INamed
    {
        string[] names = [.. choices.Names];
        option.HelpName = string.Join('|', names);
        option.CustomParser = result =>
            IsOneOf(result, option.Name, names) ? choices.Find(result.Tokens[^1].Value) : choices[0];
        return option;
    }

    /// <summary>A value as it is written on the command line.</summary>
    public static string Text(object? value) =>
        value switch
        {
            null => "",
            Enum name => name.ToString().ToLowerInvariant(),
            INamed choice => choice.Name.ToLowerInvariant(),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
        };

    private static T? Parse<T>(ArgumentResult result, string name, T low, T high)
        where T : struct, INumber<T>
    {
        string text = result.Tokens[^1].Value;
        if (TryParse(text, out T value) && value >= low && value <= high)
            return value;
        string range = FormattableString.Invariant($"from {low} to {high}");
        if (TryParse(text, out T _))
            result.AddError($"{name} is {text}; it must be {range}.");
        else if (text.Contains(',') && TryParse(text.Replace(',', '.'), out T _))
            result.AddError(
                $"{name} is '{text}'; write {text.Replace(',', '.')}: decimals follow a point, whatever the "
                    + $"machine's language."
            );
        else
            result.AddError($"{name} is '{text}'; it must be a {(IsWhole<T>() ? "whole number" : "number")} {range}.");
        return null;
    }

    private static bool TryParse<T>(string text, out T value)
        where T : struct, INumber<T> =>
        T.TryParse(
            text,
            IsWhole<T>() ? NumberStyles.AllowLeadingSign : NumberStyles.Float,
            CultureInfo.InvariantCulture,
            out value
        );

    private static bool IsWhole<T>()
        where T : struct, INumber<T> => typeof(T) == typeof(int) || typeof(T) == typeof(long);

    private static T? Choose<T>(ArgumentResult result, string name)
        where T : struct, Enum =>
        IsOneOf(result, name, Names<T>()) ? Enum.Parse<T>(result.Tokens[^1].Value, ignoreCase: true) : null;

    private static bool IsOneOf(ArgumentResult result, string name, string[] names)
    {
        string text = result.Tokens[^1].Value;
        if (names.Contains(text, StringComparer.OrdinalIgnoreCase))
            return true;
        string meant = Suggestions.Sentence(text, names);
        result.AddError($"{name} is '{text}'; it must be one of {string.Join(", ", names)}.{meant}");
        return false;
    }

    private static string[] Names<T>()
        where T : struct, Enum => [.. Enum.GetNames<T>().Select(n => n.ToLowerInvariant())];
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
