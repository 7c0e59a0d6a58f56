using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace MlNetTransfer.Training;

/// <summary>Which part of a backbone stays as it was pretrained. Immutable.</summary>
/// <remarks>
/// Written as <c>0.7</c>, a share of the blocks, counted from the image and rounded down; <c>block:N</c>, the first N
/// blocks; or <c>pattern:REGEX</c>, every weight whose name in the ONNX file matches. What blocks are:
/// <see cref="NetworkBlocks"/>.
/// </remarks>
[JsonConverter(typeof(Json))]
public sealed record FreezeBoundary
{
    private static readonly TimeSpan MatchTime = TimeSpan.FromSeconds(1);

    private FreezeBoundary() { }

    /// <summary>Nothing is frozen.</summary>
    public static FreezeBoundary Nothing { get; } = OfBlocks(0);

    /// <summary>
    /// Share of the blocks, counted from the image, in [0, 1]; null where the boundary is given otherwise.
    /// </summary>
    public double? Fraction { get; private init; }

    /// <summary>Number of blocks, counted from the image; null where the boundary is given otherwise.</summary>
    public int? Blocks { get; private init; }

    /// <summary>
    /// Regular expression on the names of weights (.NET's syntax, without backtracking); null where the boundary is
    /// given otherwise.
    /// </summary>
    public string? Pattern { get; private init; }

    /// <summary>A share of the blocks, rounded down.</summary>
    /// <param name="fraction">In [0, 1]; at 1 only the head is trained.</param>
    public static FreezeBoundary OfFraction(double fraction) =>
        new() { Fraction = Check.InRange(fraction, 0, 1, nameof(fraction)) };

    /// <summary>The first blocks.</summary>
    /// <param name="blocks">How many, 0 or more.</param>
    public static FreezeBoundary OfBlocks(int blocks) =>
        new() { Blocks = Check.InRange(blocks, 0, int.MaxValue, nameof(blocks)) };

    /// <summary>Weights by name.</summary>
    /// <param name="pattern">The regular expression; it may match anywhere in the name.</param>
    /// <exception cref="ArgumentException">It is no regular expression, or one that needs backtracking.</exception>
    public static FreezeBoundary OfPattern(string pattern)
    {
        try
        {
            _ = Expression(Check.NotEmpty(pattern, nameof(pattern)));
        }
        catch (Exception cause) when (cause is ArgumentException or NotSupportedException)
        {
            throw new ArgumentException(
                $"'{pattern}' cannot be used as a pattern: {cause.Message}",
                nameof(pattern),
                cause
            );
        }

        return new() { Pattern = pattern };
    }

    /// <summary>Reads the written form.</summary>
    /// <exception cref="FormatException">The text is none of the three; the message says which there are.</exception>
    public static FreezeBoundary Parse(string text)
    {
        try
        {
            if (text.StartsWith("block:", StringComparison.Ordinal))
                return OfBlocks(int.Parse(text.AsSpan(6), NumberStyles.None, CultureInfo.InvariantCulture));
            if (text.StartsWith("pattern:", StringComparison.Ordinal))
                return OfPattern(text[8..]);
            return OfFraction(double.Parse(text, NumberStyles.Float, CultureInfo.InvariantCulture));
        }
        catch (Exception cause) when (cause is FormatException or OverflowException or ArgumentException)
        {
            throw new FormatException(
                $"'{text}' is no freeze boundary. Write a share of the blocks from 0 to 1, e.g. 0.7; or block:N for "
                    + $"the first N blocks; or pattern:REGEX for weights by "
                    + $"name.{(cause is ArgumentException and not OutOfRangeException ? " " + cause.Message : "")}",
                cause
            );
        }
    }

    /// <summary>The written form.</summary>
    public override string ToString() =>
        Pattern is not null ? $"pattern:{Pattern}"
        : Blocks is { } blocks ? FormattableString.Invariant($"block:{blocks}")
        : FormattableString.Invariant($"{Fraction:r}");

    internal static Regex Expression(string pattern) =>
        new(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, MatchTime);

    /// <summary>The written form as JSON.</summary>
    private sealed class Json : JsonConverter<FreezeBoundary>
    {
        public override FreezeBoundary Read(
            ref Utf8JsonReader reader,
            Type typeToConvert,
            JsonSerializerOptions options
        )
        {
            try
            {
                // A fraction written as a number is one, as in a job file.
                return Parse(
                    reader.TokenType == JsonTokenType.Number
                        ? reader.GetDouble().ToString(CultureInfo.InvariantCulture)
                        : reader.GetString() ?? ""
                );
            }
            catch (Exception e) when (e is FormatException or InvalidOperationException)
            {
                throw new JsonException(e.Message, e);
            }
        }

        public override void Write(Utf8JsonWriter writer, FreezeBoundary value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value.ToString());
    }
}
