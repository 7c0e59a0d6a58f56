using System.Text.Json;
using System.Text.Json.Serialization;

namespace MlNetTransfer.Models.Exports;

/// <summary>
/// How far an exported file agrees with the evaluated model: what it was let through on. Kept in the file.
/// </summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Images">Real images compared.</param>
/// <param name="MaxDifference">Largest absolute difference of any probability.</param>
/// <param name="MeanDifference">Mean absolute difference of the probabilities.</param>
/// <param name="LabelFlips">Images whose likeliest class differs.</param>
/// <param name="Tolerance">Largest difference that was accepted.</param>
/// <param name="Override">Whether that was the caller's own and not the format's.</param>
/// <param name="Check">What was compared.</param>
/// <param name="CalibrationImages">Images that the format was fitted to, none of them among those compared; null where
/// it is fitted to none.</param>
public sealed record ExportRecord(
    string Format,
    int Images,
    double MaxDifference,
    double MeanDifference,
    int LabelFlips,
    double Tolerance,
    bool Override,
    ExportCheck Check,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? CalibrationImages = null
)
{
    /// <summary>The key in the file's metadata.</summary>
    public const string Key = "mlnet_transfer.parity";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>The record as stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="file">The file, named in errors.</param>
    /// <param name="json">The entry.</param>
    /// <exception cref="TransferException">The entry cannot be understood.</exception>
    public static ExportRecord FromJson(string file, string json)
    {
        try
        {
            return JsonSerializer.Deserialize<ExportRecord>(json, Json) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new TransferException(
                $"Metadata '{Key}' of '{file}' cannot be read: {e.Message} The file is damaged or was edited; "
                    + $"export the model again.",
                e
            );
        }
    }
}
