using System.Text.Json;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Encoders;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>
/// The user's own backbones: one folder each, with card.json and model.onnx, which appears whole or not at all.
/// </summary>
/// <param name="folder">The folder of all of them; null for "backbones" under MLNETTRANSFER_HOME, or else under the
/// user's data folder.</param>
public sealed class UserCatalog(string? folder = null)
{
    private const string CardFile = "card.json";
    private const string ModelFile = "model.onnx";

    /// <summary>The folder, absolute; it may not exist yet.</summary>
    public string Folder { get; } = Path.GetFullPath(folder ?? DataFolder.For("backbones"));

    /// <summary>Reads all cards. One that cannot be used is named among the problems; the others work.</summary>
    public UserBackbones Read()
    {
        List<BackboneCard> cards = [];
        List<string> problems = [];
        try
        {
            // What begins with a dot is being added or removed.
            foreach (
                string each in (Directory.Exists(Folder) ? Directory.GetDirectories(Folder) : [])
                    .Where(d => Path.GetFileName(d)[0] != '.')
                    .Order(StringComparer.Ordinal)
            )
                Read(each, cards, problems);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            problems.Add(
                $"Your backbones in {Folder} cannot be read ({cause.Message}). Check its permissions, or set "
                    + $"{DataFolder.Variable} to another folder."
            );
        }

        return new UserBackbones(Folder, cards, problems);
    }

    /// <summary>
    /// Adds a model: fetches it where that is asked for, inspects it, and keeps it with a card. Takes up to seconds,
    /// and the download.
    /// </summary>
    /// <param name="backbone">The model, and what the user knows of it.</param>
    /// <param name="progress">Told how far a download is.</param>
    /// <param name="cancellation">Ends it between the steps; nothing half-made stays.</param>
    /// <returns>The new card.</returns>
    /// <exception cref="TransferException">The id is taken, the file cannot be had, has another hash, or cannot be a
    /// backbone; or something is missing that only the user can know. The message says what and how to mend
    /// it.</exception>
    /// <exception cref="GraphException">The file is not ONNX, too large, or its external data does not fit.</exception>
    public BackboneCard Add(
        NewBackbone backbone,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        string target = Path.Combine(Folder, backbone.Id);
        if (BackboneCatalog.Shipped.Cards.Any(c => c.Id == backbone.Id))
            throw new TransferException(
                $"The id '{backbone.Id}' is that of a backbone that comes with the product. Choose another."
            );
        if (Directory.Exists(target))
            throw new TransferException(
                $"You already have a backbone '{backbone.Id}'. Choose another id, or remove it first: "
                    + $"mlnet-transfer models remove {backbone.Id}"
            );
        string staging = Path.Combine(Folder, $".new-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(staging);
            BackboneCard card = Make(backbone, staging, progress, cancellation);
            cancellation.ThrowIfCancellationRequested();
            Directory.Move(staging, target);
            return card;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"The backbone '{backbone.Id}' could not be kept in {Folder} ({cause.Message}). Set "
                    + $"{DataFolder.Variable} to a folder that is writable and has room.",
                cause
            );
        }
        finally
        {
            if (Directory.Exists(staging))
                Directory.Delete(staging, recursive: true);
        }
    }

    /// <summary>
    /// Removes one of the user's backbones. Models trained on it stay as they are: they need it no more.
    /// </summary>
    /// <exception cref="TransferException">There is none of this id, or it cannot be removed.</exception>
    public void Remove(string id)
    {
        string known = string.Join(", ", Read().Cards.Select(c => c.Id));
        try
        {
            string target = Path.Combine(Folder, BackboneCard.CheckId(id));
            if (!Directory.Exists(target))
                throw new TransferException(
                    $"You have no backbone '{id}'. Yours: {(known.Length > 0 ? known : "none")}. Those that come "
                        + $"with the product cannot be removed."
                );
            string gone = Path.Combine(Folder, $".gone-{Guid.NewGuid():N}");
            Directory.Move(target, gone);
            Directory.Delete(gone, recursive: true);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new TransferException(
                $"The backbone '{id}' in {Folder} could not be removed: {cause.Message}",
                cause
            );
        }
    }

    private static BackboneCard Make(
        NewBackbone backbone,
        string staging,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        ModelSource source = ModelSource.Get(backbone, Path.Combine(staging, "source.onnx"), progress, cancellation);
        progress?.Report(new JobProgress("Inspecting the model", 0, 0));
        OnnxModel given = OnnxModel.Load(source.File, backbone.ModelLimits);
        Found found = backbone.Text is { } text
            ? Found.Of(TextBackboneInspector.Inspect(given, text with { Folder = text.Folder ?? source.Folder }))
            : Found.Of(OnnxBackboneInspector.Inspect(given, backbone.Inspection));
        cancellation.ThrowIfCancellationRequested();
        if (backbone.Labels is { } labels && labels.Count != found.Classes)
            throw new TransferException(
                $"{labels.Count} labels were given; the model "
                    + (found.Classes == 0 ? "is no classifier and has no classes" : $"has {found.Classes:d} classes")
                    + $". Give one label per line, in the order of the output."
            );
        string model = Path.Combine(staging, ModelFile);
        found.Model.Save(model);
        if (source.Fetched)
            File.Delete(source.File);
        BackboneCard card = Card(backbone, source, found, FileDigest.Of(model));
        try
        {
            card.CheckConsistent();
        }
        catch (TransferException cause)
        {
            throw new TransferException($"The backbone '{backbone.Id}' cannot be added: {cause.Message}", cause);
        }

        AtomicFile.Write(Path.Combine(staging, CardFile), stream => stream.Write(BackboneCardJson.Write(card)));
        return card;
    }

    private static BackboneCard Card(NewBackbone backbone, ModelSource source, Found found, string sha256) =>
        new()
        {
            Id = backbone.Id,
            Name = string.IsNullOrWhiteSpace(backbone.Name) ? backbone.Id : backbone.Name,
            Package = backbone.Id,
            PackageVersion = source.Sha256[..12],
            Format = BackboneFormat.Onnx,
            Files = [new BackboneFile { Path = ModelFile, Sha256 = sha256 }],
            License = backbone.License,
            Provenance = $"Added by the user from {source.Name}, SHA-256 {source.Sha256}.",
            Restore =
                $"mlnet-transfer models remove {backbone.Id}, then mlnet-transfer models add FILE --id {backbone.Id}",
            Preprocessing = found.Preprocessing,
            Content = found.Content,
            Taps = found.Taps,
            DefaultTap = backbone.DefaultTap ?? found.Taps[^1].Name,
            SourceClasses = backbone.Labels ?? found.Labels,
        };

    private static void Read(string folder, List<BackboneCard> cards, List<string> problems)
    {
        string file = Path.Combine(folder, CardFile),
            id = Path.GetFileName(folder);
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            BackboneCard card = BackboneCardJson.Read(document.RootElement);
            if (card.Id != id || card.Package != id)
                throw new TransferException(
                    $"its id is '{card.Id}' and its package '{card.Package}'; both must be the folder's name."
                );
            cards.Add(card);
        }
        catch (Exception cause)
            when (cause
                    is JsonException
                        or ArgumentException
                        or TransferException
                        or IOException
                        or UnauthorizedAccessException
            )
        {
            problems.Add($"Your backbone '{id}' cannot be used: {file}: {cause.Message} Remove it and add it again.");
        }
    }
}

/// <summary>A model in the form that every backbone has, of images or of other content.</summary>
internal sealed record Found(
    OnnxModel Model,
    Imaging.Preprocessing? Preprocessing,
    StatedEncoder? Content,
    IReadOnlyList<BackboneTap> Taps,
    int Classes,
    IReadOnlyList<string> Labels
)
{
    public static Found Of(InspectedBackbone images) =>
        new(images.Model, images.Preprocessing, null, images.Taps, images.Classes, images.Labels);

    public static Found Of(InspectedTextBackbone texts) =>
        new(texts.Model, null, StatedEncoder.Of(texts.Encoder), texts.Taps, 0, []);
}

/// <summary>The backbones that the user added.</summary>
/// <param name="Folder">The folder that has one folder per backbone, absolute.</param>
/// <param name="Cards">Their cards, by id.</param>
/// <param name="Problems">What is in the folder and cannot be used, and why.</param>
public sealed record UserBackbones(string Folder, IReadOnlyList<BackboneCard> Cards, IReadOnlyList<string> Problems)
{
    /// <summary>No backbones.</summary>
    public static UserBackbones None { get; } = new("", [], []);
}

/// <summary>An ONNX model that is to become one of the user's backbones. Immutable.</summary>
public sealed record NewBackbone
{
    /// <summary>Path of an .onnx file, or an http or https address.</summary>
    public required string Source
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Id for the new card; lower-case letters, digits, '_', '-' and '.', not yet taken.</summary>
    public required string Id
    {
        get;
        init => field = BackboneCard.CheckId(value);
    }

    /// <summary>Name for people. Default null: the id.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// SHA-256 that the file must have, 64 hexadecimal digits; needed for an address. Default null: not checked.
    /// </summary>
    public string? Sha256
    {
        get;
        init => field = value is null ? null : BackboneFile.CheckSha256(value.ToLowerInvariant());
    }

    /// <summary>
    /// What there is to know of a model of texts. Default null: it is a model of images, see <see cref="Inspection"/>.
    /// </summary>
    public TextInspectionOptions? Text { get; init; }

    /// <summary>What the graph may not state: size, preprocessing, output.</summary>
    public OnnxInspectionOptions Inspection { get; init; } = new();

    /// <summary>
    /// Names of the classes in the order of the output. Default null: those in the file's metadata, else none.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>
    /// Name of the tap taken where none is chosen. Default null: the last one, what the classifier takes.
    /// </summary>
    public string? DefaultTap { get; init; }

    /// <summary>Licence of the weights. Default "unknown".</summary>
    public string License
    {
        get;
        init => field = Check.NotEmpty(value);
    } = "unknown";

    /// <summary>What the model file may cost.</summary>
    public OnnxLimits ModelLimits { get; init; } = new();

    /// <summary>What a download may cost.</summary>
    public DownloadLimits DownloadLimits { get; init; } = new();
}

/// <summary>The file of a model that is to be added.</summary>
/// <param name="File">Its path.</param>
/// <param name="Name">Where it comes from, for the card: the file's name, or the address without user, password and
/// query.</param>
/// <param name="Sha256">Its SHA-256, lower-case.</param>
/// <param name="Fetched">It was downloaded to <paramref name="File"/> and may be removed.</param>
internal sealed record ModelSource(string File, string Name, string Sha256, bool Fetched)
{
    /// <summary>The folder with the files that came with it; null where it was fetched alone.</summary>
    public string? Folder => Fetched ? null : Path.GetDirectoryName(Path.GetFullPath(File));

    public static ModelSource Get(
        NewBackbone backbone,
        string downloadTo,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        backbone.Source.Contains("://", StringComparison.Ordinal)
            ? Download(backbone, downloadTo, progress, cancellation)
            : Local(backbone);

    private static ModelSource Download(
        NewBackbone backbone,
        string file,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (
            !Uri.TryCreate(backbone.Source, UriKind.Absolute, out Uri? address)
            || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
        )
            throw new TransferException(
                $"'{backbone.Source}' is not an http or https address. For a file of this machine give its path."
            );
        string sha256 =
            backbone.Sha256
            ?? throw new TransferException(
                $"{ModelDownload.Shown(address)}: a model from an address needs the SHA-256 that its publisher "
                    + $"states: --sha256 (Sha256). Without it nobody can tell what arrives."
            );
        ModelDownload.Fetch(address, sha256, file, backbone.DownloadLimits, progress, cancellation);
        return new ModelSource(file, ModelDownload.Shown(address), sha256, Fetched: true);
    }

    private static ModelSource Local(NewBackbone backbone)
    {
        try
        {
            string found = FileDigest.Of(backbone.Source);
            if (backbone.Sha256 is { } expected && found != expected)
                throw new TransferException(
                    $"{backbone.Source} has SHA-256 {found}; {expected} was asked for. It is another file, or was "
                        + $"changed."
                );
            return new ModelSource(backbone.Source, Path.GetFileName(backbone.Source), found, Fetched: false);
        }
        catch (Exception cause)
            when (cause is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TransferException(
                $"{backbone.Source} could not be read ({cause.Message}). Give the path of an .onnx file, or an http "
                    + $"or https address.",
                cause
            );
        }
    }
}
