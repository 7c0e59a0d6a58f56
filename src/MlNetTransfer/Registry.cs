using System.Collections;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace MlNetTransfer;

/// <summary>What is registered under a name.</summary>
public interface INamed
{
    /// <summary>The name, as code writes it, e.g. <c>Softmax</c>; people write it in any case.</summary>
    string Name { get; }
}

/// <summary>
/// All choices of one kind, such as heads or training strategies, in the order in which they are offered. Filled once,
/// by the class of the choices; read by options, command line, JSON and messages, so that each name is said once.
/// </summary>
/// <typeparam name="T">The choices.</typeparam>
public sealed class Registry<T> : IReadOnlyList<T>
    where T : class, INamed
{
    private readonly string kind;
    private readonly List<T> items = [];

    internal Registry(string kind) => this.kind = kind;

    /// <inheritdoc/>
    public int Count => items.Count;

    /// <inheritdoc/>
    public T this[int index] => items[index];

    /// <summary>The choice of a name.</summary>
    /// <param name="name">Its name, in any case.</param>
    /// <exception cref="TransferException">There is none of that name; the message lists those there are.</exception>
    public T Find(string name) =>
        items.Find(item => string.Equals(item.Name, name, StringComparison.OrdinalIgnoreCase))
        ?? throw new TransferException($"There is no {kind} '{name}'. There are {string.Join(", ", Names)}.");

    /// <summary>The names, in lower case: as people write them.</summary>
    public IEnumerable<string> Names => items.Select(item => item.Label);

    /// <inheritdoc/>
    public IEnumerator<T> GetEnumerator() => items.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal T Add(T item)
    {
        if (items.Exists(other => string.Equals(other.Name, item.Name, StringComparison.OrdinalIgnoreCase)))
            throw new ArgumentException($"The {kind} '{item.Name}' is registered twice.", nameof(item));
        items.Add(item);
        return item;
    }
}

/// <summary>How choices are written for people.</summary>
internal static class NamedText
{
    extension(INamed choice)
    {
        /// <summary>The name in lower case.</summary>
        public string Label => choice.Name.ToLowerInvariant();
    }
}

/// <summary>A registered choice as JSON: its name, in lower case.</summary>
internal abstract class NamedJson<T>(Registry<T> registry) : JsonConverter<T>
    where T : class, INamed
{
    public override T Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        try
        {
            return registry.Find(reader.GetString() ?? "");
        }
        catch (Exception e) when (e is TransferException or InvalidOperationException)
        {
            throw new JsonException(e.Message, e);
        }
    }

    public override void Write(Utf8JsonWriter writer, T value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Label);
}
