using MlNetTransfer.Onnx.Differentiation.Convolution;
using MlNetTransfer.Onnx.Kernels;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Sum or mean over axes: dx = dy repeated along them, for the mean divided by the number of elements. It stays as
/// small as dy.
/// </summary>
internal sealed class ReduceGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["ReduceMean", "ReduceSum"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            axes = ReducedAxes.Of(node);
        long count = axes.Aggregate(1L, (a, axis) => a * x[axis]);
        long[] kept = [.. x.Select((size, i) => axes.Contains(i) ? 1 : size)];
        string dy = node.OutputGradient();
        if (!node.OutputShape().AsSpan().SequenceEqual(kept))
            dy = node.Graph.Reshape(dy, kept);
        if (node.Operator == "ReduceMean" && count > 1)
            dy = node.Graph.Mul(dy, 1f / count);
        return [new Gradient(dy, Compact: true)];
    }
}

/// <summary>
/// Largest or smallest element over axes, or of each map: dy goes to the element that has it; those that tie share it
/// equally, as PyTorch's amax and amin have it.
/// </summary>
internal sealed class ReduceExtremeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GlobalMaxPool", "ReduceMax", "ReduceMin"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] axes =
            node.Operator == "GlobalMaxPool"
                ? [.. Enumerable.Range(2, node.InputShape(0).Length - 2).Select(i => (long)i)]
                : ReducedAxes.Of(node);
        if (axes.Length == 0)
            return [node.CompactGradient()];
        string attained = graph.IsEqual(node.Input(0), ReducedAxes.Keep(node, axes, node.Output()));
        string share = graph.Div(
            ReducedAxes.Keep(node, axes, node.OutputGradient()),
            graph.ReduceSum(attained, axes, keep: true)
        );
        return [graph.Mul(attained, share)];
    }
}

/// <summary>
/// Norms and the like over axes: dx = dy·∂y/∂x with dy repeated along them. The gradient of a norm is 0 where the norm
/// is, as in PyTorch.
/// </summary>
internal sealed class ReduceFunctionGradient : IOperatorGradient
{
    /// <summary>Keeps 0 / 0 away; a norm below it has lost its digits anyway.</summary>
    private const float Tiny = 1e-37f;

    public IReadOnlyList<string> Operators => ["ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceSumSquare"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] axes = ReducedAxes.Of(node);
        string x = node.Input(0),
            dy = ReducedAxes.Keep(node, axes, node.OutputGradient()),
            y = ReducedAxes.Keep(node, axes, node.Output());
        return
        [
            node.Operator switch
            {
                "ReduceL1" => graph.Mul(graph.Node("Sign", [x]), dy),
                "ReduceL2" => graph.Mul(x, graph.Div(dy, graph.Node("Max", [y, graph.Scalar(Tiny)]))),
                "ReduceLogSumExp" => graph.Mul(graph.Exp(graph.Sub(x, y)), dy),
                _ => graph.Mul(x, graph.Mul(dy, 2)),
            },
        ];
    }
}

/// <summary>
/// y = mean of x over its maps: dx = dy / (size of a map), the same everywhere, so it stays one number per map.
/// </summary>
internal sealed class GlobalAveragePoolGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GlobalAveragePool"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] shape = node.InputShape(0);
        return
        [
            new Gradient(
                node.Graph.Mul(node.OutputGradient(), 1f / shape[2..].Aggregate(1L, (a, b) => a * b), shape.Length),
                Compact: true
            ),
        ];
    }
}

/// <summary>
/// Mean over windows, with or without the zeros of the pads: dy, divided by the elements of its window, is added to
/// each of them.
/// </summary>
internal sealed class AveragePoolGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["AveragePool"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        PoolGeometry pool = PoolGeometry.Of(node);
        GraphEmitter graph = node.Graph;
        string dy = node.OutputGradient();
        float[] shares = pool.Shares(includePads: node.Int("count_include_pad", 0) != 0);
        string shared = Array.TrueForAll(shares, s => s == shares[0])
            ? graph.Mul(dy, shares[0])
            : graph.Mul(dy, graph.Floats(shares, pool.Output));
        return
        [
            graph.HasKernels && pool.HasPlanes ? Kernel(graph, pool, shared)
            : pool.Tiles ? Repeat(graph, pool, shared)
            : Spread(graph, pool, shared),
        ];
    }

    /// <summary>The transposed convolution of every channel with ones, by a kernel of our own.</summary>
    private static string Kernel(GraphEmitter graph, PoolGeometry pool, string dy)
    {
        PlaneSizes sizes = pool.Planes();
        float[] ones = new float[sizes.Channels * sizes.Y.Kernel * sizes.X.Kernel];
        Array.Fill(ones, 1);
        return graph.Kernel(
            DepthwiseInputGradient.Kind,
            [dy, graph.Floats(ones, sizes.Channels, 1, sizes.Y.Kernel, sizes.X.Kernel)],
            pool.InputShape,
            DepthwiseInputGradient.Sizes(sizes)
        );
    }

    /// <summary>Windows that neither overlap nor leave gaps: each value is repeated over its window.</summary>
    private static string Repeat(GraphEmitter graph, PoolGeometry pool, string dy)
    {
        long[] single = [pool.Maps, .. pool.Output.SelectMany(o => new[] { o, 1 })],
            repeated = [pool.Maps, .. pool.Output.Zip(pool.Kernel, (o, k) => new[] { o, k }).SelectMany(p => p)];
        return graph.Reshape(graph.Expand(graph.Reshape(dy, single), repeated), pool.InputShape);
    }

    /// <summary>The transposed convolution of every map with ones.</summary>
    private static string Spread(GraphEmitter graph, PoolGeometry pool, string dy)
    {
        float[] ones = new float[pool.Kernel.Aggregate(1L, (a, b) => a * b)];
        Array.Fill(ones, 1);
        string spread = graph.Node(
            "ConvTranspose",
            [graph.Reshape(dy, [pool.Maps, 1, .. pool.Output]), graph.Floats(ones, [1, 1, .. pool.Kernel])],
            Attributes.Of("strides", pool.Strides),
            Attributes.Of("dilations", pool.Dilations),
            Attributes.Of("pads", [.. pool.Begin, .. pool.ReachedEnd]),
            Attributes.Of("output_padding", pool.Unreached)
        );
        return graph.Reshape(spread, pool.InputShape);
    }
}

/// <summary>
/// Maximum over windows: dy goes to the element that was the largest, the first one of a tie, as in PyTorch; elements
/// that were so in several windows get the sum.
/// </summary>
internal sealed class MaxPoolGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["MaxPool"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Int("storage_order", 0) != 0)
            throw node.Unsupported("storage_order 1");
        GraphEmitter graph = node.Graph;
        var pool = PoolGeometry.Of(node);
        if (graph.HasKernels && pool.HasPlanes)
            return
            [
                graph.Kernel(
                    MaxPoolInputGradient.Kind,
                    [node.Input(0), node.Output(), node.OutputGradient()],
                    node.InputShape(0),
                    pool.Planes().ToNumbers()
                ),
            ];
        long size = node.InputShape(0).Aggregate(1L, (a, b) => a * b);
        string indices = graph.Reshape(node.ExtraOutput(1), -1);
        string scattered = graph.Node(
            "ScatterElements",
            [Zeros(graph, indices, size), indices, graph.Reshape(node.OutputGradient(), -1)],
            Attributes.Of("axis", 0),
            Attributes.Of("reduction", "add")
        );
        return [graph.Reshape(scattered, node.InputShape(0))];
    }

    /// <summary>
    /// Zeros that the runtime does not know beforehand: a constant of that size would be stored in the graph.
    /// </summary>
    private static string Zeros(GraphEmitter graph, string indices, long size)
    {
        string one = graph.Node("Cast", [graph.Slice(indices, [0], [0], [1])], Attributes.Of("to", 1));
        return graph.Expand(graph.Mul(one, 0), size);
    }
}
