using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// Element-wise activations, and softmax, by their names in Keras and TensorFlow (compared without case).
/// </summary>
internal static class Activations
{
    private delegate TfValue Writer(TfGraphWriter graph, TfValue x, string name);

    private static readonly Dictionary<string, Writer> Known = new(StringComparer.OrdinalIgnoreCase)
    {
        ["linear"] = (g, x, n) => g.Alias(n, x),
        ["relu"] = Plain("Relu"),
        ["relu6"] = (g, x, n) => Clip(g, x, n, 0, 6),
        ["sigmoid"] = Plain("Sigmoid"),
        ["tanh"] = Plain("Tanh"),
        ["softplus"] = Plain("Softplus"),
        ["softsign"] = Plain("Softsign"),
        ["elu"] = Plain("Elu"),
        ["selu"] = Plain("Selu"),
        ["softmax"] = (g, x, n) =>
            g.Node("Softmax", x with { Name = n }, [x.Name], Attributes.Of("axis", x.PhysicalAxis(-1))),
        ["swish"] = (g, x, n) =>
            g.Node(
                "Mul",
                x with
                {
                    Name = n,
                },
                [x.Name, g.Node("Sigmoid", x with { Name = g.Unique(n + "/sigmoid") }, [x.Name]).Name]
            ),
        ["hard_sigmoid"] = (g, x, n) =>
            g.Node(
                "HardSigmoid",
                x with
                {
                    Name = n,
                },
                [x.Name],
                Attributes.Of("alpha", 0.2f),
                Attributes.Of("beta", 0.5f)
            ),
    };

    public static bool IsKnown(string activation) => Known.ContainsKey(activation);

    public static string KnownNames => string.Join(", ", Known.Keys.Order(StringComparer.Ordinal));

    public static TfValue Write(string activation, TfGraphWriter graph, TfValue x, string name) =>
        Known[activation](graph, x, name);

    public static TfValue LeakyRelu(TfGraphWriter graph, TfValue x, string name, double alpha) =>
        graph.Node("LeakyRelu", x with { Name = name }, [x.Name], Attributes.Of("alpha", (float)alpha));

    /// <summary>min(max(x, low), high); null for no limit. ReLU6 is Clip(0, 6).</summary>
    public static TfValue Clip(TfGraphWriter graph, TfValue x, string name, float? low, float? high) =>
        graph.Node(
            "Clip",
            x with
            {
                Name = name,
            },
            [x.Name, Limit(graph, name, "min", low), Limit(graph, name, "max", high)]
        );

    private static string Limit(TfGraphWriter graph, string name, string which, float? value) =>
        value is { } limit ? graph.Constant(new TfTensor($"{name}/{which}", [], [limit])) : "";

    private static Writer Plain(string op) => (graph, x, name) => graph.Node(op, x with { Name = name }, [x.Name]);
}
