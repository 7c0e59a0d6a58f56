using System.Globalization;
using System.Text;
using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>One node of a TF.js graph model, its inputs resolved.</summary>
/// <param name="Source">The model it stands in.</param>
/// <param name="Graph">Where it is written.</param>
/// <param name="Op">TensorFlow operator.</param>
/// <param name="Name">Name of the node, and of its output.</param>
/// <param name="Attributes">Its attributes; strings are base64, integers are strings.</param>
/// <param name="Inputs">What it takes.</param>
internal sealed record GraphNode(
    TfjsSource Source,
    TfGraphWriter Graph,
    string Op,
    string Name,
    JsonElement Attributes,
    IReadOnlyList<TfValue> Inputs
)
{
    public TfValue Input(int index) =>
        index < Inputs.Count ? Inputs[index] : throw Wrong($"has {Inputs.Count} inputs", $"at least {index + 1}");

    /// <summary>An input that has to be constant, such as a kernel or a shape.</summary>
    public TfTensor Constant(int index) =>
        Input(index).Constant is { } constant
            ? constant with
            {
                Name = Input(index).Name,
            }
            : throw Wrong($"computes its input {index}, '{Input(index).Name}'", "a constant");

    public string Text(string key, string missing) => Attribute(key, "s") is { } value ? Decode(value) : missing;

    public IReadOnlyList<string> Texts(string key) => List(key, "s") is { } list ? [.. list.Select(Decode)] : [];

    public IReadOnlyList<long> Integers(string key) => List(key, "i") is { } list ? [.. list.Select(Integer)] : [];

    public bool Flag(string key, bool missing) => Attribute(key, "b") is { } value ? value.GetBoolean() : missing;

    public double Number(string key, double missing) => Attribute(key, "f") is { } value ? value.GetDouble() : missing;

    /// <summary>The windows along height and width of a convolution or pooling node.</summary>
    public (Window Height, Window Width) Windows((long Height, long Width) kernel)
    {
        RequireNhwc();
        if (Input(0).Rank != 4)
            throw Wrong($"takes {Input(0).Rank} dimensions", "images, which have 4");
        (long height, long width) = Input(0).Size;
        IReadOnlyList<long> strides = Integers("strides") is { Count: 4 } s ? s : [1, 1, 1, 1];
        IReadOnlyList<long> dilations = Integers("dilations") is { Count: 4 } d ? d : [1, 1, 1, 1];
        if (Text("padding", "VALID") == "EXPLICIT")
        {
            IReadOnlyList<long> pads = Integers("explicit_paddings") is { Count: 8 } p
                ? p
                : throw Wrong("has EXPLICIT padding without 8 explicit_paddings", "them");
            return (
                new Window(kernel.Height, strides[1], dilations[1], pads[2], pads[3]),
                new Window(kernel.Width, strides[2], dilations[2], pads[4], pads[5])
            );
        }

        bool same = Text("padding", "VALID") switch
        {
            "SAME" => true,
            "VALID" => false,
            string other => throw Wrong($"has padding '{other}'", "SAME, VALID or EXPLICIT"),
        };
        return (
            Window.Of(same, height, kernel.Height, strides[1], dilations[1]),
            Window.Of(same, width, kernel.Width, strides[2], dilations[2])
        );
    }

    public void RequireNhwc()
    {
        if (Text("data_format", "NHWC") is var format and not "NHWC")
            throw Wrong($"has data_format '{format}'", "'NHWC'");
    }

    public TfjsException Wrong(string found, string expected) =>
        new($"{Source.File}: node '{Name}' ({Op}) {found}; expected {expected}.");

    private JsonElement? Attribute(string key, string kind) =>
        Attributes.ValueKind == JsonValueKind.Object
        && Attributes.TryGetProperty(key, out JsonElement attribute)
        && attribute.TryGetProperty(kind, out JsonElement value)
            ? value
            : null;

    private JsonElement.ArrayEnumerator? List(string key, string kind) =>
        Attribute(key, "list") is { } list && list.TryGetProperty(kind, out JsonElement values)
            ? values.EnumerateArray()
            : null;

    /// <summary>Attribute strings are base64; some converters write them as arrays of byte values.</summary>
    private static string Decode(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array
            ? Encoding.UTF8.GetString([.. value.EnumerateArray().Select(b => b.GetByte())])
            : Encoding.UTF8.GetString(Convert.FromBase64String(value.GetString()!));

    private static long Integer(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number
            ? value.GetInt64()
            : long.Parse(value.GetString()!, CultureInfo.InvariantCulture);
}
