using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Imaging;

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

/// <summary>Channel values as JSON: <c>[red, green, blue]</c>, exactly three numbers.</summary>
internal sealed class ChannelValuesJson : JsonConverter<ChannelValues>
{
    public override ChannelValues Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw Wrong();
        ChannelValues values = new(Number(ref reader), Number(ref reader), Number(ref reader));
        return reader.Read() && reader.TokenType == JsonTokenType.EndArray ? values : throw Wrong();
    }

    public override void Write(Utf8JsonWriter writer, ChannelValues value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        writer.WriteNumberValue(value.Red);
        writer.WriteNumberValue(value.Green);
        writer.WriteNumberValue(value.Blue);
        writer.WriteEndArray();
    }

    private static float Number(ref Utf8JsonReader reader) =>
        reader.Read() && reader.TokenType == JsonTokenType.Number ? reader.GetSingle() : throw Wrong();

    private static JsonException Wrong() => new("channel values are written [red, green, blue], three numbers.");
}
