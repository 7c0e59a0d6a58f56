using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models.Exports;

namespace MlNetTransfer.Runs;

/// <summary>
/// The JSON schema of job files (draft 2020-12), made of the options themselves: editors that know it complete names
/// and underline what does not belong. Ranges are checked where a job is read.
/// </summary>
public static class JobSchema
{
    /// <summary>The name that job files refer to, beside them.</summary>
    public const string FileName = "job.schema.json";

    private const string TimeSpanPattern = @"^(\d+\.)?\d{1,2}:\d{2}:\d{2}(\.\d{1,7})?$";

    /// <summary>The schema as JSON.</summary>
    public static string ToJson()
    {
        JsonObject exports = Of(typeof(ExportOptions), "model", "output", "images");
        JsonObject schema = new()
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["title"] = "A training job of MlNetTransfer",
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["required"] = new JsonArray("version", "train"),
            ["properties"] = new JsonObject
            {
                ["version"] = new JsonObject { ["const"] = JobFile.CurrentVersion },
                ["train"] = Of(typeof(TrainOptions), "output"),
                ["gates"] = Of(typeof(QualityGates)),
                ["exports"] = new JsonObject { ["type"] = "array", ["items"] = exports },
            },
        };
        exports["properties"]!["images"] = Texts();
        exports["properties"]!["format"] = OneOf(ExportFormats.All.Select(format => format.Name));
        return schema.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";
    }

    /// <param name="type">Options.</param>
    /// <param name="without">Members that a job file does not give, or that are said otherwise.</param>
    private static JsonObject Of(Type type, params string[] without)
    {
        JsonPropertyInfo[] members =
        [
            .. RequestJson.Members(type).Properties.Where(p => p.Set is not null && !without.Contains(p.Name)),
        ];
        JsonObject schema = new()
        {
            ["type"] = "object",
            ["additionalProperties"] = false,
            ["properties"] = new JsonObject(
                members.Select(m => KeyValuePair.Create<string, JsonNode?>(m.Name, Member(m)))
            ),
        };
        string[] required = [.. members.Where(m => m.IsRequired).Select(m => m.Name)];
        if (required.Length > 0)
            schema["required"] = new JsonArray([.. required.Select(name => (JsonNode)name)]);
        return schema;
    }

    private static JsonObject Member(JsonPropertyInfo member)
    {
        JsonObject schema = Value(member.PropertyType);
        return member.IsSetNullable && schema.Count > 0
            ? new JsonObject { ["anyOf"] = new JsonArray(Typed("null"), schema) }
            : schema;
    }

    private static JsonObject Value(Type declared)
    {
        Type type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (type.IsEnum && !type.IsDefined(typeof(FlagsAttribute), inherit: false))
            return OneOf(Enum.GetNames(type).Select(JsonNamingPolicy.CamelCase.ConvertName));
        if (NamesOf(type) is { } names)
            return OneOf(names);
        if (RequestJson.Members(type).Kind == JsonTypeInfoKind.Object)
            return Of(type);
        if (RequestJson.Members(type).Kind == JsonTypeInfoKind.Enumerable)
            return Texts();
        return type == typeof(bool) ? Typed("boolean")
            : type == typeof(int) || type == typeof(long) ? Typed("integer")
            : type == typeof(double) ? Typed("number")
            : type == typeof(TimeSpan) ? new JsonObject { ["type"] = "string", ["pattern"] = TimeSpanPattern }
            : type == typeof(string) ? Typed("string")
            // What has a written form of its own: its reader says what is wrong with it.
            : new JsonObject();
    }

    /// <summary>The names of a registry; null where the type is none.</summary>
    private static IEnumerable<string>? NamesOf(Type type) =>
        typeof(INamed).IsAssignableFrom(type)
            ? ((IEnumerable<INamed>?)type.GetProperty("All")?.GetValue(null))?.Select(named => named.Label)
            : null;

    private static JsonObject Typed(string type) => new() { ["type"] = type };

    private static JsonObject Texts() => new() { ["type"] = "array", ["items"] = Typed("string") };

    private static JsonObject OneOf(IEnumerable<string> names) =>
        new() { ["enum"] = new JsonArray([.. names.Select(name => (JsonNode)name)]) };
}
