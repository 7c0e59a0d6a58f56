using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Models;

/// <summary>
/// What a model file says of itself, in the ONNX file's own metadata: all that scoring needs besides the graph.
/// </summary>
public sealed record ModelMetadata
{
    /// <summary>The format of the entries.</summary>
    public const string Format = "mlnet-transfer/1";

    /// <summary>What every key of this product begins with.</summary>
    internal const string Prefix = "mlnet_transfer.";

    /// <summary>The key of the model card.</summary>
    internal const string CardKey = Prefix + "model_card";

    /// <summary>The key of what the model says beside its probabilities.</summary>
    internal const string ReliabilityKey = Prefix + "reliability";

    private const string ImagesKey = Prefix + "training_images",
        EncoderKey = Prefix + "encoder";

    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>The classes; the index is the label id.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>What turns content into the graph's input. In JSON as the file states it.</summary>
    [JsonIgnore]
    public required ContentEncoder Encoder { get; init; }

    /// <summary>What turns pixels into the graph's input.</summary>
    /// <exception cref="TransferException">The model takes other content.</exception>
    [JsonIgnore]
    public Preprocessing Preprocessing => Encoder.OfImages("The model");

    /// <summary>What the file states of images; null where it takes other content.</summary>
    [JsonInclude, JsonPropertyName("preprocessing"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal Preprocessing? StatedImages => (Encoder as ImageEncoder)?.Preprocessing;

    /// <summary>What the file states of other content; null where it takes images.</summary>
    [JsonInclude, JsonPropertyName("encoder"), JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal StatedEncoder? StatedContent => Encoder is ImageEncoder ? null : StatedEncoder.Of(Encoder);

    /// <summary>Id of the backbone's card.</summary>
    public required string Backbone { get; init; }

    /// <summary>SHA-256 of the backbone's card, hexadecimal.</summary>
    public required string CardDigest { get; init; }

    /// <summary>The taps that the features are taken from, side by side.</summary>
    public required IReadOnlyList<string> Taps { get; init; }

    /// <summary>
    /// SHA-256 over all that training depended on: images, labels, split, options, versions; hexadecimal.
    /// </summary>
    public required string TrainingDigest { get; init; }

    /// <summary>
    /// The model card, Markdown; null where the file has none: it was written by an earlier version, or without an
    /// evaluation.
    /// </summary>
    public string? ModelCard { get; init; }

    /// <summary>
    /// The images it was trained on; null where that is not known: it was trained on tensors, or by an earlier version.
    /// </summary>
    [JsonIgnore]
    public ImageHashes? TrainingImages { get; init; }

    /// <summary>
    /// What it says beside its probabilities, and what that rests on; null where that is not known: the file is of an
    /// earlier version.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Reliability? Reliability { get; init; }

    /// <summary>What is to be said of an image beside its probabilities.</summary>
    /// <param name="answer">Probabilities [classes], then the score of unknown images where the model gives
    /// one.</param>
    /// <param name="sets">How the set of classes is made.</param>
    internal ReliabilityVerdict Judge(ReadOnlySpan<float> answer, ClassSetKind sets) =>
        Reliability is not { } reliability
            ? default
            : reliability.Judge(
                answer[..Labels.Count],
                answer.Length > Labels.Count ? answer[Labels.Count] : null,
                sets
            );

    /// <summary>The entries to store, in a fixed order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> ToEntries() =>
        [
            new(Prefix + "format", Format),
            new(Prefix + "labels", JsonSerializer.Serialize(Labels, Json)),
            StatedImages is { } images
                ? new(Prefix + "preprocessing", JsonSerializer.Serialize(images, Json))
                : new(EncoderKey, JsonSerializer.Serialize(StatedContent, Json)),
            new(Prefix + "backbone", Backbone),
            new(Prefix + "card_digest", CardDigest),
            new(Prefix + "taps", JsonSerializer.Serialize(Taps, Json)),
            new(Prefix + "training_digest", TrainingDigest),
            .. TrainingImages is null
                ? Array.Empty<KeyValuePair<string, string>>()
                : [new(ImagesKey, TrainingImages.ToString())],
            .. Reliability is null
                ? Array.Empty<KeyValuePair<string, string>>()
                : [new(ReliabilityKey, JsonSerializer.Serialize(Reliability, Json))],
            .. ModelCard is null ? Array.Empty<KeyValuePair<string, string>>() : [new(CardKey, ModelCard)],
        ];

    /// <summary>Whether a file's metadata is of this product.</summary>
    /// <param name="entries">The ONNX file's metadata.</param>
    public static bool IsOurs(IReadOnlyDictionary<string, string> entries) => entries.ContainsKey(Prefix + "format");

    /// <summary>Reads the entries of a model file.</summary>
    /// <param name="file">The file, named in errors.</param>
    /// <param name="entries">The ONNX file's metadata.</param>
    /// <exception cref="TransferException">An entry is missing or cannot be understood.</exception>
    public static ModelMetadata FromEntries(string file, IReadOnlyDictionary<string, string> entries)
    {
        string format = Get("format");
        if (format != Format)
            throw new TransferException(
                $"'{file}' has format '{format}'; this version reads '{Format}'. Update mlnet-transfer, or train "
                    + $"the model again."
            );
        return new ModelMetadata
        {
            Labels = Parse<string[]>("labels"),
            Encoder = entries.ContainsKey(EncoderKey)
                ? Parse<StatedEncoder>("encoder").Open()
                : new ImageEncoder(Parse<Preprocessing>("preprocessing")),
            Backbone = Get("backbone"),
            CardDigest = Get("card_digest"),
            Taps = Parse<string[]>("taps"),
            TrainingDigest = Get("training_digest"),
            TrainingImages = Hashes(),
            Reliability = entries.ContainsKey(ReliabilityKey) ? Parse<Reliability>("reliability") : null,
            ModelCard = entries.GetValueOrDefault(CardKey),
        };

        string Get(string name) =>
            entries.TryGetValue(Prefix + name, out string? value)
                ? value
                : throw new TransferException(
                    $"'{file}' is an ONNX model, but not one that mlnet-transfer wrote: it has no metadata "
                        + $"'{Prefix}{name}', so its labels and preprocessing are not known. Use a model.onnx "
                        + $"written by 'mlnet-transfer train'."
                );

        ImageHashes? Hashes()
        {
            if (!entries.TryGetValue(ImagesKey, out string? text))
                return null;
            try
            {
                return ImageHashes.Parse(text);
            }
            catch (FormatException e)
            {
                throw new TransferException(
                    $"Metadata '{ImagesKey}' of '{file}' cannot be read: {e.Message} The file is damaged or was "
                        + $"edited; train the model again.",
                    e
                );
            }
        }

        T Parse<T>(string name)
        {
            try
            {
                return JsonSerializer.Deserialize<T>(Get(name), Json) ?? throw new JsonException("null");
            }
            catch (Exception e) when (e is JsonException or ArgumentException)
            {
                throw new TransferException(
                    $"Metadata '{Prefix}{name}' of '{file}' cannot be read: {e.Message} The file is damaged or was "
                        + $"edited; train the model again.",
                    e
                );
            }
        }
    }
}

/// <summary>
/// The images that a model was trained on, as short hashes of their files: enough to know one again, too little to make
/// one. Immutable.
/// </summary>
/// <remarks>
/// The first 8 bytes of SHA-256: among 100,000 images and as many others, one other is taken for a known one with a
/// probability of 10¹⁰ / 2⁶⁴, five in ten billion. Of more images than <see cref="Most"/>, the lowest hashes are kept.
/// </remarks>
public sealed class ImageHashes
{
    /// <summary>Hashes kept at most; about 1 MB in a model file.</summary>
    public const int Most = 100_000;

    private const int Length = 8,
        DigestLength = 32;
    private readonly ulong[] sorted;

    private ImageHashes(ulong[] sorted) => this.sorted = sorted;

    /// <summary>Number of different images.</summary>
    public int Count => sorted.Length;

    /// <summary>Whether all images are known; else only those whose hashes are among the lowest.</summary>
    public bool AreAll => sorted.Length < Most;

    /// <summary>The hashes of some images.</summary>
    /// <param name="digests">SHA-256 of files [images × 32].</param>
    /// <param name="rows">The images that count.</param>
    public static ImageHashes Of(byte[] digests, IEnumerable<int> rows)
    {
        ArgumentNullException.ThrowIfNull(digests);
        return new ImageHashes([
            .. rows.Select(row => Hash(digests.AsSpan(row * DigestLength))).Distinct().Order().Take(Most),
        ]);
    }

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    /// <exception cref="FormatException">It is no such text.</exception>
    public static ImageHashes Parse(string text)
    {
        byte[] bytes = Convert.FromBase64String(text);
        if (bytes.Length % Length != 0 || bytes.Length > Most * Length)
            throw new FormatException($"{bytes.Length} bytes are no list of hashes of {Length} bytes.");
        var values = new ulong[bytes.Length / Length];
        for (int i = 0; i < values.Length; i++)
            values[i] = Hash(bytes.AsSpan(i * Length));
        for (int i = 1; i < values.Length; i++)
            if (values[i] <= values[i - 1])
                throw new FormatException("The hashes are not in order.");
        return new ImageHashes(values);
    }

    /// <summary>Whether an image is one of these.</summary>
    /// <param name="digest">SHA-256 of its file [32].</param>
    public bool Contains(ReadOnlySpan<byte> digest) => Array.BinarySearch(sorted, Hash(digest)) >= 0;

    /// <summary>The hashes, each with its high byte first, rising, in base64.</summary>
    public override string ToString()
    {
        var bytes = new byte[sorted.Length * Length];
        for (int i = 0; i < sorted.Length; i++)
            BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(i * Length), sorted[i]);
        return Convert.ToBase64String(bytes);
    }

    private static ulong Hash(ReadOnlySpan<byte> digest) => BinaryPrimitives.ReadUInt64BigEndian(digest);
}
