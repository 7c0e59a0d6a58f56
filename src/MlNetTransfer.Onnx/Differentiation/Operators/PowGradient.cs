namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = aᵇ: da = dy·b·aᵇ⁻¹, db = dy·y·ln a, which is 0 where a ≤ 0. Exponents 2 and 3, which normalisations have, need
/// no power.
/// </summary>
internal sealed class PowGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Pow"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient();
        return
        [
            node.Needs(0) ? node.Unbroadcast(node.Graph.Mul(dy, OfBase(node))!, 0) : null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Mul(dy, OfExponent(node))!, 1) : null,
        ];
    }

    private static string OfBase(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string a = node.Input(0);
        if (node.KnownScalar(1) is not { } exponent)
        {
            string b = graph.Node("Cast", [node.Input(1)], Attributes.Of("to", 1));
            string slope = graph.Mul(b, graph.Node("Pow", [a, graph.Sub(b, graph.Scalar(1))]));
            return graph.Node("Where", [graph.Node("Equal", [b, graph.Scalar(0)]), graph.Scalar(0), slope]);
        }

        return exponent switch
        {
            0 => graph.Mul(a, 0),
            1 => graph.Scalar(1),
            2 => graph.Mul(a, 2),
            3 => graph.Mul(graph.Mul(a, a), 3),
            _ => graph.Mul(graph.Node("Pow", [a, graph.Scalar(exponent - 1)]), exponent),
        };
    }

    private static string OfExponent(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        string positive = graph.Node("Greater", [node.Input(0), graph.Scalar(0)]);
        string logarithm = graph.Node("Log", [graph.Node("Where", [positive, node.Input(0), graph.Scalar(1)])]);
        return graph.Mul(node.Output(), logarithm);
    }
}
