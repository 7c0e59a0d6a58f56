using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>One layer of a TF.js layers model: its settings, its weights and the graph it is written to.</summary>
/// <param name="Source">The model it stands in.</param>
/// <param name="Graph">Where it is written.</param>
/// <param name="ClassName">Keras class, for example Conv2D.</param>
/// <param name="Name">Name of the layer, and of its output.</param>
/// <param name="Config">Its settings.</param>
/// <param name="Inputs">What it takes.</param>
internal sealed record LayerConfig(
    TfjsSource Source,
    TfGraphWriter Graph,
    string ClassName,
    string Name,
    JsonElement Config,
    IReadOnlyList<TfValue> Inputs
)
{
    public TfValue Input => Inputs.Count == 1 ? Inputs[0] : throw Wrong($"takes {Inputs.Count} inputs", "one");

    /// <summary>A weight of this layer; null where it has none of that name.</summary>
    public TfTensor? OptionalWeight(string weight) => Source.Weights.GetValueOrDefault($"{Name}/{weight}");

    public TfTensor Weight(string weight) =>
        OptionalWeight(weight) ?? throw Wrong($"has no weight '{Name}/{weight}'", "it in the weights manifest");

    public TfTensor? Bias() => Flag("use_bias", true) ? Weight("bias") : null;

    public bool Flag(string key, bool missing) =>
        Config.TryGetProperty(key, out JsonElement value)
        && value.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? value.GetBoolean()
            : missing;

    public double Number(string key, double missing) =>
        Config.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : missing;

    public double? OptionalNumber(string key) =>
        Config.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.Number
            ? value.GetDouble()
            : null;

    public string Text(string key, string missing) =>
        Config.TryGetProperty(key, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()!
            : missing;

    /// <summary>A setting for height and width, which may be given as one number for both.</summary>
    public (long Height, long Width)? OptionalPair(string key) =>
        !Config.TryGetProperty(key, out JsonElement value) || value.ValueKind == JsonValueKind.Null ? null
        : value.ValueKind == JsonValueKind.Number ? (value.GetInt64(), value.GetInt64())
        : (value[0].GetInt64(), value[value.GetArrayLength() - 1].GetInt64());

    /// <summary>The windows along height and width of a convolution or pooling layer.</summary>
    public (Window Height, Window Width) Windows(
        (long Height, long Width) kernel,
        (long Height, long Width) missingStrides
    )
    {
        RequireChannelsLast();
        if (Input.Rank != 4)
            throw Wrong($"takes {Input.Rank} dimensions", "images, which have 4");
        bool same = Text("padding", "valid") switch
        {
            "same" => true,
            "valid" => false,
            string other => throw Wrong($"has padding '{other}'", "'same' or 'valid'"),
        };
        (long Height, long Width) stride = OptionalPair("strides") ?? missingStrides;
        (long Height, long Width) dilation = OptionalPair("dilation_rate") ?? (1, 1);
        (long height, long width) = Input.Size;
        return (
            Window.Of(same, height, kernel.Height, stride.Height, dilation.Height),
            Window.Of(same, width, kernel.Width, stride.Width, dilation.Width)
        );
    }

    /// <summary>
    /// Writes the layer's activation behind what <paramref name="write"/> writes; the layer's name goes to the last of
    /// the two.
    /// </summary>
    public TfValue Activated(Func<string, TfValue> write)
    {
        string activation = Text("activation", "linear");
        if (activation == "linear")
            return write(Name);
        if (!Activations.IsKnown(activation))
            throw Wrong($"has activation '{activation}'", $"one of {Activations.KnownNames}");
        return Activations.Write(activation, Graph, write(Graph.Unique(Name + "/linear")), Name);
    }

    public void RequireChannelsLast()
    {
        if (Text("data_format", "channels_last") is var format and not "channels_last")
            throw Wrong($"has data_format '{format}'", "'channels_last'");
    }

    public TfjsException Wrong(string found, string expected) =>
        new($"{Source.File}: layer '{Name}' ({ClassName}) {found}; expected {expected}.");
}
