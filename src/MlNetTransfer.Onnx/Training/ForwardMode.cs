using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>Puts a model into a known mode, whatever mode it was exported in.</summary>
internal static class ForwardMode
{
    /// <summary>Batch normalisation with running statistics, and Dropout that passes everything.</summary>
    public static OnnxModel Inference(OnnxModel model)
    {
        if (!model.Nodes.Any(n => IsNormalization(n) || n.OpType == "Dropout"))
            return model;
        HashSet<string> used = [.. model.Nodes.SelectMany(Subgraphs.NeededBy)];
        return model.With(proto =>
        {
            foreach (NodeProto node in proto.Graph.Node.Where(n => OperatorSets.IsDefault(n.Domain)))
            {
                if (!IsNormalization(node) && node.OpType != "Dropout")
                    continue;
                if (node.Output.Skip(1).FirstOrDefault(used.Contains) is { } other)
                    throw new GraphException(
                        $"{NodeOrder.Describe(node)} gives '{other}' to other nodes, which only a training graph of "
                            + $"another framework does. Export the model for inference."
                    );
                while (node.Output.Count > 1)
                    node.Output.RemoveAt(node.Output.Count - 1);
                if (node.OpType == "Dropout")
                    Pass(node);
                else if (node.Attribute.FirstOrDefault(a => a.Name == "training_mode") is { } mode)
                    mode.I = 0;
            }
        });
    }

    /// <summary>
    /// Dropout nodes as multiplications by masks [shape of the input], which are new inputs of the model.
    /// </summary>
    /// <param name="model">The model, its batch size open or this one.</param>
    /// <param name="batchSize">Images of a batch.</param>
    /// <param name="masks">The masks that were added.</param>
    public static OnnxModel WithMasks(OnnxModel model, int batchSize, out IReadOnlyList<DropoutMask> masks)
    {
        NodeProto[] nodes = [.. model.Nodes.Where(IsDropout)];
        masks = [];
        if (nodes.Length == 0)
            return model;
        StaticGraph graph = StaticGraph.Of(model, batchSize, [.. nodes.Select(n => n.Input[0])]);
        DropoutMask[] added =
        [
            .. nodes.Select(n => new DropoutMask(
                $"dropout_mask/{n.Output[0]}",
                graph.Shape(n.Input[0]),
                Ratio(n, graph)
            )),
        ];
        masks = added;
        return graph.Model.With(proto =>
        {
            foreach ((NodeProto node, DropoutMask mask) in proto.Graph.Node.Where(IsDropout).Zip(added))
            {
                proto.Graph.Input.Add(Differentiator.Float(mask.Input, mask.Shape));
                Pass(node);
                node.OpType = "Mul";
                node.Input.Add(mask.Input);
                while (node.Output.Count > 1)
                    node.Output.RemoveAt(node.Output.Count - 1);
            }
        });
    }

    private static bool IsDropout(NodeProto node) => node.OpType == "Dropout" && OperatorSets.IsDefault(node.Domain);

    private static bool IsNormalization(NodeProto node) => node.OpType == "BatchNormalization";

    private static void Pass(NodeProto node)
    {
        string x = node.Input[0];
        node.OpType = "Identity";
        node.Input.Clear();
        node.Input.Add(x);
        node.Attribute.Clear();
    }

    private static float Ratio(NodeProto node, StaticGraph graph)
    {
        if (node.Input.Count < 2 || node.Input[1].Length == 0)
            return 0.5f;
        float ratio = graph.Constant(node.Input[1]) is { } value
            ? TensorData.ToFloats(value)[0]
            : throw new GraphException(
                $"{NodeOrder.Describe(node)} computes its ratio; it must be a constant. Export the model with a "
                    + $"fixed dropout ratio."
            );
        return ratio is >= 0 and < 1
            ? ratio
            : throw new GraphException(
                FormattableString.Invariant($"{NodeOrder.Describe(node)} has the ratio {ratio}; it must be in [0, 1).")
            );
    }
}
