using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

/// <summary>
/// Element-wise functions of one input. Where a function has a kink, central differences are left out.
/// </summary>
[TestClass]
public sealed class ActivationGradientTests
{
    private static readonly float[] Positive = [0.2f, 0.9f, 1.7f, 3.1f, 0.5f, 2.2f];

    /// <summary>Values at and around the kinks of the piecewise functions, and far out.</summary>
    private static readonly float[] Kinks = [0, 1e-3f, -1e-3f, -2.9f, 2.9f, -4, 4, -30, 30, 1];

    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch([.. Smooth(), .. Piecewise(), .. ExportedPatterns()]);

    private static GradientCase[] Smooth() =>
        [
            Node("neg", "Neg", "-x", ["x:3,4,1"]),
            Node("exp", "Exp", "x.exp()", ["x:3,4,5"]),
            Node("log", "Log", "x.log()", ["x:2,3"]) with
            {
                Values = Of("x", Positive),
            },
            Node("sqrt", "Sqrt", "x.sqrt()", ["x:2,3"]) with
            {
                Values = Of("x", Positive),
            },
            Node("reciprocal", "Reciprocal", "1 / x", ["x:2,3"]) with
            {
                Values = Of("x", [.. Positive.Select(v => v + 1)]),
            },
            Node("erf", "Erf", "torch.erf(x)", ["x:3,4,5"]),
            Node("sin", "Sin", "x.sin()", ["x:3,4"]),
            Node("cos", "Cos", "x.cos()", ["x:3,4"]),
            Node("tanh", "Tanh", "x.tanh()", ["x:3,4,5"]),
            Node("sigmoid", "Sigmoid", "x.sigmoid()", ["x:3,4,5"]),
            Node("softplus", "Softplus", "F.softplus(x)", ["x:3,4,5"]),
            Node("softplus far out", "Softplus", "F.softplus(x)", ["x:1,10"]) with
            {
                Values = Of("x", Kinks),
            },
            Node("softsign", "Softsign", "F.softsign(x)", ["x:3,4,5"]),
            Opset("mish", "F.mish(x)", "Mish", 18),
            Opset("gelu", "F.gelu(x)", "Gelu", 20),
            Opset("gelu by tanh", "F.gelu(x, approximate='tanh')", "Gelu", 20, Attributes.Of("approximate", "tanh")),
            Node("elu", "Elu", "F.elu(x)", ["x:3,4,5"]),
            Node("selu", "Selu", "F.selu(x)", ["x:3,4,5"]) with
            {
                Differences = false,
            },
            Node("celu", "Celu", "F.celu(x, 0.7)", ["x:3,4,5"], Attributes.Of("alpha", 0.7f)),
        ];

    private static GradientCase[] Piecewise() =>
        [
            Kinked("abs", "Abs", "x.abs()"),
            Kinked("sign", "Sign", "x.sign()"),
            Kinked("elu", "Elu", "F.elu(x, 0.4)", Attributes.Of("alpha", 0.4f)),
            Kinked("selu", "Selu", "F.selu(x)"),
            Kinked("celu", "Celu", "F.celu(x, 2)", Attributes.Of("alpha", 2f)),
            Kinked("leaky relu", "LeakyRelu", "F.leaky_relu(x, 0.2)", Attributes.Of("alpha", 0.2f)),
            Kinked("leaky relu, default slope", "LeakyRelu", "F.leaky_relu(x, 0.01)"),
            Kinked("hard sigmoid", "HardSigmoid", "F.hardsigmoid(x)", Attributes.Of("alpha", 1 / 6f)),
            Kinked("hard sigmoid, default slope", "HardSigmoid", "torch.clamp(0.2 * x + 0.5, 0, 1)"),
            Kinked("hard swish", "HardSwish", "F.hardswish(x)"),
            Kinked("thresholded relu", "ThresholdedRelu", "F.threshold(x, 0.5, 0)", Attributes.Of("alpha", 0.5f)),
            Node("prelu per channel", "PRelu", "F.prelu(x, w.reshape(-1))", ["x:3,4,5", "w:4,1"]) with
            {
                Differences = false,
            },
            Node("prelu, one slope", "PRelu", "F.prelu(x, w)", ["x:3,4,5", "w:1"]) with
            {
                Differences = false,
            },
            Node("prelu, one slope per element", "PRelu", "torch.where(x > 0, x, x * w)", ["x:3,4,5", "w:4,5"]) with
            {
                Differences = false,
            },
            Node("clip at bounds", "Clip", "F.hardtanh(x, -1, 1)", ["x:1,5", "low:", "high:"]) with
            {
                Values = new Dictionary<string, float[]>
                {
                    ["x"] = [-1, -0.99f, 0, 1, 2],
                    ["low"] = [-1],
                    ["high"] = [1],
                },
                Wanted = ["x"],
                Differences = false,
            },
        ];

    /// <summary>What exporters write instead of one operator.</summary>
    private static GradientCase[] ExportedPatterns() =>
        [
            Graph(
                "gelu by erf",
                "F.gelu(x)",
                ["x:3,4,5"],
                g =>
                    g.Initializer("r", [1.4142135f])
                        .Initializer("one", [1f])
                        .Initializer("half", [0.5f])
                        .Node("Div", ["x", "r"], ["a"])
                        .Node("Erf", ["a"], ["b"])
                        .Node("Add", ["b", "one"], ["c"])
                        .Node("Mul", ["x", "c"], ["d"])
                        .Node("Mul", ["d", "half"], ["y"])
            ),
            Graph(
                "gelu by tanh and power",
                "F.gelu(x, approximate='tanh')",
                ["x:3,4,5"],
                g =>
                    g.Initializer("three", [3f])
                        .Initializer("k", [0.044715f])
                        .Initializer("r", [0.7978846f])
                        .Initializer("one", [1f])
                        .Initializer("half", [0.5f])
                        .Node("Pow", ["x", "three"], ["a"])
                        .Node("Mul", ["a", "k"], ["b"])
                        .Node("Add", ["x", "b"], ["c"])
                        .Node("Mul", ["c", "r"], ["d"])
                        .Node("Tanh", ["d"], ["e"])
                        .Node("Add", ["e", "one"], ["f"])
                        .Node("Mul", ["f", "x"], ["h"])
                        .Node("Mul", ["h", "half"], ["y"])
            ),
            Graph(
                "silu",
                "F.silu(x)",
                ["x:3,4,5"],
                g => g.Node("Sigmoid", ["x"], ["s"]).Node("Mul", ["x", "s"], ["y"])
            ),
            Graph(
                "mish by softplus",
                "F.mish(x)",
                ["x:3,4,5"],
                g => g.Node("Softplus", ["x"], ["s"]).Node("Tanh", ["s"], ["t"]).Node("Mul", ["x", "t"], ["y"])
            ),
            Graph(
                "hard swish by clip",
                "F.hardswish(x)",
                ["x:1,10"],
                g =>
                    g.Initializer("three", [3f])
                        .Initializer("zero", [0f])
                        .Initializer("six", [6f])
                        .Node("Add", ["x", "three"], ["a"])
                        .Node("Clip", ["a", "zero", "six"], ["b"])
                        .Node("Div", ["b", "six"], ["c"])
                        .Node("Mul", ["x", "c"], ["y"])
            ) with
            {
                Values = Of("x", Kinks),
                Differences = false,
            },
        ];

    private static GradientCase Kinked(
        string name,
        string operatorType,
        string torch,
        params Onnx.Proto.AttributeProto[] attributes
    ) => Node(name, operatorType, torch, ["x:1,10"], attributes) with { Values = Of("x", Kinks), Differences = false };

    private static GradientCase Opset(
        string name,
        string torch,
        string operatorType,
        int opset,
        params Onnx.Proto.AttributeProto[] attributes
    ) => Graph(name, torch, ["x:3,4,5"], g => g.Node(operatorType, ["x"], ["y"], attributes), opset);

    private static Dictionary<string, float[]> Of(string name, float[] values) => new() { [name] = values };
}
