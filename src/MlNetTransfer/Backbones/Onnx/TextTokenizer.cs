using System.Text;
using System.Text.Json;
using MlNetTransfer.Encoders;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>How texts become tokens, by the files that came with a model.</summary>
/// <param name="Vocabulary">The vocabulary, packed.</param>
/// <param name="LowerCase">Whether capitals and accents do not count.</param>
/// <param name="MaxTokens">Tokens to take where nobody asks for more.</param>
internal sealed record TextTokenizer(string Vocabulary, bool LowerCase, int MaxTokens)
{
    private const string VocabularyFile = "vocab.txt",
        ConfigurationFile = "tokenizer_config.json";

    private static readonly string[] OfWordPieces =
    [
        "BertTokenizer",
        "DistilBertTokenizer",
        "ElectraTokenizer",
        "MobileBertTokenizer",
        "SqueezeBertTokenizer",
        "LayoutLMTokenizer",
        "FunnelTokenizer",
        "LxmertTokenizer",
        "ConvBertTokenizer",
    ];

    /// <exception cref="TransferException">A file is missing, is none, or contradicts what was asked for.</exception>
    public static TextTokenizer Of(TextInspectionOptions options)
    {
        string file = VocabularyOf(options);
        string vocabulary = Read(file);
        Configuration stated = ConfigurationBeside(options.Folder ?? Path.GetDirectoryName(Path.GetFullPath(file))!);
        bool hasCapitals = WordPieces.Of(vocabulary).HasCapitals;
        if (options.Cased is { } asked && stated.LowerCase is { } lower && asked == lower)
            throw new TransferException(
                $"{stated.File} says do_lower_case {(lower ? "true" : "false")}; --cased asks for the opposite. The "
                    + "file came with the model: leave --cased out."
            );
        bool cased = options.Cased ?? !(stated.LowerCase ?? !hasCapitals);
        if (cased && !hasCapitals)
            throw new TransferException(
                $"'{file}' has no token with a capital letter, so every word with one would be unknown; --cased "
                    + "(Cased) is for vocabularies that have them. Leave it out."
            );
        return new TextTokenizer(
            vocabulary,
            !cased,
            Math.Clamp(stated.MaxTokens ?? TextBackboneInspector.DefaultTokens, 3, TextBackboneInspector.DefaultTokens)
        );
    }

    private static string VocabularyOf(TextInspectionOptions options)
    {
        if (options.Vocabulary is { } given)
            return given;
        if (options.Folder is { } folder && Path.Combine(folder, VocabularyFile) is var beside && File.Exists(beside))
            return beside;
        throw new TransferException(
            $"A text model needs the vocabulary that it was trained with, and there is no {VocabularyFile} beside it"
                + $"{(options.Folder is null ? "" : $" in '{options.Folder}'")}. Give it: --vocabulary vocab.txt "
                + "(Vocabulary), one token on a line."
        );
    }

    private static string Read(string file)
    {
        try
        {
            string[] lines = File.ReadAllLines(file, new UTF8Encoding(false, throwOnInvalidBytes: true));
            return WordPieces.Pack(lines);
        }
        catch (FormatException e)
        {
            throw new TransferException($"'{file}' is no vocabulary: {e.Message}.", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or DecoderFallbackException)
        {
            throw new TransferException(
                $"'{file}' cannot be read as UTF-8 text ({e.Message.TrimEnd('.')}). Give the vocab.txt of a BERT-class "
                    + "model, one token on a line.",
                e
            );
        }
    }

    private static Configuration ConfigurationBeside(string folder)
    {
        string file = Path.Combine(folder, ConfigurationFile);
        if (!File.Exists(file))
            return new Configuration(file, null, null);
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            JsonElement root = document.RootElement;
            if (
                root.TryGetProperty("tokenizer_class", out JsonElement kind)
                && kind.GetString() is { } name
                && !Array.Exists(OfWordPieces, known => name == known || name == $"{known}Fast")
            )
                throw new TransferException(
                    $"'{file}' says that the model's tokens are made by {name}; only word pieces, as of BertTokenizer, "
                        + "are known here. Take a BERT-class model."
                );
            return new Configuration(
                file,
                root.TryGetProperty("do_lower_case", out JsonElement lower) ? lower.GetBoolean() : null,
                root.TryGetProperty("model_max_length", out JsonElement most)
                && most.TryGetDouble(out double length)
                && length is >= 3 and <= 1 << 16
                    ? (int)length
                    : null
            );
        }
        catch (Exception e)
            when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{file}' cannot be read: {e.Message.TrimEnd('.')}. It should be the JSON that came with the model; "
                    + "correct it, or move it away.",
                e
            );
        }
    }

    private sealed record Configuration(string File, bool? LowerCase, int? MaxTokens);
}
