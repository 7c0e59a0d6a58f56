using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML.Tokenizers;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Encoders;

/// <summary>Texts in UTF-8: divided into the word pieces of a BERT-class model, int64 [MaxTokens].</summary>
/// <remarks>
/// A row is the first token, the text's, the last, and padding. What is past <see cref="MaxTokens"/> is cut off. The
/// network looks at the longest row that it is given and no further (see docs/decisions/015-text.md), so that a short
/// text costs what a short text costs.
/// </remarks>
public sealed record TextEncoder : ContentEncoder
{
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    private static readonly JsonSerializerOptions Strict = new()
    {
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(allowIntegerValues: false) },
    };

    /// <summary>The vocabulary, packed; see <see cref="TextVocabulary"/>.</summary>
    /// <exception cref="ArgumentException">It is no vocabulary.</exception>
    public required string Vocabulary
    {
        get;
        init
        {
            try
            {
                _ = WordPieces.Of(value);
            }
            catch (FormatException e)
            {
                throw new ArgumentException($"The vocabulary cannot be used: {e.Message}.", nameof(Vocabulary), e);
            }

            field = value;
        }
    }

    /// <summary>Most tokens of a text, those at its ends included; in [3, 65536].</summary>
    public required int MaxTokens
    {
        get;
        init => field = Check.InRange(value, 3, 1 << 16);
    }

    /// <summary>Whether capitals and accents do not count, as in models called uncased.</summary>
    public required bool LowerCase { get; init; }

    /// <summary>How the network that it feeds makes one row of its tokens' rows.</summary>
    public required TextPooling Pooling { get; init; }

    /// <inheritdoc/>
    public override EncoderKind Kind => EncoderKind.Texts;

    /// <inheritdoc/>
    public override object Settings =>
        new
        {
            Vocabulary,
            MaxTokens,
            LowerCase,
            Pooling = Pooling.ToString(),
        };

    /// <inheritdoc/>
    public override string Version =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"words 1, Unicode of .NET {Environment.Version.Major}, "
                + $"pieces {typeof(WordPieceTokenizer).Assembly.GetName().Version}"
        );

    /// <inheritdoc/>
    public override IReadOnlyList<EncodedInput> Inputs => [new(null, ElementType.Token, [MaxTokens])];

    /// <inheritdoc/>
    public override string Description =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"the first {MaxTokens} of {WordPieces.Of(Vocabulary).Count} word pieces, "
                + $"{(LowerCase ? "lower" : "upper and lower")} case; "
                + $"{(Pooling == TextPooling.Mean ? "mean of the tokens" : "first token")}"
        );

    /// <summary>What is known of the kind; see <see cref="EncoderKind"/>.</summary>
    internal static EncoderKind Describe() =>
        new("Texts", settings => settings.Deserialize<Stated>(Strict)?.Encoder() ?? throw new JsonException("null"));

    /// <summary>The tokens of a text, padded [MaxTokens].</summary>
    /// <param name="text">The text.</param>
    /// <param name="row">Receives them.</param>
    /// <returns>How many of them are not padding; 2 where the text has none of its own.</returns>
    /// <exception cref="ArgumentException">The row has another length.</exception>
    public int Encode(string text, Span<long> row)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (row.Length != MaxTokens)
            throw new ArgumentException($"The row has {row.Length} places; {MaxTokens} were expected.", nameof(row));
        WordPieces pieces = WordPieces.Of(Vocabulary);
        row.Fill(pieces.PaddingId);
        row[0] = pieces.FirstId;
        int count = 1;
        foreach (int token in pieces.Tokens(text, LowerCase).Take(MaxTokens - 2))
            row[count++] = token;
        row[count++] = pieces.LastId;
        return count;
    }

    /// <inheritdoc/>
    public override EncoderWorker CreateWorker(ImageLimits limits) => new Worker(this);

    private sealed class Worker(TextEncoder encoder) : EncoderWorker
    {
        public override void Encode(ReadOnlySpan<byte> content, EncodedItem target)
        {
            try
            {
                if (encoder.Encode(Utf8.GetString(content), target.Tensor<long>(0)) == 2)
                    throw new ImageRejectedException("the text is empty: it has no character but blanks");
            }
            catch (DecoderFallbackException e)
            {
                string found = e.BytesUnknown is [var first, ..] ? $"the byte 0x{first:X2}" : "a byte";
                throw new ImageRejectedException(
                    $"not text in UTF-8: it has {found} at offset {e.Index} where UTF-8 has none; save it as UTF-8",
                    e
                );
            }
        }
    }

    /// <summary>The settings as they are stated.</summary>
    private sealed record Stated
    {
        [JsonRequired]
        public required string Vocabulary { get; init; }

        [JsonRequired]
        public required int MaxTokens { get; init; }

        [JsonRequired]
        public required bool LowerCase { get; init; }

        [JsonRequired]
        public required TextPooling Pooling { get; init; }

        public TextEncoder Encoder() =>
            new()
            {
                Vocabulary = Vocabulary,
                MaxTokens = MaxTokens,
                LowerCase = LowerCase,
                Pooling = Pooling,
            };
    }
}

/// <summary>How one row is made of the rows of a text's tokens.</summary>
public enum TextPooling
{
    /// <summary>The mean over the tokens, padding not counted; what sentence encoders are mostly trained for.</summary>
    Mean,

    /// <summary>The row of the first token, [CLS]: what BERT's own classifiers take.</summary>
    Cls,
}

/// <summary>Vocabularies of word pieces as a <see cref="TextEncoder"/> has them: packed, to travel with it.</summary>
public static class TextVocabulary
{
    /// <summary>Packs a vocabulary.</summary>
    /// <param name="tokens">The tokens; the place of each, from 0, is its number.</param>
    /// <exception cref="ArgumentException">A token is empty or there twice, or one of BERT is missing.</exception>
    public static string Pack(IReadOnlyList<string> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        try
        {
            return WordPieces.Pack(tokens);
        }
        catch (FormatException e)
        {
            throw new ArgumentException($"The vocabulary cannot be used: {e.Message}.", nameof(tokens), e);
        }
    }
}
