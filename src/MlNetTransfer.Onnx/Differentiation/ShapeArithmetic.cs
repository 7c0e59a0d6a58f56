using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

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
