using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Constant linear maps along one axis, on the way back: what was taken from an element is added to it.
/// </summary>
internal static class AxisMap
{
    /// <summary>Beyond so many gathers a product with a matrix of zeros and ones is no slower.</summary>
    private const int MostGathers = 4;

    /// <summary>
    /// The gradient of y[j] = x[sources[j]] along an axis: dx[i] = Σ dy[j] over all j with sources[j] = i.
    /// </summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="dy">Gradient of shape <paramref name="shape"/>.</param>
    /// <param name="shape">Shape of dy.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <param name="sources">For each element of dy along the axis the element of x, from 0.</param>
    /// <param name="size">Elements of x along the axis.</param>
    public static string Select(GraphEmitter graph, string dy, long[] shape, int axis, long[] sources, long size)
    {
        if (Enumerable.Range(0, sources.Length).All(j => sources[j] == sources[0] + j))
            return graph.PadAxis(dy, shape.Length, axis, sources[0], size - sources[0] - sources.Length);
        ILookup<long, int> takers = Enumerable.Range(0, sources.Length).ToLookup(j => sources[j]);
        int most = takers.Max(t => t.Count());
        if (most > MostGathers)
            return Apply(graph, dy, shape, axis, Matrix(sources, size), size);
        bool gaps = most > 1 || takers.Count < size;
        string padded = gaps ? graph.PadAxis(dy, shape.Length, axis, 0, 1) : dy;
        string[] parts =
        [
            .. Enumerable
                .Range(0, most)
                .Select(layer =>
                    graph.Node(
                        "Gather",
                        [padded, graph.Longs([.. Taken(takers, layer, size, sources.Length)])],
                        Attributes.Of("axis", axis)
                    )
                ),
        ];
        return parts.Length == 1 ? parts[0] : graph.Node("Sum", parts);
    }

    /// <summary>The gradient of y = M·x along an axis: dx = Mᵀ·dy.</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="dy">Gradient of shape <paramref name="shape"/>.</param>
    /// <param name="shape">Shape of dy.</param>
    /// <param name="axis">The axis, from 0.</param>
    /// <param name="matrix">M [elements of y, elements of x], row-major.</param>
    /// <param name="size">Elements of x along the axis.</param>
    public static string Apply(GraphEmitter graph, string dy, long[] shape, int axis, float[] matrix, long size)
    {
        long outer = Product(shape[..axis]),
            inner = Product(shape[(axis + 1)..]),
            count = shape[axis];
        string product =
            inner == 1
                ? graph.Node("MatMul", [graph.Reshape(dy, outer, count), graph.Floats(matrix, count, size)])
                : graph.Node(
                    "MatMul",
                    [graph.Floats(Transposed(matrix, count, size), size, count), graph.Reshape(dy, outer, count, inner)]
                );
        return graph.Reshape(product, [.. shape[..axis], size, .. shape[(axis + 1)..]]);
    }

    /// <summary>
    /// The taker of every element in one layer; <paramref name="none"/>, the zero put at the end, where it has no more.
    /// </summary>
    private static IEnumerable<long> Taken(ILookup<long, int> takers, int layer, long size, int none)
    {
        for (long i = 0; i < size; i++)
            yield return takers[i].Skip(layer).DefaultIfEmpty(none).First();
    }

    private static float[] Matrix(long[] sources, long size)
    {
        float[] matrix = new float[sources.Length * size];
        for (int j = 0; j < sources.Length; j++)
            matrix[j * size + sources[j]] = 1;
        return matrix;
    }

    private static float[] Transposed(float[] matrix, long rows, long columns)
    {
        float[] transposed = new float[matrix.Length];
        for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            transposed[c * rows + r] = matrix[r * columns + c];
        return transposed;
    }

    private static long Product(long[] sizes) => sizes.Aggregate(1L, (a, b) => a * b);
}

/// <summary>Broadcasting on the way back: what was repeated is summed.</summary>
internal static class Broadcasting
{
    /// <summary>
    /// Sums a gradient over the axes on which a tensor was broadcast (NumPy's rules: shapes are aligned at the last
    /// axis).
    /// </summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="gradient">Gradient of shape <paramref name="from"/>.</param>
    /// <param name="from">Shape after broadcasting.</param>
    /// <param name="to">Shape before.</param>
    public static string Undo(GraphEmitter graph, string gradient, long[] from, long[] to)
    {
        if (from.AsSpan().SequenceEqual(to))
            return gradient;
        int added = from.Length - to.Length;
        // Axes that are 1 anyway count among those summed: the runtime sums the end of a shape 30 times as fast as an
        // axis before others of 1.
        int[] ones = [.. Enumerable.Range(0, from.Length).Where(i => i < added || to[i - added] == 1)];
        string summed = Array.TrueForAll(ones, i => from[i] == 1)
            ? gradient
            : graph.ReduceSum(gradient, [.. ones.Select(i => (long)i)], keep: true);
        return added == 0 ? summed : graph.Reshape(summed, to);
    }
}

/// <summary>The axes of a reduction, which operator sets write as an attribute or as a second input.</summary>
internal static class ReducedAxes
{
    /// <summary>Axes that are reduced, each from 0 up to the rank, sorted.</summary>
    public static long[] Of(BackwardNode node)
    {
        int rank = node.InputShape(0).Length;
        long[] axes = node.Ints("axes") ?? node.ConstantInts(1) ?? [];
        if (axes.Length == 0)
            return node.Int("noop_with_empty_axes", 0) != 0 ? [] : [.. Enumerable.Range(0, rank).Select(i => (long)i)];
        return [.. axes.Select(a => a < 0 ? a + rank : a).Order()];
    }

    /// <summary>A tensor of the shape of the output, with the reduced axes kept at size 1.</summary>
    public static string Keep(BackwardNode node, long[] axes, string tensor)
    {
        long[] kept = [.. node.InputShape(0).Select((size, i) => axes.Contains(i) ? 1 : size)];
        return node.OutputShape().AsSpan().SequenceEqual(kept) ? tensor : node.Graph.Reshape(tensor, kept);
    }
}

/// <summary>Fixes the batch size of a model.</summary>
internal static class BatchSize
{
    /// <summary>
    /// The model with the first dimension of every input set, its nodes sorted, and the shapes it declared for the open
    /// batch size dropped.
    /// </summary>
    public static OnnxModel Fix(OnnxModel model, int batchSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(batchSize, 1);
        IReadOnlyList<NodeProto> order = model.TopologicalOrder();
        HashSet<string> defaults = [.. model.Initializers.Select(i => i.Name)];
        return model.With(proto =>
        {
            NodeProto[] sorted = [.. order.Select(n => n.Clone())];
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(sorted);
            ValueInfoProto[] inputs = [.. proto.Graph.Input.Where(i => !defaults.Contains(i.Name))];
            proto.Graph.Input.Clear();
            proto.Graph.Input.AddRange(inputs.Select(i => Fixed(i, batchSize).ToValueInfo(i.Name)));
            proto.Graph.ValueInfo.Clear();
            ValueInfoProto[] outputs = [.. proto.Graph.Output.Select(o => new ValueInfoProto { Name = o.Name })];
            proto.Graph.Output.Clear();
            proto.Graph.Output.AddRange(outputs);
        });
    }

    private static TensorShape Fixed(ValueInfoProto input, int batchSize)
    {
        TensorShape shape =
            TensorShape.From(input)
            ?? throw new GraphException(
                $"Input '{input.Name}' states no shape; a training step needs one. Export the model with the shape "
                    + $"of its input."
            );
        if (shape.Rank == 0)
            return shape;
        if (shape.Dimensions.Skip(1).Any(d => d.Size is null))
            throw new GraphException(
                $"Input '{input.Name}' is {shape}; only the batch size, the first dimension, may be open. Export "
                    + $"the model with a fixed image size."
            );
        if (shape.Dimensions[0].Size is { } size && size != batchSize)
            throw new GraphException(
                $"Input '{input.Name}' is {shape}: its batch size is fixed at {size}, not {batchSize}. Export the "
                    + $"model with an open batch size, or train with batches of {size}."
            );
        return shape with { Dimensions = [batchSize, .. shape.Dimensions.Skip(1)] };
    }
}

/// <summary>
/// Replaces what exporters leave to compute shapes (Shape, Gather, Concat, Cast, Range, Where ...) by constants, which
/// it is once the batch size is fixed. Gradients then read sizes, indices and pads as they read those of a plain
/// export.
/// </summary>
internal static class ShapeArithmetic
{
    /// <summary>Constants with more elements are weights, whose arithmetic is left to the runtime.</summary>
    private const long MostElements = 1 << 16;

    /// <summary>Folds every tensor that depends on small constants and on shapes only.</summary>
    /// <param name="open">The model; its batch size may be open.</param>
    /// <param name="batchSize">Batch size, which is fixed in the result.</param>
    /// <param name="wanted">Initializers that are trained, hence not constants, or inputs.</param>
    /// <exception cref="GraphException">A wanted tensor counts by its shape only, or the arithmetic cannot be
    /// run.</exception>
    public static OnnxModel Fold(OnnxModel open, int batchSize, IReadOnlyCollection<string> wanted)
    {
        OnnxModel model = BatchSize.Fix(open, batchSize);
        HashSet<string> known = Known(model, wanted);
        HashSet<string> made =
        [
            .. model.Nodes.Where(n => !IsTensor(n)).SelectMany(n => n.Output).Where(known.Contains),
        ];
        string[] results =
        [
            .. model
                .Nodes.Where(n => !n.Output.Any(known.Contains))
                .SelectMany(Subgraphs.NeededBy)
                .Distinct()
                .Where(made.Contains),
        ];
        if (results.Length == 0)
            return model;
        OnnxModel arithmetic = WithShapes(GraphCut.At(CutBelowShapes(model), results, typed: false), model, batchSize);
        TensorProto[] values = ConstantGraph.Evaluate(arithmetic, results);
        string[] outputs = [.. model.Outputs.Select(o => o.Name)];
        HashSet<string> replaced = [.. results];
        OnnxModel folded = GraphCut.At(
            model.With(proto =>
            {
                NodeProto[] kept = [.. proto.Graph.Node.Where(n => !n.Output.Any(replaced.Contains))];
                proto.Graph.Node.Clear();
                proto.Graph.Node.AddRange(kept);
                proto.Graph.Initializer.AddRange(values);
            }),
            outputs,
            typed: false
        );
        HashSet<string> left = [.. folded.Initializers.Select(i => i.Name), .. folded.Inputs.Select(i => i.Name)];
        return wanted.FirstOrDefault(w => !left.Contains(w)) is { } lost ? throw Refusal.NoInfluence(lost) : folded;
    }

    /// <summary>Tensors whose values depend on nothing that is fed or trained.</summary>
    private static HashSet<string> Known(OnnxModel model, IReadOnlyCollection<string> wanted)
    {
        HashSet<string> trained = [.. wanted, .. model.Inputs.Select(i => i.Name)];
        HashSet<string> known =
        [
            .. model
                .Initializers.Where(i => i.Dims.Aggregate(1L, (a, b) => a * b) <= MostElements)
                .Select(i => i.Name)
                .Where(n => !trained.Contains(n)),
        ];
        foreach (NodeProto node in model.Nodes.Where(n => OperatorSets.IsDefault(n.Domain) && n.Output.Count == 1))
            if (
                IsShape(node)
                || (ConstantGraph.IsFunction(node) && node.Input.All(i => i.Length == 0 || known.Contains(i)))
            )
                known.UnionWith(node.Output);
        return known;
    }

    /// <summary>Constants in the form that <see cref="StaticGraph.Constant"/> reads.</summary>
    private static bool IsTensor(NodeProto node) =>
        node.OpType == "Constant" && node.Attribute.Any(a => a.Name == "value");

    private static bool IsShape(NodeProto node) =>
        node.OpType is "Shape" or "Size" && OperatorSets.IsDefault(node.Domain);

    /// <summary>Shape nodes without their input, so that a cut does not keep what computes it.</summary>
    private static OnnxModel CutBelowShapes(OnnxModel model) =>
        model.With(proto =>
        {
            foreach (NodeProto node in proto.Graph.Node.Where(IsShape))
                node.Input.Clear();
        });

    /// <summary>The arithmetic with its Shape nodes as constants.</summary>
    private static OnnxModel WithShapes(OnnxModel arithmetic, OnnxModel model, int batchSize)
    {
        HashSet<string> asked = [.. arithmetic.Nodes.Where(IsShape).Select(n => n.Output[0])];
        if (asked.Count == 0)
            return arithmetic;
        NodeProto[] nodes = [.. model.Nodes.Where(n => n.Output.Any(asked.Contains))];
        StaticGraph shapes = StaticGraph.Of(model, batchSize, [.. nodes.Select(n => n.Input[0])]);
        return arithmetic.With(proto =>
        {
            NodeProto[] kept = [.. proto.Graph.Node.Where(n => !IsShape(n))];
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(kept);
            proto.Graph.Initializer.AddRange(nodes.Select(n => Constant(n, shapes.Shape(n.Input[0]))));
        });
    }

    private static TensorProto Constant(NodeProto node, long[] shape)
    {
        if (node.OpType == "Size")
            return TensorData.Longs(node.Output[0], [shape.Aggregate(1L, (a, b) => a * b)]);
        int start = Bound("start", 0),
            end = Bound("end", shape.Length);
        long[] part = start < end ? shape[start..end] : [];
        return TensorData.Longs(node.Output[0], part, part.Length);

        int Bound(string name, long missing)
        {
            long value = node.Attribute.FirstOrDefault(a => a.Name == name)?.I ?? missing;
            return (int)Math.Clamp(value < 0 ? value + shape.Length : value, 0, shape.Length);
        }
    }
}
