using System.Text.Json;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Encoders;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch;

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
    /// <returns>The new card, and what speaks for its preprocessing.</returns>
    /// <exception cref="TransferException">The id is taken, the file cannot be had, has another hash, or cannot be a
    /// backbone; or something is missing that only the user can know. The message says what and how to mend
    /// it.</exception>
    /// <exception cref="GraphException">The file is not ONNX, too large, or its external data does not fit.</exception>
    public AddedBackbone Add(
        NewBackbone backbone,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        RequireFree(backbone.Id);
        return Whole(backbone.Id, staging => Make(backbone, staging, progress, cancellation), cancellation);
    }

    /// <summary>Keeps a model that was made of a backbone's, whose card is that of another but for its file.</summary>
    /// <param name="card">The card; package, form and files are those of the new one.</param>
    /// <param name="model">The model.</param>
    /// <param name="cancellation">Nothing is kept once it is asked for.</param>
    /// <returns>The card as it was written.</returns>
    /// <exception cref="TransferException">The id is taken, or the folder is not writable.</exception>
    internal BackboneCard Keep(BackboneCard card, OnnxModel model, CancellationToken cancellation)
    {
        RequireFree(card.Id);
        return Whole(
            card.Id,
            staging =>
            {
                string file = Path.Combine(staging, ModelFile);
                model.Save(file);
                string digest = FileDigest.Of(file);
                card = card with
                {
                    Package = card.Id,
                    PackageVersion = digest[..12],
                    Format = BackboneFormat.Onnx,
                    Files = [new BackboneFile { Path = ModelFile, Sha256 = digest }],
                };
                WriteCard(card, staging);
                return card;
            },
            cancellation
        );
    }

    /// <exception cref="TransferException">The id is taken.</exception>
    internal void RequireFree(string id)
    {
        if (BackboneCatalog.Shipped.Cards.Any(c => c.Id == id))
            throw new TransferException(
                $"The id '{id}' is that of a backbone that comes with the product. Choose another."
            );
        if (Directory.Exists(Path.Combine(Folder, id)))
            throw new TransferException(
                $"You already have a backbone '{id}'. Choose another id, or remove it first: mlnet-transfer models "
                    + $"remove {id}"
            );
    }

    /// <summary>Removes what killed processes have left, once it is a day old and nobody can be writing it.</summary>
    private void RemoveLeftovers()
    {
        foreach (string left in (string[])[".new-*", ".gone-*"])
        foreach (string folder in Directory.GetDirectories(Folder, left))
            try
            {
                if (DateTime.UtcNow - Directory.GetLastWriteTimeUtc(folder) > TimeSpan.FromDays(1))
                    Directory.Delete(folder, recursive: true);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Another user's, or another process is removing it: it harms nobody.
            }
    }

    /// <summary>A backbone's folder, which appears whole or not at all.</summary>
    private TMade Whole<TMade>(string id, Func<string, TMade> make, CancellationToken cancellation)
    {
        string staging = Path.Combine(Folder, $".new-{Guid.NewGuid():N}");
        try
        {
            Directory.CreateDirectory(staging);
            RemoveLeftovers();
            TMade made = make(staging);
            cancellation.ThrowIfCancellationRequested();
            Directory.Move(staging, Path.Combine(Folder, id));
            return made;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"The backbone '{id}' could not be kept in {Folder} ({cause.Message}). Set {DataFolder.Variable} to a "
                    + $"folder that is writable and has room.",
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

    private static AddedBackbone Make(
        NewBackbone backbone,
        string staging,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        ModelSource source = ModelSource.Get(backbone, Path.Combine(staging, "source.onnx"), progress, cancellation);
        progress?.Report(new JobProgress("Inspecting the model", 0, 0));
        var beside = CompanionFiles.In(backbone.Text is null ? source.Folder : null);
        OnnxModel given = WithWeights(source.Load(backbone, beside.Statements), backbone);
        Found found = backbone.Text is { } text
            ? Found.Of(TextBackboneInspector.Inspect(given, text with { Folder = text.Folder ?? source.Folder }))
            : Found.Of(
                OnnxBackboneInspector.Inspect(
                    given,
                    backbone.Inspection with
                    {
                        Beside = [.. backbone.Inspection.Beside, .. beside.Statements],
                    },
                    progress,
                    cancellation
                )
            );
        cancellation.ThrowIfCancellationRequested();
        if (backbone.Labels is { } labels)
            CheckLabels(labels, found.Classes, "were given");
        else if (beside.Labels is { } own)
            CheckLabels(own, found.Classes, $"stand in {beside.LabelsFile}, beside the model");
        string model = Path.Combine(staging, ModelFile);
        found.Model.Save(model);
        if (source.Fetched)
            File.Delete(source.File);
        BackboneCard card = Card(backbone, source, found, beside.Labels, FileDigest.Of(model));
        try
        {
            card.CheckConsistent();
        }
        catch (TransferException cause)
        {
            throw new TransferException($"The backbone '{backbone.Id}' cannot be added: {cause.Message}", cause);
        }

        WriteCard(card, staging);
        return new AddedBackbone(card, found.Evidence, found.Warning);
    }

    private static void WriteCard(BackboneCard card, string folder) =>
        AtomicFile.Write(Path.Combine(folder, CardFile), stream => stream.Write(BackboneCardJson.Write(card)));

    private static OnnxModel WithWeights(OnnxModel model, NewBackbone backbone)
    {
        if (backbone.Weights is not { } file)
            return model;
        if (backbone.Text is not null)
            throw new TransferException("--weights is for networks of images. Put them into the ONNX file instead.");
        if (!File.Exists(file))
            throw new TransferException(
                $"The weights '{file}' do not exist. Give a .pt, .pth, .dat or .safetensors file."
            );
        NamedTensors weights = TorchWeights.Read(file);
        model = model.SeparateInitializers();
        WeightsMismatch mismatch = model.CompareWeights(weights);
        return mismatch.IsEmpty
            ? model.WithWeights(weights)
            : throw new TransferException(
                $"The weights of '{file}' are not those of {backbone.Source}: {mismatch}. Names have to be "
                    + "those of the module that was exported; PyTorch's exporter keeps them with "
                    + "training=TrainingMode.PRESERVE and do_constant_folding=False."
            );
    }

    private static void CheckLabels(IReadOnlyList<string> labels, int classes, string where)
    {
        if (labels.Count != classes)
            throw new TransferException(
                $"{labels.Count} labels {where}; the model "
                    + (classes == 0 ? "is no classifier and has no classes" : $"has {classes:d} classes")
                    + $". Give one label per line, in the order of the output."
            );
    }

    private static BackboneCard Card(
        NewBackbone backbone,
        ModelSource source,
        Found found,
        IReadOnlyList<string>? labelsBeside,
        string sha256
    ) =>
        new()
        {
            Id = backbone.Id,
            Name = string.IsNullOrWhiteSpace(backbone.Name) ? backbone.Id : backbone.Name,
            Package = backbone.Id,
            PackageVersion = source.Sha256[..12],
            Format = BackboneFormat.Onnx,
            Files = [new BackboneFile { Path = ModelFile, Sha256 = sha256 }],
            License = backbone.License,
            Provenance =
                $"Added by the user from {source.Name}, SHA-256 {source.Sha256}"
                + (
                    backbone.Weights is { } weights
                        ? $", with the weights of {Path.GetFileName(weights)}, SHA-256 {FileDigest.Of(weights)}."
                        : "."
                ),
            Restore =
                $"mlnet-transfer models remove {backbone.Id}, then mlnet-transfer models add FILE --id {backbone.Id}",
            Preprocessing = found.Preprocessing,
            Adapted = found.Adapted,
            Content = found.Content,
            Taps = found.Taps,
            DefaultTap = backbone.DefaultTap ?? found.Taps[^1].Name,
            SourceClasses = backbone.Labels ?? labelsBeside ?? found.Labels,
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
    public string? Adapted { get; init; }

    public PreprocessingEvidence? Evidence { get; init; }

    public string? Warning { get; init; }

    public static Found Of(InspectedBackbone images) =>
        new(images.Model, images.Preprocessing, null, images.Taps, images.Classes, images.Labels)
        {
            Adapted = images.Adapted,
            Evidence = images.Evidence,
            Warning = images.Warning,
        };

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
