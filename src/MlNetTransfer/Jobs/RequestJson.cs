using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Jobs;

/// <summary>A request within a report: written as <see cref="JobRequest.ToJson"/> does.</summary>
internal sealed class RequestConverter<T> : JsonConverter<T>
    where T : JobRequest
{
    public override T? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
    {
        using JsonDocument request = JsonDocument.ParseValue(ref reader);
        return (T)JobRequest.FromJson(request.RootElement.GetRawText());
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options)
    {
        using JsonDocument request = JsonDocument.Parse(value.ToJson());
        request.RootElement.WriteTo(writer);
    }
}

/// <summary>A request that is not as it has to be, and the member at fault.</summary>
/// <param name="member">Where it stands, as "fineTune.epochs"; empty where it is about the whole.</param>
/// <param name="message">What was found, what is expected, and the fix.</param>
/// <param name="inner">What was thrown first.</param>
internal sealed class RequestException(string member, string message, Exception? inner = null)
    : TransferException(message, inner)
{
    /// <summary>Where it stands.</summary>
    public string Member => member;
}

/// <summary>
/// Job requests as JSON. Written without what is at its default, which is then that of the machine and version that
/// runs the job; read strictly, member by member, so that every fault is named with its place.
/// </summary>
internal static class RequestJson
{
    /// <summary>The member that says which job it is.</summary>
    public const string Job = "job";

    private static readonly JsonSerializerOptions Options = Of(new() { Modifiers = { LeaveOutDefaults } }),
        Whole = Of(new DefaultJsonTypeInfoResolver());

    private static readonly Dictionary<string, Type> Jobs = Options
        .GetTypeInfo(typeof(JobRequest))
        .PolymorphismOptions!.DerivedTypes.ToDictionary(d => (string)d.TypeDiscriminator!, d => d.DerivedType);

    public static string Write(JobRequest request) => JsonSerializer.Serialize(request, Options);

    /// <summary>Any options with all members, those at their defaults too.</summary>
    public static JsonObject WriteWhole<T>(T options)
        where T : class => JsonSerializer.SerializeToNode(options, Whole)!.AsObject();

    /// <summary>How a type of options is written and read: its members, in camel case.</summary>
    public static JsonTypeInfo Members(Type type) => Options.GetTypeInfo(type);

    /// <summary>Reads options that are a part of something larger.</summary>
    /// <param name="json">The object.</param>
    /// <param name="path">Where it stands: its name and a point.</param>
    /// <exception cref="RequestException">Something in it is not as it has to be.</exception>
    public static T Read<T>(JsonObject json, string path)
        where T : class => (T)Read(JsonSerializer.SerializeToElement(json), Options.GetTypeInfo(typeof(T)), path);

    /// <summary>A member that there is not.</summary>
    public static RequestException Unknown(string path, string name, string found, IEnumerable<string> known) =>
        new(
            path + name,
            $"'{path}{name}' is {found}, and there is no such member. Near names: "
                + $"{string.Join(", ", NearestNames.Of(name, known))}."
        );

    /// <exception cref="TransferException">It is no request; the message names the member, what was found and what is
    /// expected.</exception>
    public static JobRequest Read(string json)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return Read(document.RootElement);
        }
        catch (JsonException e)
        {
            throw new TransferException($"The job request is not JSON: {e.Message}", e);
        }
        catch (RequestException e)
        {
            // Whoever reads a request alone has its text, and needs no place in a file.
            throw new TransferException(e.Message, e.InnerException);
        }
    }

    private static JobRequest Read(JsonElement json)
    {
        if (json.ValueKind != JsonValueKind.Object)
            throw Wrong("", "The job request", json, "an object");
        string expected = $"one of {string.Join(", ", Jobs.Keys)}";
        if (!json.TryGetProperty(Job, out JsonElement job))
            throw new TransferException($"'{Job}' is missing; the job request needs it: {expected}.");
        return job.ValueKind == JsonValueKind.String && Jobs.TryGetValue(job.GetString()!, out Type? type)
            ? (JobRequest)Read(json, Options.GetTypeInfo(type), "")
            : throw Wrong(Job, $"'{Job}'", job, expected);
    }

    /// <param name="json">The object.</param>
    /// <param name="type">What it is to become.</param>
    /// <param name="path">Where it stands: empty, or its name and a point.</param>
    private static object Read(JsonElement json, JsonTypeInfo type, string path)
    {
        var members = type.Properties.Where(p => p.Set is not null).ToDictionary(p => p.Name, StringComparer.Ordinal);
        HashSet<string> missing = [.. members.Values.Where(p => p.IsRequired).Select(p => p.Name)],
            given = [];
        object made = type.CreateObject!();
        foreach (JsonProperty member in json.EnumerateObject())
        {
            if (!given.Add(member.Name))
                throw new RequestException(path + member.Name, $"'{path}{member.Name}' is given twice.");
            if (path.Length == 0 && member.NameEquals(Job))
                continue;
            if (!members.TryGetValue(member.Name, out JsonPropertyInfo? known))
                throw Unknown(path, member.Name, Text(member.Value), members.Keys);
            Set(made, known, member.Value, path + member.Name);
            missing.Remove(member.Name);
        }

        return missing.Count == 0
            ? made
            : throw new RequestException(
                path + missing.First(),
                $"'{path}{missing.First()}' is missing; the job request needs it."
            );
    }

    private static void Set(object made, JsonPropertyInfo member, JsonElement json, string path)
    {
        object? value = Value(member, json, path);
        try
        {
            member.Set!(made, value);
        }
        catch (OutOfRangeException e)
        {
            string range = string.Create(CultureInfo.InvariantCulture, $"a number from {e.Low} to {e.High}");
            throw Wrong(path, $"'{path}'", json, range, e);
        }
        catch (ArgumentException e)
        {
            // The name of the parameter, which follows the sentence, is for programmers.
            throw Refused(path, json, e.Message.Split(" (Parameter '")[0], e);
        }
    }

    private static object? Value(JsonPropertyInfo member, JsonElement json, string path)
    {
        JsonTypeInfo type = Options.GetTypeInfo(member.PropertyType);
        string? expected = Expected(type);
        if (json.ValueKind == JsonValueKind.Null)
            return member.IsSetNullable ? null : throw Wrong(path, $"'{path}'", json, expected ?? "text");
        if (type.Kind == JsonTypeInfoKind.Object)
            return json.ValueKind == JsonValueKind.Object
                ? Read(json, type, path + ".")
                : throw Wrong(path, $"'{path}'", json, "an object");
        try
        {
            return json.Deserialize(type);
        }
        catch (JsonException e)
        {
            throw expected is null && (json.ValueKind == JsonValueKind.String || e.InnerException is FormatException)
                ? Refused(path, json, e.Message, e)
                : Wrong(path, $"'{path}'", json, expected ?? "text", e);
        }
    }

    /// <summary>What a member takes; null where its converter says so itself.</summary>
    private static string? Expected(JsonTypeInfo type)
    {
        if (type.Kind == JsonTypeInfoKind.Enumerable)
            return "a list of texts";
        Type plain = Nullable.GetUnderlyingType(type.Type) ?? type.Type;
        if (plain.IsEnum)
            return $"one of {string.Join(", ", Enum.GetNames(plain).Select(JsonNamingPolicy.CamelCase.ConvertName))}";
        return plain == typeof(bool) ? "true or false"
            : plain == typeof(int) || plain == typeof(long) ? "a whole number"
            : plain == typeof(double) ? "a number"
            : plain == typeof(string) ? "text"
            : plain == typeof(TimeSpan) ? "a time, e.g. \"01:30:00\" for one and a half hours"
            : null;
    }

    private static RequestException Wrong(
        string path,
        string what,
        JsonElement found,
        string expected,
        Exception? inner = null
    ) => new(path, $"{what} is {Text(found)}; expected {expected}.", inner);

    private static RequestException Refused(string path, JsonElement found, string why, Exception inner) =>
        new(path, $"'{path}' is {Text(found)}. {why}", inner);

    /// <summary>The value as it was written, its beginning where it is long.</summary>
    private static string Text(JsonElement json)
    {
        const int most = 60;
        string text = json.GetRawText().ReplaceLineEndings(" ");
        return text.Length <= most ? text : $"{text[..most]}...";
    }

    private static JsonSerializerOptions Of(DefaultJsonTypeInfoResolver resolver) =>
        new(JsonSerializerDefaults.Web)
        {
            WriteIndented = true,
            Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
            NumberHandling = JsonNumberHandling.Strict,
            Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },
            TypeInfoResolver = resolver,
        };

    private static void LeaveOutDefaults(JsonTypeInfo type)
    {
        if (type.Kind != JsonTypeInfoKind.Object || type.CreateObject is not { } create)
            return;
        var standard = new Lazy<object>(create);
        foreach (JsonPropertyInfo member in type.Properties.Where(p => !p.IsRequired && p.Get is not null))
            member.ShouldSerialize = (_, value) => !Equals(value, member.Get!(standard.Value));
    }
}
