using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Microsoft.ML.Tokenizers;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Encoders;

/// <summary>
/// The word pieces of a vocabulary, and the rule that makes tokens of a text: that of BERT. Immutable; thread-safe.
/// </summary>
/// <remarks>
/// Words end at blanks; punctuation, symbols of ASCII and CJK ideographs are words of their own; control characters do
/// not count; in lower case, accents go first (canonical decomposition without its non-spacing marks). Each word
/// becomes the longest pieces that the vocabulary has, from the left (Devlin et al. 2019; Wu et al. 2016).
/// Microsoft.ML.Tokenizers finds the pieces of a word. Its own division into words is not taken: it drops symbols such
/// as '=' and '$', which stand in the vocabulary, and joins lines.
/// </remarks>
internal sealed class WordPieces
{
    /// <summary>The tokens that the rule itself needs.</summary>
    public const string Padding = "[PAD]",
        Unknown = "[UNK]",
        First = "[CLS]",
        Last = "[SEP]";

    /// <summary>A longer word is unknown whatever the vocabulary has: BERT's own limit.</summary>
    private const int LongestWord = 100;

    // A vocabulary is some hundred kilobytes; what unpacks to more than this is none.
    private const int MostBytes = 1 << 26;

    private static readonly ConcurrentDictionary<string, WordPieces> Known = new(StringComparer.Ordinal);

    private readonly WordPieceTokenizer pieces;

    private WordPieces(string[] vocabulary)
    {
        Count = vocabulary.Length;
        Dictionary<string, int> index = [];
        for (int i = 0; i < vocabulary.Length; i++)
            if (!index.TryAdd(vocabulary[i], i))
                throw new FormatException(
                    $"the token '{vocabulary[i]}' stands on lines {index[vocabulary[i]] + 1} and {i + 1}; expected "
                        + "each once, the line being its number. Take the vocab.txt that the model was trained with"
                );
        (PaddingId, FirstId, LastId) = (Id(Padding), Id(First), Id(Last));
        _ = Id(Unknown);
        HasCapitals = Array.Exists(vocabulary, token => token[0] != '[' && token.Any(char.IsAsciiLetterUpper));
        using var text = new MemoryStream(Encoding.UTF8.GetBytes(string.Join('\n', vocabulary)));
        pieces = WordPieceTokenizer.Create(
            text,
            new WordPieceOptions { UnknownToken = Unknown, MaxInputCharsPerWord = LongestWord }
        );

        int Id(string token) =>
            index.TryGetValue(token, out int id)
                ? id
                : throw new FormatException(
                    $"it has no token '{token}' among its {vocabulary.Length}; expected the word pieces of a "
                        + "BERT-class model, one on a line"
                );
    }

    /// <summary>Tokens in the vocabulary.</summary>
    public int Count { get; }

    /// <summary>Number of the token that fills what a text leaves free.</summary>
    public int PaddingId { get; }

    /// <summary>Number of the token that every text begins with.</summary>
    public int FirstId { get; }

    /// <summary>Number of the token that every text ends with.</summary>
    public int LastId { get; }

    /// <summary>Whether some token has a capital of ASCII: the vocabulary of a model that knows upper case.</summary>
    public bool HasCapitals { get; }

    /// <summary>The pieces of a packed vocabulary; unpacked once in a process.</summary>
    /// <exception cref="FormatException">It is none; the message says why.</exception>
    public static WordPieces Of(string packed) => Known.GetOrAdd(packed, text => new WordPieces(Unpacked(text)));

    /// <summary>Packs a vocabulary: its lines, compressed by Brotli, in base 64.</summary>
    /// <param name="lines">The tokens; a line's place, from 0, is its token's number.</param>
    /// <exception cref="FormatException">They are no vocabulary; the message says why.</exception>
    public static string Pack(IReadOnlyList<string> lines)
    {
        int empty = Enumerable.Range(0, lines.Count).FirstOrDefault(i => lines[i].Length == 0, -1);
        if (empty >= 0)
            throw new FormatException($"line {empty + 1} is empty; expected a token on every line");
        using var packed = new MemoryStream();
        using (var brotli = new BrotliStream(packed, CompressionLevel.SmallestSize, leaveOpen: true))
            brotli.Write(Encoding.UTF8.GetBytes(string.Join('\n', lines)));
        string text = Convert.ToBase64String(packed.GetBuffer(), 0, (int)packed.Length);
        _ = Of(text);
        return text;
    }

    /// <summary>The tokens of a text, without those at its ends; made as they are asked for.</summary>
    /// <param name="text">The text.</param>
    /// <param name="lowerCase">Whether capitals and accents do not count.</param>
    public IEnumerable<int> Tokens(string text, bool lowerCase) =>
        Words(text, lowerCase)
            .SelectMany(word => pieces.EncodeToIds(word, considerPreTokenization: false, considerNormalization: false));

    private static IEnumerable<string> Words(string text, bool lowerCase)
    {
        var word = new StringBuilder();
        foreach (Rune rune in (lowerCase ? LookAlikes.Decomposed(text) : text).EnumerateRunes())
        {
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            if (IsLeftOut(rune, category) || (lowerCase && category == UnicodeCategory.NonSpacingMark))
                continue;
            bool blank = Rune.IsWhiteSpace(rune),
                alone = IsWord(rune);
            if ((blank || alone) && word.Length > 0)
            {
                yield return word.ToString();
                word.Clear();
            }

            if (alone)
                yield return rune.ToString();
            else if (!blank)
                word.Append(lowerCase ? Rune.ToLowerInvariant(rune) : rune);
        }

        if (word.Length > 0)
            yield return word.ToString();
    }

    /// <summary>Control and format characters, and what stands for no character; line ends are blanks.</summary>
    private static bool IsLeftOut(Rune rune, UnicodeCategory category) =>
        rune.Value is not ('\t' or '\n' or '\r')
        && (
            rune == Rune.ReplacementChar
            || category
                is UnicodeCategory.Control
                    or UnicodeCategory.Format
                    or UnicodeCategory.PrivateUse
                    or UnicodeCategory.OtherNotAssigned
        );

    private static bool IsWord(Rune rune) =>
        Rune.IsPunctuation(rune)
        || rune.Value
            is (>= 0x21 and <= 0x2F)
                or (>= 0x3A and <= 0x40)
                or (>= 0x5B and <= 0x60)
                or (>= 0x7B and <= 0x7E)
                or (>= 0x3400 and <= 0x4DBF)
                or (>= 0x4E00 and <= 0x9FFF)
                or (>= 0xF900 and <= 0xFAFF)
                or (>= 0x20000 and <= 0x2A6DF)
                or (>= 0x2A700 and <= 0x2CEAF)
                or (>= 0x2F800 and <= 0x2FA1F);

    private static string[] Unpacked(string packed)
    {
        try
        {
            using var brotli = new BrotliStream(
                new MemoryStream(Convert.FromBase64String(packed)),
                CompressionMode.Decompress
            );
            using var text = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int read = brotli.Read(buffer); read > 0; read = brotli.Read(buffer))
            {
                text.Write(buffer, 0, read);
                if (text.Length > MostBytes)
                    throw new FormatException($"it unpacks to more than {MostBytes} bytes, the most allowed");
            }

            return Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length).Split('\n');
        }
        catch (Exception e) when (e is InvalidDataException or InvalidOperationException)
        {
            throw new FormatException($"it cannot be unpacked: {e.Message}", e);
        }
    }
}
