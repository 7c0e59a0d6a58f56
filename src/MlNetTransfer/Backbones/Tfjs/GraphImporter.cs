using System.Globalization;
using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Reads a TF.js graph model: only the nodes its outputs need, each after those it depends on.</summary>
/// <param name="source">The model.</param>
/// <param name="graph">Where it is written.</param>
/// <param name="size">Side of the square input in pixels; null takes the model's own.</param>
/// <param name="upTo">Nodes that become the outputs; null for the model's own.</param>
internal sealed class GraphImporter(
    TfjsSource source,
    TfGraphWriter graph,
    int? size,
    IReadOnlyList<string>? upTo = null
)
{
    private readonly Dictionary<string, JsonElement> nodes = [];
    private readonly Dictionary<string, TfValue> values = [];

    /// <summary>Writes the model; returns its outputs.</summary>
    public IReadOnlyList<TfValue> Import()
    {
        foreach (JsonElement node in source.Topology.GetProperty("node").EnumerateArray())
            if (!nodes.TryAdd(node.GetProperty("name").GetString()!, node))
                throw new TfjsException(
                    $"{source.File}: two nodes are named '{node.GetProperty("name").GetString()}'."
                );
        string[] outputs = upTo is null ? Outputs() : [.. upTo.Select(name => Producer(name, "the card's tap"))];
        foreach (string output in outputs)
            Compute(output);
        return [.. outputs.Select(o => values[o])];
    }

    /// <summary>The signature's outputs; without a signature, the nodes that no other takes.</summary>
    private string[] Outputs()
    {
        if (
            (
                source.Root.TryGetProperty("signature", out JsonElement signature)
                || (
                    source.Root.TryGetProperty("userDefinedMetadata", out JsonElement metadata)
                    && metadata.TryGetProperty("signature", out signature)
                )
            )
            && signature.TryGetProperty("outputs", out JsonElement outputs)
            && outputs.EnumerateObject().Any()
        )
            return
            [
                .. outputs
                    .EnumerateObject()
                    .Select(o =>
                        Producer(
                            o.Value.TryGetProperty("name", out JsonElement name) ? name.GetString()! : o.Name,
                            "the signature"
                        )
                    ),
            ];
        HashSet<string> taken = [.. nodes.Values.SelectMany(Inputs)];
        return
        [
            .. nodes
                .Where(n => !taken.Contains(n.Key) && Op(n.Value) is not ("Const" or "Placeholder"))
                .Select(n => n.Key),
        ];
    }

    /// <summary>Depth first without recursion: a node is written when all it takes has been.</summary>
    private void Compute(string output)
    {
        Stack<string> open = new([output]);
        HashSet<string> waiting = [];
        while (open.TryPeek(out string? name))
        {
            if (values.ContainsKey(name))
            {
                open.Pop();
                continue;
            }

            string[] missing = [.. Inputs(nodes[name]).Where(i => !values.ContainsKey(i))];
            if (missing.Length == 0)
                values[open.Pop()] = Convert(name, nodes[name]);
            else if (waiting.Add(name))
                Array.ForEach(missing, open.Push);
            else
                throw new TfjsException($"{source.File}: node '{name}' depends on itself.");
        }
    }

    private TfValue Convert(string name, JsonElement node)
    {
        string op = Op(node);
        JsonElement attributes = node.TryGetProperty("attr", out JsonElement attr) ? attr : default;
        return op switch
        {
            "Const" => source.Weights.TryGetValue(name, out TfTensor? weight)
                ? new TfValue(name, weight.Shape, ChannelsFirst: false, weight)
                : throw new TfjsException($"{source.File}: the constant '{name}' is not in the weights manifest."),
            "Placeholder" => InputShape.Write(
                graph,
                source.File,
                name,
                PlaceholderShape(attributes),
                size,
                free: upTo is not null
            ),
            _ => OpConverters.Convert(
                new GraphNode(source, graph, op, name, attributes, [.. Inputs(node).Select(i => values[i])])
            ),
        };
    }

    private static long[] PlaceholderShape(JsonElement attributes) =>
        attributes.TryGetProperty("shape", out JsonElement shape)
        && shape.TryGetProperty("shape", out shape)
        && shape.TryGetProperty("dim", out JsonElement dims)
            ?
            [
                .. dims.EnumerateArray()
                    .Select(d => long.Parse(d.GetProperty("size").ToString(), CultureInfo.InvariantCulture)),
            ]
            : [];

    private IEnumerable<string> Inputs(JsonElement node) =>
        node.TryGetProperty("input", out JsonElement inputs)
            ? inputs
                .EnumerateArray()
                .Select(i => i.GetString()!)
                .Where(i => !i.StartsWith('^'))
                .Select(i => Producer(i, node.GetProperty("name").GetString()!))
            : [];

    /// <summary>Input names may carry ":0"; control dependencies, "^name", are left out before.</summary>
    private string Producer(string reference, string by)
    {
        int colon = reference.LastIndexOf(':');
        string name = colon > 0 ? reference[..colon] : reference;
        if (colon > 0 && reference[(colon + 1)..] != "0")
            throw new TfjsException(
                $"{source.File}: '{by}' takes '{reference}'; only the first output of a node can be imported."
            );
        return nodes.ContainsKey(name)
            ? name
            : throw new TfjsException($"{source.File}: '{by}' takes '{reference}', which no node makes.");
    }

    private static string Op(JsonElement node) => node.GetProperty("op").GetString()!;
}
