using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>BatchNormalization, in training mode or not: in torch train() and eval() decide.</summary>
internal sealed class BatchNormalizationOperator : ITorchOperator
{
    private static readonly string[] Names = ["weight", "bias", "running_mean", "running_var"];

    public IReadOnlyList<string> Operators { get; } = ["BatchNormalization"];

    public void Convert(TorchNode node)
    {
        Constant[] values =
        [
            .. Enumerable
                .Range(1, 4)
                .Select(i => node.Constant(i) ?? throw node.Unsupported($"computed {Names[i - 1]}")),
        ];
        long features = values[0].Count;
        LayerTensor[] tensors =
        [
            .. values.Select((v, i) => new LayerTensor(Names[i], v, [features], IsParameter: i < 2)),
            new LayerTensor("num_batches_tracked", null, [], IsParameter: false),
        ];
        // ONNX weighs the old statistics, torch the new ones.
        double momentum = Math.Round(1 - (double)node.Float("momentum", 0.9f), 6);
        node.Layer(
            new BatchNormLayer(features, node.Rank, node.Float("epsilon", 1e-5f), momentum),
            node.Value(0),
            tensors,
            "bn"
        );
    }
}

/// <summary>InstanceNormalization by the statistics of each map.</summary>
internal sealed class InstanceNormalizationOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["InstanceNormalization"];

    public void Convert(TorchNode node) =>
        node.Call(
            "instance_norm",
            node.Value(0),
            node.Value(1),
            node.Value(2),
            new TorchArgument.Nothing(),
            new TorchArgument.Nothing(),
            new TorchArgument.Flag(true),
            new TorchArgument.Real(0),
            new TorchArgument.Real(node.Float("epsilon", 1e-5f)),
            new TorchArgument.Flag(false)
        );
}

/// <summary>LayerNormalization over the last axes.</summary>
internal sealed class LayerNormalizationOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["LayerNormalization"];

    public void Convert(TorchNode node)
    {
        if (node.Constant(1) is not { } weight || node.Constant(2) is not { } bias)
            throw node.Unsupported("no constant scale and bias");
        int axis = node.Axis("axis", -1);
        if (weight.Shape.Count != node.Rank - axis)
            throw node.Unsupported("a scale that is not of the shape of the normalised axes");
        node.Layer(
            new LayerNormLayer(weight.Shape, node.Float("epsilon", 1e-5f)),
            node.Value(0),
            [new("weight", weight, weight.Shape), new("bias", bias, weight.Shape)],
            "norm"
        );
    }
}

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

/// <summary>Dropout: active in train().</summary>
internal sealed class DropoutOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Dropout"];

    public void Convert(TorchNode node)
    {
        if (node.OutputCount > 1 && node.Output(1).Length > 0)
            throw node.Unsupported("an output of its mask");
        float ratio = node.Opset >= 12 ? node.Single(1) ?? 0.5f : node.Float("ratio", 0.5f);
        node.Call("dropout", node.Value(0), new TorchArgument.Real(ratio), new TorchArgument.Training());
    }
}

/// <summary>Identity, gone.</summary>
internal sealed class IdentityOperator : ITorchOperator
{
    public IReadOnlyList<string> Operators { get; } = ["Identity"];

    public void Convert(TorchNode node) => node.Same();
}
