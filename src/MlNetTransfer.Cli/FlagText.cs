using System.Globalization;
using System.Numerics;

namespace MlNetTransfer.Cli;

/// <summary>
/// Numbers and choices of the command line: written one way whatever the machine's language, and never with CLR names.
/// </summary>
/// <remarks>Without this, "0,001" is 1: a comma separates thousands in the default parser.</remarks>
internal static class FlagText
{
    /// <summary>A number.</summary>
    /// <param name="name">Name of the flag.</param>
    /// <param name="text">What was given.</param>
    /// <param name="accept">Throws <see cref="OutOfRangeException"/> for numbers that are not taken.</param>
    /// <exception cref="FormatException">It is no number; the message says how one is written.</exception>
    public static T Number<T>(string name, string text, Action<T> accept)
        where T : struct, INumber<T>, IMinMaxValue<T>
    {
        if (TryParse(text, out T value))
            return value;
        string dotted = text.Replace(',', '.');
        throw new FormatException(
            text.Contains(',') && TryParse(dotted, out T _)
                ? $"{name} is '{text}'; write {dotted}: decimals follow a point, whatever the machine's language."
                : $"{name} is '{text}'; it must be a {(IsWhole<T>() ? "whole number" : "number")} {Range(accept)}."
        );
    }

    /// <summary>One of a few names, in any case.</summary>
    /// <exception cref="FormatException">It is none of them; the message lists them.</exception>
    public static string OneOf(string name, string text, IReadOnlyList<string> names) =>
        names.Contains(text, StringComparer.OrdinalIgnoreCase)
            ? text
            : throw new FormatException(
                $"{name} is '{text}'; it must be one of {string.Join(", ", names)}.{Suggestions.Sentence(text, names)}"
            );

    /// <summary>A time: a number with s, m or h.</summary>
    /// <exception cref="FormatException">It is none.</exception>
    public static TimeSpan Time(string text)
    {
        int unit = text.LastOrDefault() switch
        {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            _ => 0,
        };
        return
            unit > 0
            && double.TryParse(text[..^1], NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
            && Math.Abs(number * unit) < TimeSpan.MaxValue.TotalSeconds
            ? TimeSpan.FromSeconds(number * unit)
            : throw new FormatException($"'{text}' is no time; write a number with s, m or h, e.g. 90s, 10m or 2h.");
    }

    /// <summary>A value as it is written on the command line.</summary>
    public static string Of(object? value) =>
        value switch
        {
            null => "",
            Enum name => name.ToString().ToLowerInvariant(),
            INamed choice => choice.Name.ToLowerInvariant(),
            _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
        };

    /// <summary>"from 1 to 10".</summary>
    public static string Range(OutOfRangeException outside) => Range(outside.Low, outside.High);

    /// <summary>"it must be above 0.": what a property says of itself, in the words of the command line.</summary>
    public static string Reason(ArgumentException refused)
    {
        // The name of the parameter, which follows the sentence, is for programmers.
        string sentence = refused.Message.Split(" (Parameter '")[0];
        return
            refused.ParamName is { Length: > 0 } property
            && sentence.StartsWith(property + " ", StringComparison.Ordinal)
            ? $"it{sentence[property.Length..]}"
            : sentence;
    }

    private static string Range(IFormattable low, IFormattable high) =>
        FormattableString.Invariant($"from {low} to {high}");

    /// <summary>The range that refuses the least or the greatest number; all numbers where none does.</summary>
    private static string Range<T>(Action<T> accept)
        where T : struct, INumber<T>, IMinMaxValue<T>
    {
        foreach (T extreme in (T[])[T.MinValue, T.MaxValue])
        {
            try
            {
                accept(extreme);
            }
            catch (OutOfRangeException e)
            {
                return Range(e);
            }
            catch (ArgumentException)
            {
                // Refused for another reason than a range.
            }
        }

        return Range(T.MinValue, T.MaxValue);
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
}
