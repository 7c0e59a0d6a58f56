namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>y = a + b: da = db = dy.</summary>
internal sealed class AddGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Add"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        return [node.Needs(0) ? node.Unbroadcast(dy, 0) : null, node.Needs(1) ? node.Unbroadcast(dy, 1) : null];
    }
}

/// <summary>y = a - b: da = dy, db = -dy.</summary>
internal sealed class SubGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Sub"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        Gradient? right = node.Needs(1) ? node.Unbroadcast(dy, 1) : null;
        return
        [
            node.Needs(0) ? node.Unbroadcast(dy, 0) : null,
            right is null ? null : right with { Tensor = node.Graph.Neg(right.Tensor) },
        ];
    }
}

/// <summary>y = a·b: da = dy·b, db = dy·a.</summary>
internal sealed class MulGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Mul"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient();
        return
        [
            node.Needs(0) ? node.Unbroadcast(node.Graph.Mul(dy, node.Input(1))!, 0) : null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Mul(dy, node.Input(0))!, 1) : null,
        ];
    }
}

/// <summary>y = a / b: da = dy / b, db = -dy·y / b.</summary>
internal sealed class DivGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Div"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string quotient = node.Graph.Div(node.OutputGradient(), node.Input(1));
        return
        [
            node.Needs(0) ? node.Unbroadcast(quotient!, 0) : null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Neg(node.Graph.Mul(quotient, node.Output()))!, 1) : null,
        ];
    }
}

/// <summary>y = -x: dx = -dy.</summary>
internal sealed class NegGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Neg"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        return [dy with { Tensor = node.Graph.Neg(dy.Tensor) }];
    }
}

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

/// <summary>Sum or mean of n tensors, broadcast: the gradient of each is dy, for the mean dy / n.</summary>
internal sealed class SumGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Mean", "Sum"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        Gradient dy = node.CompactGradient();
        if (node.Operator == "Mean")
            dy = dy with { Tensor = node.Graph.Mul(dy.Tensor, 1f / node.InputCount) };
        return [.. Enumerable.Range(0, node.InputCount).Select(i => node.Needs(i) ? node.Unbroadcast(dy, i) : null)];
    }
}

/// <summary>
/// Largest or smallest of several tensors, broadcast: dy goes to the input that has it; inputs that tie share it
/// equally, as in PyTorch.
/// </summary>
internal sealed class ExtremeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Max", "Min"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        if (node.InputCount == 1)
            return [node.CompactGradient()];
        string[] attained =
        [
            .. Enumerable.Range(0, node.InputCount).Select(i => graph.IsEqual(node.Input(i), node.Output())),
        ];
        string share = graph.Div(node.OutputGradient(), graph.Node("Sum", attained));
        return [.. attained.Select((has, i) => node.Needs(i) ? node.Unbroadcast(graph.Mul(has, share)!, i) : null)];
    }
}

/// <summary>y = a where the condition holds, else b: dy goes to the one that was taken.</summary>
internal sealed class WhereGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Where"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient(),
            zero = node.Graph.Scalar(0);
        return
        [
            null,
            node.Needs(1) ? node.Unbroadcast(node.Graph.Node("Where", [node.Input(0), dy, zero])!, 1) : null,
            node.Needs(2) ? node.Unbroadcast(node.Graph.Node("Where", [node.Input(0), zero, dy])!, 2) : null,
        ];
    }
}

/// <summary>
/// Operators that pass their input: dx = dy. A Cast counts only between float32 and float32, since nothing else has a
/// gradient; Dropout at inference passes everything.
/// </summary>
internal sealed class IdentityGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Cast", "Dropout", "Identity"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node) => [node.CompactGradient()];
}
