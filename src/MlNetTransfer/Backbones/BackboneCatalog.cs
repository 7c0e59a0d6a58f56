using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Graphs;

namespace MlNetTransfer.Backbones;

/// <summary>The backbones at hand: the cards of catalog.json, with the packages' files in the folder "packages" beside it. Immutable.</summary>
public sealed class BackboneCatalog
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        Converters = { new ChannelValuesJson(), new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
    };

    private static readonly Lazy<BackboneCatalog> BesideTheAssembly = new(() => Load(Path.Combine(AppContext.BaseDirectory, "models")));

    private BackboneCatalog(string folder, IReadOnlyList<BackboneCard> cards) => (Folder, Cards) = (folder, cards);

    /// <summary>The catalog that comes with the library, in "models" beside the program.</summary>
    /// <exception cref="TransferException">The catalog is missing or damaged.</exception>
    public static BackboneCatalog Shipped => BesideTheAssembly.Value;

    /// <summary>The backbones at hand.</summary>
    /// <exception cref="TransferException">The catalog is missing or damaged.</exception>
    public static BackboneCatalog Default => Shipped;

    /// <summary>Folder of the catalog, absolute.</summary>
    public string Folder { get; }

    /// <summary>All cards, in the order of the file. The first is the backbone taken where none is chosen.</summary>
    public IReadOnlyList<BackboneCard> Cards { get; }

    /// <summary>Reads catalog.json in a folder.</summary>
    /// <exception cref="TransferException">The file is missing, or a card has an unknown or missing member or a wrong value; the message names the file and the card.</exception>
    public static BackboneCatalog Load(string folder)
    {
        string file = Path.Combine(Path.GetFullPath(folder), "catalog.json");
        try
        {
            using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
            if (document.RootElement.ValueKind != JsonValueKind.Array) throw new TransferException($"{file} holds a {document.RootElement.ValueKind}; expected an array of cards.");
            BackboneCard[] cards = [.. document.RootElement.EnumerateArray().Select((card, index) => Card(card, index, file))];
            if (cards.GroupBy(c => c.Id).FirstOrDefault(g => g.Count() > 1) is { } twice) throw new TransferException($"{file} has two cards with the id '{twice.Key}'; give one of them another.");
            return new BackboneCatalog(Path.GetFullPath(folder), cards);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"{file} could not be read ({cause.Message}). Build the project again, or give the folder of a catalog.json.", cause);
        }
        catch (JsonException cause)
        {
            throw new TransferException($"{file} is not JSON: {cause.Message}", cause);
        }
    }

    /// <summary>The card of the given id.</summary>
    /// <exception cref="TransferException">There is none; the message suggests the nearest id and lists all.</exception>
    public BackboneCard Get(string id) =>
        Cards.FirstOrDefault(c => c.Id == id)
        ?? throw new TransferException($"There is no backbone '{id}'. {(Cards.Count > 0 ? $"Did you mean '{NearestNames.Of(id, Cards.Select(c => c.Id), 1)[0]}'? " : "")}Known: {string.Join(", ", Cards.Select(c => c.Id))}.");

    /// <summary>Absolute path of a file of a card.</summary>
    internal string PathOf(BackboneCard card, BackboneFile file) =>
        Path.Combine([Folder, "packages", .. card.Package.Split('/'), .. file.Path.Split('/')]);

    private static BackboneCard Card(JsonElement json, int index, string file)
    {
        string who = json.ValueKind == JsonValueKind.Object && json.TryGetProperty("id", out JsonElement id) && id.ValueKind == JsonValueKind.String ? $"'{id.GetString()}'" : "without an id";
        try
        {
            BackboneCard card = json.Deserialize<BackboneCard>(Strict) ?? throw new JsonException("it is null.");
            card.CheckConsistent();
            return card;
        }
        catch (Exception cause) when (cause is JsonException or ArgumentException or TransferException)
        {
            throw new TransferException($"{file}: card {index + 1} {who} is not valid: {cause.Message}", cause);
        }
    }
}
