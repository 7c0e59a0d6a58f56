using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace MlNetTransfer.Cli;

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

    /// <summary>A value as it is written on the command line.</summary>
    public static string Text(object? value) =>
        value switch
        {
            null => "",
            Enum name => name.ToString().ToLowerInvariant(),
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
        where T : struct, Enum
    {
        string text = result.Tokens[^1].Value;
        if (Names<T>().Contains(text, StringComparer.OrdinalIgnoreCase))
            return Enum.Parse<T>(text, ignoreCase: true);
        string meant = Suggestions.Sentence(text, Names<T>());
        result.AddError($"{name} is '{text}'; it must be one of {string.Join(", ", Names<T>())}.{meant}");
        return null;
    }

    private static string[] Names<T>()
        where T : struct, Enum => [.. Enum.GetNames<T>().Select(n => n.ToLowerInvariant())];
}
