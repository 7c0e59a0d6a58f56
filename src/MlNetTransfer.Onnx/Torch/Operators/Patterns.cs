using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>
/// Functions and layers of torch that exporters write as several operators, since old operator sets lack them: put
/// together again.
/// </summary>
internal static class Patterns
{
    /// <summary>x · (1 + erf(x / √2)) · ½, begun by the division.</summary>
    /// <returns>Whether it was that, and is written.</returns>
    public static bool Gelu(TorchNode node)
    {
        if (
            !Is(node, 1, Math.Sqrt(2))
            || node.OnlyUser is not { OpType: "Erf" } erf
            || node.Peek(erf).OnlyUser is not { OpType: "Add" } add
            || !IsEither(node.Peek(add), 1)
        )
            return false;
        if (
            node.Peek(add).OnlyUser is not { OpType: "Mul" } product
            || !product.Input.Contains(node.Input(0))
            || node.Peek(product).OnlyUser is not { OpType: "Mul" } half
            || !IsEither(node.Peek(half), 0.5)
        )
            return false;
        foreach (NodeProto part in new[] { erf, add, product })
            node.Absorb(part);
        node.Absorb(half).Call("gelu", node.Value(0));
        return true;
    }

    /// <summary>(x - E x) / √(E (x - E x)² + ε) · w + b over the last axis, begun by the mean.</summary>
    /// <returns>Whether it was that, and is written.</returns>
    public static bool LayerNorm(TorchNode node)
    {
        if (!IsLastMean(node) || node.OnlyUser is not { OpType: "Sub" } centred || centred.Input[0] != node.Input(0))
            return false;
        if (
            node.Users(centred.Output[0]) is not [var a, var b]
            || (a.OpType == "Pow" ? (a, b) : (b, a)) is not ({ OpType: "Pow" } square, { OpType: "Div" } quotient)
            || !Is(node.Peek(square), 1, 2)
        )
            return false;
        if (
            node.Peek(square).OnlyUser is not { OpType: "ReduceMean" } variance
            || !IsLastMean(node.Peek(variance))
            || node.Peek(variance).OnlyUser is not { OpType: "Add" } steady
            || !node.Peek(steady).IsNumber(1)
        )
            return false;
        if (
            node.Peek(steady).OnlyUser is not { OpType: "Sqrt" } root
            || node.Peek(root).OnlyUser != quotient
            || quotient.Input[0] != centred.Output[0]
        )
            return false;
        if (
            node.Peek(quotient).OnlyUser is not { OpType: "Mul" } scale
            || node.Peek(scale).OnlyUser is not { OpType: "Add" } shift
            || node.Shape()[^1] is not { } width
        )
            return false;
        if (
            node.Peek(scale).Constant(1) is not { Named: true, Shape.Count: 1 } weight
            || node.Peek(shift).Constant(1) is not { Named: true, Shape.Count: 1 } bias
            || weight.Count != width
            || bias.Count != width
        )
            return false;
        LayerNormLayer layer = new([width], node.Peek(steady).Constant(1)!.Single);
        foreach (NodeProto part in new[] { centred, square, variance, steady, root, quotient, scale })
            node.Absorb(part);
        node.Absorb(shift)
            .Layer(layer, node.Value(0), [new("weight", weight, [width]), new("bias", bias, [width])], "norm");
        return true;
    }

    private static bool IsLastMean(TorchNode node) =>
        node.Int("keepdims", 1) != 0
        && (node.Ints("axes") ?? (node.Opset >= 18 && node.Constant(1) is not null ? node.Integers(1) : null))
            is [var axis]
        && TorchNode.FromFront(axis, node.Rank) == node.Rank - 1;

    private static bool Is(TorchNode node, int input, double value) =>
        node.IsNumber(input) && Math.Abs(node.Constant(input)!.Single - value) < 1e-4;

    private static bool IsEither(TorchNode node, double value) => Is(node, 0, value) || Is(node, 1, value);
}
