using static System.MathF;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Activations with parameters of their own: dx = dy·f'(x). At a kink the slope is the one PyTorch takes: that of the
/// left side, and 0 at both ends of HardSigmoid.
/// </summary>
internal sealed class ActivationGradient : IOperatorGradient
{
    private static readonly Dictionary<string, Func<BackwardNode, string>> Derivatives = new()
    {
        ["Celu"] = n =>
            Rectified(n, 1, n.Graph.Add(n.Graph.Mul(n.Output(), 1 / n.Float("alpha", 1)), n.Graph.Scalar(1))),
        ["Elu"] = n => Rectified(n, 1, n.Graph.Add(n.Output(), n.Graph.Scalar(n.Float("alpha", 1)))),
        ["Gelu"] = n => n.Text("approximate", "none") == "tanh" ? GeluTanh(n) : Gelu(n),
        ["HardSigmoid"] = n => n.Graph.Mul(Inside(n, n.Output()), n.Float("alpha", 0.2f)),
        ["HardSwish"] = HardSwish,
        ["LeakyRelu"] = n => Rectified(n, 1, n.Graph.Scalar(n.Float("alpha", 0.01f))),
        ["Mish"] = Mish,
        ["Selu"] = Selu,
        ["ThresholdedRelu"] = n => n.Graph.IsPositive(n.Graph.Sub(n.Input(0), n.Graph.Scalar(n.Float("alpha", 1)))),
    };

    public IReadOnlyList<string> Operators => [.. Derivatives.Keys];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) =>
        [node.Graph.Mul(Derivatives[node.Operator](node), node.CompactGradient().Tensor)];

    private static string Rectified(BackwardNode node, float positive, string other) =>
        node.Graph.Node(
            "Where",
            [node.Graph.Node("Greater", [node.Input(0), node.Graph.Scalar(0)]), node.Graph.Scalar(positive), other]
        );

    /// <summary>1 where 0 &lt; h &lt; 1, else 0.</summary>
    private static string Inside(BackwardNode node, string h) =>
        node.Graph.IsPositive(node.Graph.Mul(h, node.Graph.OneMinus(h)));

    /// <summary>γ·x or γ·α·(exp(x) - 1), whose slope is y + γ·α.</summary>
    private static string Selu(BackwardNode node)
    {
        float alpha = node.Float("alpha", 1.6732632f),
            gamma = node.Float("gamma", 1.0507010f);
        return Rectified(node, gamma, node.Graph.Add(node.Output(), node.Graph.Scalar(alpha * gamma)));
    }

    /// <summary>x·h with h = HardSigmoid(x), of α = 1/6: h + x/6 where 0 &lt; h &lt; 1.</summary>
    private static string HardSwish(BackwardNode node)
    {
        string h = node.Graph.Node(
            "HardSigmoid",
            [node.Input(0)],
            Attributes.Of("alpha", 1 / 6f),
            Attributes.Of("beta", 0.5f)
        );
        return node.Graph.Add(h, node.Graph.Mul(node.Graph.Mul(node.Input(0), 1 / 6f), Inside(node, h)));
    }

    /// <summary>x·Φ(x): Φ(x) + x·φ(x), Φ and φ being the normal distribution and its density.</summary>
    private static string Gelu(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            distribution = graph.Mul(graph.Add(graph.Node("Erf", [graph.Mul(x, 1 / Sqrt(2))]), graph.Scalar(1)), 0.5f);
        string density = graph.Mul(graph.Exp(graph.Mul(graph.Mul(x, x), -0.5f)), 1 / Sqrt(2 * PI));
        return graph.Add(distribution, graph.Mul(x, density));
    }

    /// <summary>½·x·(1 + t), t = tanh(u), u = √(2/π)·(x + 0.044715·x³): ½·(1 + t) + ½·x·(1 - t²)·u'.</summary>
    private static string GeluTanh(BackwardNode node)
    {
        const float Cubic = 0.044715f;
        float root = Sqrt(2 / PI);
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            square = graph.Mul(x, x);
        string t = graph.Node("Tanh", [graph.Mul(x, graph.Add(graph.Mul(square, Cubic * root), graph.Scalar(root)))]);
        string slope = graph.Add(graph.Mul(square, 3 * Cubic * root), graph.Scalar(root));
        string curved = graph.Mul(graph.Mul(x, slope), graph.OneMinus(graph.Mul(t, t)));
        return graph.Mul(graph.Add(graph.Add(curved, t), graph.Scalar(1)), 0.5f);
    }

    /// <summary>x·t with t = tanh(softplus(x)): t + x·(1 - t²)·sigmoid(x).</summary>
    private static string Mish(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string x = node.Input(0),
            t = graph.Node("Tanh", [graph.Node("Softplus", [x])]);
        return graph.Add(t, graph.Mul(graph.Mul(x, graph.OneMinus(graph.Mul(t, t))), graph.Node("Sigmoid", [x])));
    }
}
