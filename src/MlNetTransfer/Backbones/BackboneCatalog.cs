using System.Text.Json;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>
/// The backbones at hand: the cards of catalog.json, with the packages' files in the folder "packages" beside it.
/// Immutable.
/// </summary>
public sealed class BackboneCatalog
{
    /// <summary>Id of the backbone taken where none is chosen.</summary>
    public const string DefaultId = "resnet18";

    private const string FileName = "catalog.json";

    private static readonly Lazy<BackboneCatalog> OfTheLibrary = new(() =>
        LoadShipped(Path.Combine(AppContext.BaseDirectory, "models"))
    );

    private readonly UserBackbones users;

    private BackboneCatalog(string folder, IReadOnlyList<BackboneCard> cards, UserBackbones users)
    {
        (Folder, this.users) = (folder, users);
        Cards = [.. cards, .. users.Cards.Where(u => cards.All(c => c.Id != u.Id))];
        Problems =
        [
            .. users.Problems,
            .. users
                .Cards.Where(u => cards.Any(c => c.Id == u.Id))
                .Select(u =>
                    $"Your backbone '{u.Id}' has the id of one that comes with this version. Remove it, and add it "
                    + $"under another id."
                ),
        ];
    }

    /// <summary>
    /// The catalog that comes with the library, and after it the cards of "models/catalog.json" beside the program,
    /// where there is one.
    /// </summary>
    /// <exception cref="TransferException">The file beside the program is damaged.</exception>
    public static BackboneCatalog Shipped => OfTheLibrary.Value;

    /// <summary>
    /// The backbones at hand: those that come with the library, then the user's own. Read anew each time, so that what
    /// was just added is there.
    /// </summary>
    /// <exception cref="TransferException">The catalog beside the program is damaged.</exception>
    public static BackboneCatalog Default => Shipped.With(new UserCatalog().Read());

    /// <summary>Folder of the weights: the packages' files are in "packages" there. Absolute.</summary>
    public string Folder { get; }

    /// <summary>All cards, in the order of the file. The first is the backbone taken where none is chosen.</summary>
    public IReadOnlyList<BackboneCard> Cards { get; }

    /// <summary>Backbones of the user that cannot be used, and why; the others work.</summary>
    public IReadOnlyList<string> Problems { get; }

    /// <summary>Whether the user added a backbone.</summary>
    public bool IsUsers(BackboneCard card) => users.Cards.Contains(card);

    /// <summary>This catalog with the user's own backbones after its cards.</summary>
    public BackboneCatalog With(UserBackbones added) => new(Folder, [.. Cards.Where(c => !IsUsers(c))], added);

    /// <summary>Reads catalog.json in a folder.</summary>
    /// <exception cref="TransferException">The file is missing, or a card has an unknown or missing member or a wrong
    /// value; the message names the file and the card.</exception>
    public static BackboneCatalog Load(string folder)
    {
        string file = Path.Combine(Path.GetFullPath(folder), FileName);
        try
        {
            return Parse(File.ReadAllBytes(file), file, folder);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"{file} could not be read ({cause.Message}). Build the project again, or give the folder of a "
                    + $"catalog.json.",
                cause
            );
        }
    }

    private static BackboneCatalog LoadShipped(string folder)
    {
        using Stream embedded = typeof(BackboneCatalog).Assembly.GetManifestResourceStream(FileName)!;
        using var bytes = new MemoryStream();
        embedded.CopyTo(bytes);
        BackboneCatalog own = Parse(
            bytes.ToArray(),
            $"the catalog of {typeof(BackboneCatalog).Assembly.GetName().Name}",
            folder
        );
        if (!File.Exists(Path.Combine(folder, FileName)))
            return own;
        BackboneCatalog beside = Load(folder);
        return new BackboneCatalog(
            own.Folder,
            [.. own.Cards, .. beside.Cards.Where(c => own.Cards.All(o => o.Id != c.Id))],
            UserBackbones.None
        );
    }

    private static BackboneCatalog Parse(byte[] json, string file, string folder)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            if (document.RootElement.ValueKind != JsonValueKind.Array)
                throw new TransferException(
                    $"{file} holds a {document.RootElement.ValueKind}; expected an array of cards."
                );
            BackboneCard[] cards =
            [
                .. document.RootElement.EnumerateArray().Select((card, index) => Card(card, index, file)),
            ];
            if (cards.GroupBy(c => c.Id).FirstOrDefault(g => g.Count() > 1) is { } twice)
                throw new TransferException(
                    $"{file} has two cards with the id '{twice.Key}'; give one of them another."
                );
            return new BackboneCatalog(Path.GetFullPath(folder), cards, UserBackbones.None);
        }
        catch (JsonException cause)
        {
            throw new TransferException($"{file} is not JSON: {cause.Message}", cause);
        }
    }

    /// <summary>The card of the given id.</summary>
    /// <exception cref="TransferException">There is none; the message suggests the nearest id and lists
    /// all.</exception>
    public BackboneCard Get(string id) =>
        Cards.FirstOrDefault(c => c.Id == id)
        ?? throw new TransferException(
            $"There is no backbone '{id}'. "
                + $"{(Cards.Count > 0 ? $"Did you mean '{NearestNames.Of(id, Cards.Select(c => c.Id), 1)[0]}'? " : "")}"
                + $"Known: {string.Join(", ", Cards.Select(c => c.Id))}."
                + $"{string.Concat(Problems.Select(p => $" {p}"))}"
        );

    /// <summary>The cards of images whose files are on this machine: what can be chosen among.</summary>
    internal IReadOnlyList<BackboneCard> OfImagesHere =>
        [
            .. Cards.Where(card =>
                card.Preprocessing is not null && card.Files.All(file => File.Exists(PathOf(card, file)))
            ),
        ];

    /// <summary>Absolute path of a file of a card.</summary>
    internal string PathOf(BackboneCard card, BackboneFile file) =>
        Path.Combine([
            .. IsUsers(card) ? [users.Folder] : (string[])[Folder, "packages"],
            .. card.Package.Split('/'),
            .. file.Path.Split('/'),
        ]);

    private static BackboneCard Card(JsonElement json, int index, string file)
    {
        string who =
            json.ValueKind == JsonValueKind.Object
            && json.TryGetProperty("id", out JsonElement id)
            && id.ValueKind == JsonValueKind.String
                ? $"'{id.GetString()}'"
                : "without an id";
        try
        {
            return BackboneCardJson.Read(json);
        }
        catch (Exception cause) when (cause is JsonException or ArgumentException or TransferException)
        {
            throw new TransferException($"{file}: card {index + 1} {who} is not valid: {cause.Message}", cause);
        }
    }
}
