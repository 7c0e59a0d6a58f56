using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Backbones.Tfjs;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>
/// Opens backbones: imports a card's files to ONNX at first use, and keeps the result in a cache folder; in memory
/// where that cannot be written. Safe for threads, and for processes that share the folder.
/// </summary>
/// <param name="catalog">The cards.</param>
/// <param name="cacheFolder">Where imported models are kept; null for the folder "backbones" under MLNETTRANSFER_CACHE,
/// or else under the user's cache.</param>
public sealed class BackboneStore(BackboneCatalog catalog, string? cacheFolder = null)
{
    private readonly Lock import = new();

    /// <summary>Where imported models are kept, absolute.</summary>
    public string CacheFolder { get; } = Path.GetFullPath(cacheFolder ?? MlNetTransfer.CacheFolder.For("backbones"));

    /// <summary>
    /// Opens a backbone; imports it where the cache does not have it yet, or not intact. The first time takes up to
    /// seconds.
    /// </summary>
    /// <param name="id">Id of the card.</param>
    /// <param name="cancellation">Stops between the steps; nothing half-made stays.</param>
    /// <exception cref="TransferException">There is no such card; a source file is missing or has another digest than
    /// the card says.</exception>
    public Backbone Open(string id, CancellationToken cancellation = default)
    {
        BackboneCard card = catalog.Get(id);
        string path = Path.Combine(CacheFolder, $"{card.Id}-{Key(card)}.onnx");
        lock (import)
            return CachedDigest(path) is { } digest
                ? new Backbone(card, path, digest, () => Model(card, CancellationToken.None))
                : Import(card, path, cancellation);
    }

    /// <summary>Opens several backbones as one, whose features stand side by side; a single one as it is.</summary>
    /// <param name="ids">Ids of the cards, each once; at least one.</param>
    /// <param name="cancellation">Stops between the steps; nothing half-made stays.</param>
    /// <exception cref="TransferException">As <see cref="Open(string, CancellationToken)"/>; or an id is given twice,
    /// or one of several backbones takes something else than images.</exception>
    public Backbone Open(IReadOnlyList<string> ids, CancellationToken cancellation = default)
    {
        SideBySide.RequireDifferent(ids);
        return SideBySide.Of([.. ids.Select(id => Open(id, cancellation))]);
    }

    /// <summary>Imports a card's files, once they are those that it names.</summary>
    private OnnxModel Model(BackboneCard card, CancellationToken cancellation)
    {
        string[] files = [.. card.Files.Select(f => catalog.PathOf(card, f))];
        for (int i = 0; i < files.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            Verify(card, files[i], card.Files[i].Sha256);
        }

        return BackboneImporter.Import(card, files);
    }

    private Backbone Import(BackboneCard card, string path, CancellationToken cancellation)
    {
        OnnxModel model = Model(card, cancellation);
        byte[] bytes = model.ToBytes();
        cancellation.ThrowIfCancellationRequested();
        string digest = Convert.ToHexStringLower(SHA256.HashData(bytes));
        try
        {
            Directory.CreateDirectory(CacheFolder);
            AtomicFile.Write(path, stream => stream.Write(bytes));
            AtomicFile.Write(DigestFile(path), stream => stream.Write(Encoding.ASCII.GetBytes(digest)));
        }
        catch (Exception cause) when (cause is GraphException or IOException or UnauthorizedAccessException)
        {
            // Where a file that another process reads cannot be replaced, that process has just written the same bytes.
            // Where nothing can be written, as in a container with a read-only disk, the import is only made again by
            // the next process.
            if (CachedDigest(path) != digest)
                return new Backbone(card, model, digest);
        }

        return new Backbone(card, path, digest, () => Model(card, CancellationToken.None));
    }

    private static void Verify(BackboneCard card, string file, string expected)
    {
        string fix = card.Restore is { } restore
            ? $"To get it: {restore}."
            : $"Restore the package {card.Package} {card.PackageVersion} (build the project again), or correct the "
                + $"card.";
        if (!File.Exists(file))
            throw new TransferException(
                $"The weights of the backbone '{card.Id}' (package {card.Package} {card.PackageVersion}) are not "
                    + $"here: {file} is missing. {fix}"
            );
        try
        {
            string found = FileDigest.Of(file);
            if (found != expected)
                throw new TransferException(
                    $"{file} of the backbone '{card.Id}' has SHA-256 {found}; the card expects {expected}. It was "
                        + $"changed or belongs to another version. {fix}"
                );
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"{file} of the backbone '{card.Id}' could not be read ({cause.Message}). {fix}",
                cause
            );
        }
    }

    /// <summary>
    /// The digest of a cached model that is intact; null where it is missing or its content is not what was written.
    /// </summary>
    private static string? CachedDigest(string path)
    {
        try
        {
            if (!File.Exists(path) || !File.Exists(DigestFile(path)))
                return null;
            string found = FileDigest.Of(path);
            return found == File.ReadAllText(DigestFile(path), Encoding.ASCII) ? found : null;
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>
    /// Names what the import depends on: the importer, the format, the input size and the digests of the source files.
    /// </summary>
    private static string Key(BackboneCard card)
    {
        string content =
            $"{BackboneImporter.Version}\n{card.Format}\n{Input(card)}\n"
            + $"{string.Join('\n', card.Files.Select(f => $"{f.Path} {f.Sha256}"))}";
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))[..16];
    }

    private static string Input(BackboneCard card) =>
        card.Preprocessing is { } images
            ? FormattableString.Invariant($"{images.Size}{(images.Width is { } width ? $" x {width}" : "")}")
            : $"{card.Content!.Kind} {card.Content.Settings.GetRawText()}";

    private static string DigestFile(string path) => path + ".sha256";
}

/// <summary>Makes the ONNX model of a card from its package's files.</summary>
internal static class BackboneImporter
{
    /// <summary>
    /// Version of what the importers write; raise it whenever they write something else, so that cached models are made
    /// again.
    /// </summary>
    public const int Version = 2;

    /// <param name="card">The card.</param>
    /// <param name="files">Absolute paths of its files, in the order of the card.</param>
    public static OnnxModel Import(BackboneCard card, IReadOnlyList<string> files)
    {
        if (card.Format == BackboneFormat.Onnx)
            return Onnx(card, files);
        int size = card.Images.Size;
        string[] shards = [.. files.Skip(1)];
        return card is { Format: BackboneFormat.TfjsGraph, SourceClasses.Count: 0 }
            ? TfjsImporter.Import(files[0], shards, size, [card.Taps[^1].Tensor])
            : TfjsImporter.Import(files[0], shards, size);
    }

    /// <summary>
    /// Each file is fed by the one before it; as the user's own models do, the whole gets the form that every backbone
    /// has, once.
    /// </summary>
    private static OnnxModel Onnx(BackboneCard card, IReadOnlyList<string> files)
    {
        OnnxModel model = files
            .Skip(1)
            .Aggregate(OnnxModel.Load(files[0]), (front, file) => OnnxModel.Load(file).After(front));
        if (card.Preprocessing is not { } images || HasForm(model, images))
            return model;
        return OnnxBackboneInspector
            .Inspect(
                model,
                new OnnxInspectionOptions
                {
                    Preprocessing = new PreprocessingParts
                    {
                        Scale = new ChannelScale(images.Mean, images.Std),
                        Width = images.Shape.Width,
                        Height = images.Shape.Height,
                    },
                    Checks = false,
                }
            )
            .Model;
    }

    private static bool HasForm(OnnxModel model, Imaging.Preprocessing images) =>
        model.Inputs is [{ Name: Backbone.InputName } input]
        && TensorShape.From(input)?.Dimensions
            is [{ Size: null }, { Size: 3 }, { Size: var height }, { Size: var width }]
        && (width, height) == images.Shape;
}
