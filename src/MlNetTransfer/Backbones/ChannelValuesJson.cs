using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

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
