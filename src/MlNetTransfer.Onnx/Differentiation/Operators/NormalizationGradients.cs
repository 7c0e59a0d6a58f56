namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// y = γ·x̂ + β with x̂ = (x - μ) / √(σ² + ε), per channel: dβ = Σ dy, dγ = Σ dy·x̂, and dx = γ / √(σ² + ε) · dy with
/// running statistics. With those of the batch of n elements per channel dx = γ / √(σ² + ε) · (dy - dβ / n - x̂·dγ / n)
/// (Ioffe and Szegedy, 2015).
/// </summary>
internal sealed class BatchNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["BatchNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.Needs(3) || node.Needs(4))
            throw node.Unsupported("statistics that are trained");
        GraphEmitter graph = node.Graph;
        bool training = node.Int("training_mode", 0) != 0;
        if (training && node.Float("momentum", 0.9f) != 0)
            throw node.Unsupported("training_mode 1 and a momentum, which hides the statistics of the batch");
        long[] shape = node.InputShape(0),
            column = [shape[1], .. shape.Skip(2).Select(_ => 1L)],
            axes = [0, .. Enumerable.Range(2, shape.Length - 2).Select(i => (long)i)];
        (string mean, string variance) = training
            ? (node.ExtraOutput(1), node.ExtraOutput(2))
            : (node.Input(3), node.Input(4));
        string inverse = graph.Div(
            graph.Scalar(1),
            graph.Node("Sqrt", [graph.Add(variance, graph.Scalar(node.Float("epsilon", 1e-5f)))])
        );
        string dy = node.OutputGradient(),
            slope = graph.Mul(node.Input(1), inverse);
        string? shift = training || node.Needs(2) ? graph.ReduceSum(dy, axes) : null,
            scale = null;
        if (training || node.Needs(1))
            scale = graph.Mul(
                graph.ReduceSum(graph.Mul(dy, graph.Sub(node.Input(0), graph.Reshape(mean, column))), axes),
                inverse
            );
        string? input = null;
        if (node.Needs(0))
        {
            input = graph.Mul(dy, graph.Reshape(slope, column));
            if (training)
                input = graph.Sub(input, OfStatistics(node, column, slope, graph.Mul(scale!, inverse), shift!, mean));
        }

        return [input, node.Needs(1) ? scale : null, node.Needs(2) ? shift : null];
    }

    /// <summary>
    /// slope · (dβ + (x - μ)·q) / n, where q = dγ / √(σ² + ε), as one multiplication and one addition per element.
    /// </summary>
    private static string OfStatistics(
        BackwardNode node,
        long[] column,
        string slope,
        string q,
        string shift,
        string mean
    )
    {
        GraphEmitter graph = node.Graph;
        long n = node.InputShape(0).Aggregate(1L, (a, b) => a * b) / column[0];
        string share = graph.Mul(slope, 1f / n),
            factor = graph.Mul(share, q);
        string constant = graph.Sub(graph.Mul(share, shift), graph.Mul(factor, mean));
        return graph.Add(graph.Mul(node.Input(0), graph.Reshape(factor, column)), graph.Reshape(constant, column));
    }
}

/// <summary>
/// y = γ·x̂ + β, x standardised over groups of channels with their positions; γ and β are per channel from operator set
/// 21 on, per group before. dβ = Σ dy, dγ = Σ dy·x̂, dx from dy·γ as <see cref="Standardisation"/> has it.
/// </summary>
internal sealed class GroupNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["GroupNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] shape = node.InputShape(0);
        long groups = node.Int("num_groups", 1),
            channels = shape[1] / groups;
        long[] grouped = [shape[0], groups, channels, shape[2..].Aggregate(1L, (a, b) => a * b)];
        long[] column = node.Opset >= 21 ? [groups, channels, 1] : [groups, 1, 1],
            summed = node.Opset >= 21 ? [0, 3] : [0, 2, 3];
        string dy = graph.Reshape(node.OutputGradient(), grouped);
        Standardisation standard = Standardisation.Of(
            graph,
            graph.Reshape(node.Input(0), grouped),
            grouped,
            [2, 3],
            node.Float("epsilon", 1e-5f)
        );
        return
        [
            node.Needs(0)
                ? graph.Reshape(standard.Backward(graph, graph.Mul(dy, graph.Reshape(node.Input(1), column))), shape)
                : null,
            node.Needs(1)
                ? graph.Reshape(graph.ReduceSum(graph.Mul(dy, standard.Values), summed), node.InputShape(1))
                : null,
            node.Needs(2) ? graph.Reshape(graph.ReduceSum(dy, summed), node.InputShape(2)) : null,
        ];
    }
}

/// <summary>
/// y = γ·x̂ + β per channel, x standardised over each map: dβ = Σ dy, dγ = Σ dy·x̂ over images and positions, dx from
/// dy·γ as <see cref="Standardisation"/> has it.
/// </summary>
internal sealed class InstanceNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["InstanceNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        long[] shape = node.InputShape(0),
            axes = [.. Enumerable.Range(2, shape.Length - 2).Select(i => (long)i)],
            column = [shape[1], .. axes.Select(_ => 1L)];
        string dy = node.OutputGradient();
        Standardisation standard = Standardisation.Of(graph, node.Input(0), shape, axes, node.Float("epsilon", 1e-5f));
        return
        [
            node.Needs(0) ? standard.Backward(graph, graph.Mul(dy, graph.Reshape(node.Input(1), column))) : null,
            node.Needs(1) ? graph.ReduceSum(graph.Mul(dy, standard.Values), [0, .. axes]) : null,
            node.Needs(2) ? graph.ReduceSum(dy, [0, .. axes]) : null,
        ];
    }
}

/// <summary>
/// y = γ·x̂ + β, x standardised over the axes from a given one on: dβ = Σ dy, dγ = Σ dy·x̂, dx from dy·γ as
/// <see cref="Standardisation"/> has it.
/// </summary>
internal sealed class LayerNormalizationGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["LayerNormalization"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        if (node.HasGradient(1) || node.HasGradient(2))
            throw node.Unsupported("a mean or deviation that is used");
        GraphEmitter graph = node.Graph;
        long[] shape = node.InputShape(0),
            axes = [.. Enumerable.Range(0, shape.Length).Skip(node.Axis(-1)).Select(i => (long)i)];
        string dy = node.OutputGradient(),
            mean = node.ExtraOutput(1),
            inverse = node.ExtraOutput(2);
        Standardisation standard = new(
            graph.Mul(graph.Sub(node.Input(0), mean), inverse),
            inverse,
            axes,
            axes.Aggregate(1L, (a, axis) => a * shape[axis])
        );
        return
        [
            node.Needs(0) ? standard.Backward(graph, graph.Mul(dy, node.Input(1))) : null,
            node.Needs(1) ? node.Unbroadcast(graph.Mul(dy, standard.Values)!, 1) : null,
            node.Needs(2) ? node.Unbroadcast(dy!, 2) : null,
        ];
    }
}

/// <summary>
/// y = x·s^-β with s = bias + α/size·Σ x² over a window of channels: dx = dy·s^-β - 2·α·β/size·x·Σ dy·y/s over the
/// channels whose windows hold x (Krizhevsky et al., 2012). Sums over windows are average pools along the channels.
/// </summary>
internal sealed class LrnGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["LRN"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        GraphEmitter graph = node.Graph;
        (float alpha, float beta, float bias) = (
            node.Float("alpha", 1e-4f),
            node.Float("beta", 0.75f),
            node.Float("bias", 1)
        );
        string x = node.Input(0),
            dy = node.OutputGradient();
        string s = graph.Add(graph.Mul(Mean(node, graph.Mul(x, x)), alpha), graph.Scalar(bias));
        string direct = graph.Mul(dy, graph.Node("Pow", [s, graph.Scalar(-beta)]));
        string others = Mean(node, graph.Div(graph.Mul(dy, node.Output()), s));
        return [graph.Sub(direct, graph.Mul(graph.Mul(x, others), 2 * alpha * beta))];
    }

    /// <summary>
    /// Sum over a window of channels, divided by its size. Windows are odd (ONNX Runtime runs no others), so that they
    /// are the same both ways.
    /// </summary>
    private static string Mean(BackwardNode node, string tensor)
    {
        long[] shape = node.InputShape(0);
        long size = node.Int("size", 1);
        long[] kernel = [size, 1],
            pads = [size / 2, 0, size / 2, 0];
        string columns = node.Graph.Reshape(tensor, shape[0], 1, shape[1], -1);
        string mean = node.Graph.Node(
            "AveragePool",
            [columns],
            Attributes.Of("kernel_shape", kernel),
            Attributes.Of("pads", pads),
            Attributes.Of("count_include_pad", 1)
        );
        return node.Graph.Reshape(mean, shape);
    }
}
