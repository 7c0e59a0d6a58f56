using MlNetTransfer.Onnx.Differentiation.Convolution;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

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
        return [pool.Tiles ? Repeat(graph, pool, shared) : Spread(graph, pool, shared)];
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
