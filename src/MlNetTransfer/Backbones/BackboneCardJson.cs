using System.Text.Json;
using System.Text.Json.Serialization;

namespace MlNetTransfer.Backbones;

/// <summary>Cards as JSON, read strictly: every member known, none missing, none of a wrong value.</summary>
internal static class BackboneCardJson
{
    private static readonly JsonSerializerOptions Strict = new(JsonSerializerDefaults.General)
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        WriteIndented = true,
        Converters =
        {
            new ChannelValuesJson(),
            new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false),
        },
    };

    /// <exception cref="Exception">JsonException, ArgumentException or TransferException: the card is not valid; the
    /// message says why, not which.</exception>
    public static BackboneCard Read(JsonElement json)
    {
        BackboneCard card = json.Deserialize<BackboneCard>(Strict) ?? throw new JsonException("it is null.");
        card.CheckConsistent();
        return card;
    }

    public static byte[] Write(BackboneCard card) => JsonSerializer.SerializeToUtf8Bytes(card, Strict);
}
