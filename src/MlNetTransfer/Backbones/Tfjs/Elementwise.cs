using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Operators of two tensors that broadcast.</summary>
internal static class Elementwise
{
    /// <param name="op">ONNX operator: Add, Sub, Mul, Div, Max, Min.</param>
    /// <param name="graph">The graph.</param>
    /// <param name="a">First operand.</param>
    /// <param name="b">Second operand; either may be a constant.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue Write(string op, TfGraphWriter graph, TfValue a, TfValue b, string name)
    {
        bool channelsFirst = (a.ChannelsFirst && Follows(b, a)) || (b.ChannelsFirst && Follows(a, b));
        (string left, string right) = (Operand(graph, a, channelsFirst), Operand(graph, b, channelsFirst));
        return graph.Node(op, new TfValue(name, Broadcast(a.Shape, b.Shape, name), channelsFirst), [left, right]);
    }

    /// <summary>
    /// Whether a value can be brought into NCHW for nothing, or has to be because the other is an image.
    /// </summary>
    private static bool Follows(TfValue value, TfValue image) =>
        value.ChannelsFirst || value.Constant is not null || value.Rank == image.Rank;

    private static string Operand(TfGraphWriter graph, TfValue value, bool channelsFirst)
    {
        if (!channelsFirst)
            return graph.Written(graph.InOrder(value));
        if (value.Constant is null)
            return graph.Images(value).Name;
        if (value.Rank == 0)
            return graph.Written(value);
        long[] padded = [.. Enumerable.Repeat(1L, 4 - value.Rank), .. value.Shape];
        return graph.Constant(value.Constant.Reshape(padded).Permute(0, 3, 1, 2) with { Name = value.Name });
    }

    private static long[] Broadcast(IReadOnlyList<long> a, IReadOnlyList<long> b, string name)
    {
        long[] shape = new long[Math.Max(a.Count, b.Count)];
        for (int i = 1; i <= shape.Length; i++)
        {
            long x = i <= a.Count ? a[^i] : 1,
                y = i <= b.Count ? b[^i] : 1;
            if (x != y && x != 1 && y != 1)
                throw new TfjsException(
                    $"'{name}': shapes [{string.Join(", ", a)}] and [{string.Join(", ", b)}] do not broadcast."
                );
            shape[^i] = x == 1 ? y : x;
        }

        return shape;
    }
}

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

/// <summary>Operators that move values without changing them, and means over axes.</summary>
internal static class Shaping
{
    /// <summary>Concatenates along an axis in TensorFlow's order.</summary>
    public static TfValue Concat(TfGraphWriter graph, IReadOnlyList<TfValue> values, long axis, string name)
    {
        bool images = values.Any(v => v.ChannelsFirst);
        TfValue[] aligned = [.. values.Select(v => images ? graph.Images(v) : v)];
        int at = (int)(axis < 0 ? axis + aligned[0].Rank : axis);
        long[] shape = [.. aligned[0].Shape];
        shape[at] = aligned.Sum(v => v.Shape[at]);
        return graph.Node(
            "Concat",
            aligned[0] with
            {
                Name = name,
                Shape = shape,
                Constant = null,
            },
            [.. aligned.Select(graph.Written)],
            Attributes.Of("axis", aligned[0].PhysicalAxis(axis))
        );
    }

    /// <summary>Pads images with a constant.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Images.</param>
    /// <param name="h">Rows before and after.</param>
    /// <param name="w">Columns before and after.</param>
    /// <param name="value">What to pad with.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue Pad(
        TfGraphWriter graph,
        TfValue x,
        (long Before, long After) h,
        (long Before, long After) w,
        float value,
        string name
    )
    {
        return Pad(graph, graph.Images(x), [(0, 0), h, w, (0, 0)], value, name);
    }

    /// <summary>Pads every axis, in TensorFlow's order, with a constant; the layout stays as it is.</summary>
    public static TfValue Pad(
        TfGraphWriter graph,
        TfValue x,
        IReadOnlyList<(long Before, long After)> axes,
        float value,
        string name
    )
    {
        long[] pads = new long[2 * x.Rank];
        for (int axis = 0; axis < x.Rank; axis++)
            (pads[x.PhysicalAxis(axis)], pads[x.Rank + x.PhysicalAxis(axis)]) = axes[axis];
        TfValue output = x with
        {
            Name = name,
            Shape = [.. x.Shape.Select((d, axis) => axis == 0 ? d : d + axes[axis].Before + axes[axis].After)],
        };
        return graph.Node(
            "Pad",
            output,
            [x.Name, graph.Integers(name + "/pads", pads), graph.Constant(new TfTensor(name + "/value", [], [value]))]
        );
    }

    /// <summary>Gives the values another shape, in TensorFlow's order of axes.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">The values.</param>
    /// <param name="target">New shape; -1 at most once besides the batch, for what is left over. The batch keeps its
    /// size.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue Reshape(TfGraphWriter graph, TfValue x, IReadOnlyList<long> target, string name)
    {
        long elements = x.Shape.Skip(1).Aggregate(1L, (a, b) => a * b);
        long[] rest = [.. target.Skip(1)];
        long known = rest.Where(d => d >= 0).Aggregate(1L, (a, b) => a * b);
        for (int i = 0; i < rest.Length; i++)
            if (rest[i] < 0)
                rest[i] = known == 0 ? 0 : elements / known;
        if (rest.Aggregate(1L, (a, b) => a * b) != elements)
            throw new TfjsException(
                $"'{name}' reshapes [{string.Join(", ", x.Shape)}] to [{string.Join(", ", target)}]; the batch must "
                    + $"keep its size, and the other {elements} values must fit."
            );
        bool onePixel = x.ChannelsFirst && x.Size == (1, 1);
        TfValue source = onePixel ? x : graph.InOrder(x);
        return graph.Node(
            "Reshape",
            new TfValue(name, [x.Shape[0], .. rest], ChannelsFirst: false),
            [source.Name, graph.Integers(name + "/shape", [0, .. rest])]
        );
    }

    /// <summary>Permutes axes. From NHWC to NCHW and back it is only another view of the same tensor.</summary>
    public static TfValue Transpose(TfGraphWriter graph, TfValue x, IReadOnlyList<long> order, string name)
    {
        long[] shape = [.. order.Select(i => x.Shape[(int)i])];
        if (x.ChannelsFirst && order.SequenceEqual([0L, 3, 1, 2]))
            return graph.Node("Identity", new TfValue(name, shape, ChannelsFirst: false), [x.Name]);
        if (!x.ChannelsFirst && order.SequenceEqual([0L, 2, 3, 1]))
            return graph.Node("Identity", new TfValue(name, shape, ChannelsFirst: true), [graph.Written(x)]);
        return graph.Node(
            "Transpose",
            new TfValue(name, shape, ChannelsFirst: false),
            [graph.Written(graph.InOrder(x))],
            Attributes.Of("perm", [.. order])
        );
    }

    /// <summary>Mean over axes.</summary>
    public static TfValue Mean(TfGraphWriter graph, TfValue x, IReadOnlyList<long> axes, bool keep, string name) =>
        Remove(graph, x, axes, keep, name, "ReduceMean");

    /// <summary>Drops axes of size 1; none given means all but the batch.</summary>
    public static TfValue Squeeze(TfGraphWriter graph, TfValue x, IReadOnlyList<long> axes, string name)
    {
        IReadOnlyList<long> chosen =
            axes.Count > 0
                ? axes
                : [.. Enumerable.Range(1, x.Rank - 1).Where(i => x.Shape[i] == 1).Select(i => (long)i)];
        return Remove(graph, x, chosen, keep: false, name, "Squeeze");
    }

    private static TfValue Remove(
        TfGraphWriter graph,
        TfValue x,
        IReadOnlyList<long> axes,
        bool keep,
        string name,
        string op
    )
    {
        HashSet<long> gone = [.. axes.Select(a => a < 0 ? a + x.Rank : a)];
        bool view = x.ChannelsFirst && (keep || gone.Contains(3) || (gone.Contains(1) && gone.Contains(2)));
        TfValue source = view ? x : graph.InOrder(x);
        long[] shape =
        [
            .. x.Shape.Select((d, i) => gone.Contains(i) ? 1 : d).Where((_, i) => keep || !gone.Contains(i)),
        ];
        long[] physical = [.. gone.Select(source.PhysicalAxis).Order()];
        TfValue output = new(name, shape, ChannelsFirst: view && keep);
        return op == "Squeeze"
            ? graph.Node(op, output, [source.Name, graph.Integers(name + "/axes", physical)])
            : graph.Node(
                op,
                output,
                [source.Name],
                Attributes.Of("axes", physical),
                Attributes.Of("keepdims", keep ? 1 : 0)
            );
    }
}
