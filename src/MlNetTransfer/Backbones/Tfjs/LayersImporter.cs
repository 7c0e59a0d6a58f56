using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Reads a TF.js layers model (Keras): functional or sequential, models inside models included. Layers are written in
/// the order of the file, which Keras keeps topological.
/// </summary>
internal sealed class LayersImporter(TfjsSource source, TfGraphWriter graph, int? size)
{
    private const int MaxNesting = 8;

    /// <summary>Writes the model; returns its outputs.</summary>
    public IReadOnlyList<TfValue> Import()
    {
        // Converted from Keras it stands in model_config; saved by TensorFlow.js itself it is the topology.
        if (!source.Topology.TryGetProperty("model_config", out JsonElement config))
            config = source.Topology;
        return Model(config.GetProperty("class_name").GetString()!, config.GetProperty("config"), [], "", 0);
    }

    private IReadOnlyList<TfValue> Model(
        string className,
        JsonElement config,
        IReadOnlyList<TfValue> inputs,
        string outer,
        int depth
    )
    {
        if (depth == MaxNesting)
            throw new TfjsException($"{source.File}: models are nested more than {MaxNesting} deep at '{outer}'.");
        return className switch
        {
            "Model" or "Functional" => Functional(config, inputs, depth),
            "Sequential" => Sequential(config, inputs, depth),
            _ => throw new TfjsException(
                $"{source.File}: the model is of class '{className}'; expected Model, Functional or Sequential."
            ),
        };
    }

    private List<TfValue> Sequential(JsonElement config, IReadOnlyList<TfValue> inputs, int depth)
    {
        JsonElement layers = config.ValueKind == JsonValueKind.Array ? config : config.GetProperty("layers");
        IReadOnlyList<TfValue> current = inputs;
        foreach (JsonElement layer in layers.EnumerateArray())
        {
            if (current.Count == 0 && ClassName(layer) is not ("InputLayer" or "Sequential" or "Model" or "Functional"))
                current = [Input(layer, "input")];
            current = Layer(layer, current, depth);
        }

        return [.. current];
    }

    private IReadOnlyList<TfValue> Functional(JsonElement config, IReadOnlyList<TfValue> inputs, int depth)
    {
        Dictionary<string, IReadOnlyList<TfValue>> outputs = [];
        string[] given = [.. References(config.GetProperty("input_layers")).Select(r => r.Layer)];
        for (int i = 0; i < inputs.Count && i < given.Length; i++)
            outputs[given[i]] = [graph.Alias(given[i], inputs[i])];
        foreach (JsonElement layer in config.GetProperty("layers").EnumerateArray())
        {
            string name = Name(layer);
            if (outputs.ContainsKey(name))
                continue;
            JsonElement inbound = layer.GetProperty("inbound_nodes");
            if (inbound.GetArrayLength() > 1)
                throw new TfjsException(
                    $"{source.File}: layer '{name}' is used {inbound.GetArrayLength()} times; shared layers cannot "
                        + $"be imported yet."
                );
            if (inbound.GetArrayLength() == 1 && inbound[0].ValueKind != JsonValueKind.Array)
                throw new TfjsException(
                    $"{source.File}: layer '{name}' states its inputs in the form of Keras 3; expected the form of "
                        + $"Keras 2. Save the model with tf-keras 2."
                );
            outputs[name] = Layer(
                layer,
                inbound.GetArrayLength() == 0 ? [] : [.. References(inbound[0]).Select(r => Resolve(outputs, r, name))],
                depth
            );
        }

        return [.. References(config.GetProperty("output_layers")).Select(r => Resolve(outputs, r, "output"))];
    }

    private IReadOnlyList<TfValue> Layer(JsonElement layer, IReadOnlyList<TfValue> inputs, int depth)
    {
        string className = ClassName(layer);
        JsonElement config = layer.GetProperty("config");
        return className switch
        {
            "InputLayer" => inputs.Count > 0 ? inputs : [Input(layer, Name(layer))],
            "Model" or "Functional" or "Sequential" => Model(className, config, inputs, Name(layer), depth + 1),
            _ => [LayerConverters.Convert(new LayerConfig(source, graph, className, Name(layer), config, inputs))],
        };
    }

    private TfValue Input(JsonElement layer, string name)
    {
        JsonElement config = layer.GetProperty("config");
        if (
            !config.TryGetProperty("batch_input_shape", out JsonElement shape)
            && !config.TryGetProperty("batch_shape", out shape)
        )
            throw new TfjsException(
                $"{source.File}: the first layer '{Name(layer)}' states no batch_input_shape; expected [null, "
                    + $"height, width, 3]."
            );
        return InputShape.Write(
            graph,
            source.File,
            name,
            [.. shape.EnumerateArray().Select(d => d.ValueKind == JsonValueKind.Number ? d.GetInt64() : -1)],
            size
        );
    }

    private TfValue Resolve(
        Dictionary<string, IReadOnlyList<TfValue>> outputs,
        (string Layer, int Tensor) reference,
        string by
    ) =>
        outputs.TryGetValue(reference.Layer, out IReadOnlyList<TfValue>? values) && reference.Tensor < values.Count
            ? values[reference.Tensor]
            : throw new TfjsException(
                $"{source.File}: '{by}' takes output {reference.Tensor} of layer '{reference.Layer}', which no "
                    + $"layer before it makes."
            );

    /// <summary>References to layers: [[name, node, tensor, ...], ...], or one of them alone.</summary>
    private static IEnumerable<(string Layer, int Tensor)> References(JsonElement list) =>
        list.GetArrayLength() > 0 && list[0].ValueKind == JsonValueKind.String
            ? [(list[0].GetString()!, list[2].GetInt32())]
            : list.EnumerateArray().Select(r => (r[0].GetString()!, r[2].GetInt32()));

    private static string ClassName(JsonElement layer) => layer.GetProperty("class_name").GetString()!;

    private static string Name(JsonElement layer) =>
        layer.TryGetProperty("name", out JsonElement name)
            ? name.GetString()!
            : layer.GetProperty("config").GetProperty("name").GetString()!;
}
