using MlNetTransfer.Graphs.Onnx;

namespace MlNetTransfer.Graphs.Differentiation;

/// <summary>
/// Writes older models for a newer operator set where operators changed their form: attributes that became inputs, and the older softmax, which flattened its input to a
/// matrix. Source: the ONNX operator changelog. Only nodes of the graph itself; bodies of If and Loop must read alike.
/// </summary>
internal static class OpsetUpgrade
{
    private const int Oldest = 7;

    private static readonly Dictionary<string, (int Since, Action<GraphEmitter, NodeProto> Rewrite)> Changes = new()
    {
        ["BatchNormalization"] = (14, (_, node) => Single(node)),
        ["Clip"] = (11, (graph, node) => Inputs(graph, node, float.MinValue, float.MaxValue)),
        ["Dropout"] = (12, Ratio),
        ["LogSoftmax"] = (13, Flattened),
        ["Pad"] = (11, Pads),
        ["ReduceSum"] = (13, (graph, node) => Axes(graph, node, "axes")),
        ["Resize"] = (11, (_, node) => Resize(node, node.Input[1])),
        ["Slice"] = (10, (graph, node) => Axes(graph, node, "starts", "ends", "axes")),
        ["Softmax"] = (13, Flattened),
        ["Split"] = (13, (graph, node) => Axes(graph, node, "split")),
        ["Squeeze"] = (13, (graph, node) => Axes(graph, node, "axes")),
        ["Unsqueeze"] = (13, (graph, node) => Axes(graph, node, "axes")),
        ["Upsample"] = (10, (graph, node) => Resize(node, Take(node, "scales") is { } scales ? graph.Floats([.. scales.Floats], scales.Floats.Count) : node.Input[1])),
    };

    /// <summary>The model, written at least for the given operator set.</summary>
    /// <exception cref="GraphException">Some other node is read differently under it, or the model is older than set 7; the message names it.</exception>
    public static OnnxModel AtLeast(OnnxModel model, int version)
    {
        int current = model.OpsetVersion();
        if (current >= version || !model.Nodes.Any(n => Affects(n, current))) return model.WithOpset(version);
        if (current < Oldest) throw new GraphException($"The model is written for operator set {current}; training reads {Oldest} and later. Export the model with operator set {version}.");
        OnnxModel rewritten = model.With(proto =>
        {
            GraphEmitter graph = new(proto.Graph, version) { Scope = "upgrade" };
            foreach (NodeProto node in proto.Graph.Node.Where(n => Affects(n, current)).ToArray()) Changes[node.OpType].Rewrite(graph, node);
            foreach (NodeProto node in proto.Graph.Node.Where(n => !Changes.ContainsKey(n.OpType))) OperatorSets.SameForm(node, current, version);
            foreach (OperatorSetIdProto set in proto.OpsetImport.Where(o => OperatorSets.IsDefault(o.Domain))) set.Version = version;
            proto.IrVersion = Math.Max(proto.IrVersion, 8);
        });
        return rewritten;
    }

    private static bool Affects(NodeProto node, int current) => OperatorSets.IsDefault(node.Domain) && Changes.TryGetValue(node.OpType, out (int Since, Action<GraphEmitter, NodeProto>) change) && current < change.Since;

    private static AttributeProto? Take(NodeProto node, string name)
    {
        AttributeProto? attribute = node.Attribute.FirstOrDefault(a => a.Name == name);
        if (attribute is not null) node.Attribute.Remove(attribute);
        return attribute;
    }

    private static void Single(NodeProto node)
    {
        if (Take(node, "spatial") is { I: 0 } || node.Output.Count(o => o.Length > 0) > 1) throw new GraphException($"{NodeOrder.Describe(node)} is of an old form that is not for inference. Export the model for inference with operator set {Differentiator.LeastOpset}.");
        while (node.Output.Count > 1) node.Output.RemoveAt(node.Output.Count - 1);
    }

    private static void Inputs(GraphEmitter graph, NodeProto node, float low, float high)
    {
        float min = Take(node, "min")?.F ?? low, max = Take(node, "max")?.F ?? high;
        node.Input.AddRange([graph.Scalar(min), graph.Scalar(max)]);
    }

    private static void Ratio(GraphEmitter graph, NodeProto node) => node.Input.Add(graph.Scalar(Take(node, "ratio")?.F ?? 0.5f));

    /// <summary>Attributes that became inputs, in this order; one that is not set ends the list.</summary>
    private static void Axes(GraphEmitter graph, NodeProto node, params string[] names)
    {
        foreach (string name in names)
            if (Take(node, name) is { } values) node.Input.Add(graph.Longs([.. values.Ints]));
    }

    private static void Pads(GraphEmitter graph, NodeProto node)
    {
        node.Input.Add(graph.Longs([.. Take(node, "pads")?.Ints ?? []]));
        if (Take(node, "value") is { } value) node.Input.Add(graph.Scalar(value.F));
    }

    /// <summary>Softmax over all axes from the given one on: of the matrix that flattening there gives.</summary>
    private static void Flattened(GraphEmitter graph, NodeProto node)
    {
        long axis = Take(node, "axis")?.I ?? 1;
        string x = node.Input[0], y = node.Output[0];
        node.Input[0] = graph.Node("Flatten", [x], Attributes.Of("axis", axis));
        node.Output[0] = graph.NewName("rows");
        node.Attribute.Add(Attributes.Of("axis", -1));
        graph.NodeNamed(y, "Reshape", [node.Output[0], graph.Node("Shape", [x])]);
    }

    /// <summary>Upsample and the first Resize took what later has the coordinates "asymmetric" and rounds down.</summary>
    private static void Resize(NodeProto node, string scales)
    {
        string x = node.Input[0];
        node.OpType = "Resize";
        node.Input.Clear();
        node.Input.AddRange([x, "", scales]);
        node.Attribute.AddRange([Attributes.Of("coordinate_transformation_mode", "asymmetric"), Attributes.Of("nearest_mode", "floor")]);
    }
}
