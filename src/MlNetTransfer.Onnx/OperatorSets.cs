using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Versions of ONNX's default operator set at which operators appeared, or changed the form of their inputs and
/// attributes, so that a node written before reads differently after. Source: the ONNX operator changelog. Operators
/// that are not listed appeared at version 6 or before.
/// </summary>
internal static class OperatorSets
{
    private static readonly Dictionary<string, int> Appeared = Table(
        (7, "Acos Asin Atan Cos Multinomial Sin Tan"),
        (8, "Expand Scan"),
        (
            9,
            "Acosh Asinh Atanh Compress ConstantOfShape Cosh Erf EyeLike IsNaN MaxUnpool MeanVarianceNormalization "
                + "NonZero OneHot Scatter Shrink Sign Sinh TfIdfVectorizer Where"
        ),
        (
            10,
            "ConvInteger DequantizeLinear IsInf MatMulInteger Mod NonMaxSuppression QLinearConv QLinearMatMul "
                + "QuantizeLinear Resize ReverseSequence RoiAlign StringNormalizer ThresholdedRelu"
        ),
        (
            11,
            "BitShift ConcatFromSequence CumSum Det DynamicQuantizeLinear GatherElements GatherND Range Round "
                + "ScatterElements ScatterND SequenceAt SequenceConstruct SequenceEmpty SequenceErase "
                + "SequenceInsert SequenceLength SplitToSequence Unique"
        ),
        (12, "Celu Einsum GreaterOrEqual LessOrEqual NegativeLogLikelihoodLoss SoftmaxCrossEntropyLoss"),
        (14, "HardSwish Trilu"),
        (15, "Bernoulli CastLike Optional OptionalGetElement OptionalHasElement"),
        (16, "GridSample"),
        (17, "BlackmanWindow DFT HammingWindow HannWindow LayerNormalization MelWeightMatrix STFT SequenceMap"),
        (18, "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im GroupNormalization Mish"),
        (19, "DeformConv"),
        (20, "AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit"),
        (23, "Attention RMSNormalization RotaryEmbedding")
    );

    private static readonly ILookup<string, int> ChangedForm = Lines(
            (7, "Add And BatchNormalization Div Dropout Equal Greater Less Mul Or Pow PRelu Sub Upsample Xor"),
            (9, "BatchNormalization Scan Upsample"),
            (10, "Dropout Resize Slice TopK Upsample"),
            (11, "Clip Pad Resize TopK"),
            (12, "Dropout"),
            (13, "LogSoftmax ReduceSum Softmax Split Squeeze Unsqueeze"),
            (14, "BatchNormalization"),
            (
                18,
                "GroupNormalization ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin "
                    + "ReduceProd ReduceSumSquare Resize Split"
            ),
            (20, "DFT"),
            (21, "GroupNormalization")
        )
        .ToLookup(e => e.Operator, e => e.Version);

    /// <summary>Refuses a node whose operator appeared after the given version.</summary>
    public static void Require(NodeProto node, int version)
    {
        if (!IsDefault(node.Domain) || !Appeared.TryGetValue(node.OpType, out int first) || first <= version)
            return;
        throw new GraphException(
            $"{NodeOrder.Describe(node)} needs operator set {first}; the model has {version}. Raise it first with "
                + $"{nameof(OnnxModel)}.{nameof(OnnxModel.WithOpset)}({first}), or write the node with older operators."
        );
    }

    /// <summary>Refuses a node that is read differently under the two versions.</summary>
    public static void SameForm(NodeProto node, int from, int to)
    {
        if (!IsDefault(node.Domain))
            return;
        int change = ChangedForm[node.OpType].FirstOrDefault(v => v > Math.Min(from, to) && v <= Math.Max(from, to));
        if (change != 0)
            throw new GraphException(
                $"{NodeOrder.Describe(node)} was written for operator set {from}; {node.OpType} changed its form at "
                    + $"{change}, so it cannot be read under {to} as it is. Export the model with operator set {to}."
            );
    }

    public static bool IsDefault(string domain) => domain is "" or "ai.onnx";

    private static IEnumerable<(string Operator, int Version)> Lines(params (int Version, string Operators)[] lines) =>
        lines.SelectMany(l => l.Operators.Split(' ').Select(o => (o, l.Version)));

    private static Dictionary<string, int> Table(params (int Version, string Operators)[] lines) =>
        Lines(lines).ToDictionary(e => e.Operator, e => e.Version);
}

/// <summary>
/// Rewrites nodes of operator sets 7 to 17 in the form they have at a later one, up to 18: attributes that became
/// inputs, softmax over flattened axes, Upsample, sizes that Split has to state. Gradients so know one form only, and
/// exports state one operator set. Source: the ONNX operator changelog.
/// </summary>
internal sealed class OperatorSetUpgrade
{
    private const int Oldest = 7;
    private readonly GraphProto graph;
    private readonly int from,
        to;
    private readonly HashSet<string> taken;
    private readonly List<NodeProto> nodes = [];

    private OperatorSetUpgrade(GraphProto graph, int from, int to) =>
        (this.graph, this.from, this.to, taken) = (graph, from, to, [.. Subgraphs.DefinedAnywhere(graph)]);

    /// <summary>The model at the given operator set or its own, whichever is later.</summary>
    /// <exception cref="GraphException">A node has a form that cannot be rewritten; the message names it.</exception>
    public static OnnxModel To(OnnxModel model, int version)
    {
        int current = model.OpsetVersion();
        if (current >= version || current < Oldest)
            return model.WithOpset(version);
        return model
            .WithConstantWeights()
            .With(proto =>
            {
                OperatorSetUpgrade upgrade = new(proto.Graph, current, version);
                foreach (NodeProto node in proto.Graph.Node.ToArray())
                    upgrade.Visit(node);
                proto.Graph.Node.Clear();
                proto.Graph.Node.AddRange(upgrade.nodes);
                foreach (OperatorSetIdProto import in proto.OpsetImport.Where(o => OperatorSets.IsDefault(o.Domain)))
                    import.Version = version;
            });
    }

    private void Visit(NodeProto node)
    {
        if (!OperatorSets.IsDefault(node.Domain) || !Rewrite(node))
            foreach (NodeProto same in Subgraphs.Of(node).SelectMany(g => g.Node).Prepend(node))
                OperatorSets.SameForm(same, from, to);
        nodes.Add(node);
    }

    /// <returns>Whether the node now has the form of the later set.</returns>
    private bool Rewrite(NodeProto node)
    {
        switch (node.OpType)
        {
            case "BatchNormalization":
                PerChannel(node);
                Statistics(node);
                return true;
            case "Clip" when from < 11:
                Inputs(node, Scalar(node, "min"), Scalar(node, "max"));
                return true;
            case "Dropout" when from < 12:
                Inputs(node, Scalar(node, "ratio"));
                return true;
            case "LogSoftmax" or "Softmax" when from < 13:
                Flattened(node);
                return true;
            case "Scatter" when to >= 11:
                // Renamed in set 11, where ScatterElements does the same.
                node.OpType = "ScatterElements";
                return true;
            case "Pad" when from < 11:
                Inputs(node, Longs(node, "pads"), Scalar(node, "value"));
                return true;
            case "ReduceL1"
            or "ReduceL2"
            or "ReduceLogSum"
            or "ReduceLogSumExp"
            or "ReduceMax"
            or "ReduceMean"
            or "ReduceMin"
            or "ReduceProd"
            or "ReduceSumSquare" when to >= 18:
                Inputs(node, Longs(node, "axes"));
                return true;
            case "ReduceSum" or "Squeeze" or "Unsqueeze" when from < 13:
                Inputs(node, Longs(node, "axes"));
                return true;
            case "Resize" when from < 11:
                Resize(node, node.Input[1]);
                return true;
            case "Slice" when from < 10:
                Inputs(node, Longs(node, "starts"), Longs(node, "ends"), Longs(node, "axes"));
                return true;
            case "Resize" when to >= 18:
                SizesOrScales(node);
                return true;
            case "Split":
                Split(node);
                return true;
            case "TopK" when from >= 10:
                return true;
            case "Upsample":
                Resize(
                    node,
                    from < 9
                        ? Constant(
                            node,
                            "scales",
                            name =>
                                TensorData.Floats(
                                    name,
                                    [.. Take(node, "scales")!.Floats],
                                    Take(node, "scales", remove: true)!.Floats.Count
                                )
                        )
                        : node.Input[1]
                );
                return true;
            default:
                return false;
        }
    }

    private static void Inputs(NodeProto node, params IEnumerable<string> inputs)
    {
        node.Input.AddRange(inputs);
        while (node.Input[^1].Length == 0)
            node.Input.RemoveAt(node.Input.Count - 1);
    }

    /// <summary>
    /// Before 9 statistics could also be kept per position; per channel, as everybody has them, has no attribute since.
    /// </summary>
    private void PerChannel(NodeProto node)
    {
        if (from < 9 && Take(node, "spatial", remove: true)?.I == 0)
            throw new GraphException(
                $"{NodeOrder.Describe(node)} of operator set {from} has spatial 0, statistics per position, which "
                    + $"later sets do not have. Export the model with spatial 1."
            );
    }

    /// <summary>Only statistics that nothing reads may go: they were those of the batch.</summary>
    private void Statistics(NodeProto node)
    {
        if (
            node
                .Output.Skip(1)
                .FirstOrDefault(o => o.Length > 0 && graph.Node.SelectMany(Subgraphs.NeededBy).Contains(o)) is
            { } used
        )
            throw new GraphException(
                $"{NodeOrder.Describe(node)} of operator set {from} gives the statistic '{used}' to other nodes, "
                    + $"which only a training graph of another framework does. Export the model for inference."
            );
        while (node.Output.Count > 1)
            node.Output.RemoveAt(node.Output.Count - 1);
    }

    /// <summary>Before 13, axes from the given one on were one axis.</summary>
    private void Flattened(NodeProto node)
    {
        long axis = Take(node, "axis", remove: true)?.I ?? 1;
        node.Attribute.Add(Attributes.Of("axis", -1));
        if (axis == -1)
            return;
        string x = node.Input[0],
            y = node.Output[0],
            shape = Name($"{y}/shape"),
            flat = Name($"{y}/flat");
        (node.Input[0], node.Output[0]) = (flat, Name($"{y}/softmax"));
        nodes.Add(
            new NodeProto
            {
                OpType = "Shape",
                Name = shape,
                Input = { x },
                Output = { shape },
            }
        );
        nodes.Add(
            new NodeProto
            {
                OpType = "Flatten",
                Name = flat,
                Input = { x },
                Output = { flat },
                Attribute = { Attributes.Of("axis", axis) },
            }
        );
        nodes.Add(node.Clone());
        (node.OpType, node.Name) = ("Reshape", Name($"{y}/reshape"));
        (string softmax, node.Output[0]) = (node.Output[0], y);
        node.Attribute.Clear();
        node.Input.Clear();
        node.Input.AddRange([softmax, shape]);
    }

    /// <summary>
    /// Before 13 a Resize by sizes had scales all the same: an empty tensor, which 18 takes for a second way of giving
    /// the size.
    /// </summary>
    private void SizesOrScales(NodeProto node)
    {
        if (Take(node, "coordinate_transformation_mode")?.S.ToStringUtf8() is "tf_half_pixel_for_nn")
            throw new GraphException(
                $"{NodeOrder.Describe(node)} of operator set {from} uses the coordinates 'tf_half_pixel_for_nn', "
                    + $"which later sets do not have. Export the model with operator set {to}."
            );
        if (node.Input.Count == 4 && graph.Initializer.Any(i => i.Name == node.Input[2] && i.Dims.Contains(0)))
            node.Input[2] = "";
    }

    /// <summary>Before 13 the sizes were an attribute; from 18 equal parts are asked for by their number.</summary>
    private void Split(NodeProto node)
    {
        if (from < 13)
            Inputs(node, Longs(node, "split"));
        if (to >= 18 && (node.Input.Count < 2 || node.Input[1].Length == 0))
            node.Attribute.Add(Attributes.Of("num_outputs", node.Output.Count));
    }

    private static void Resize(NodeProto node, string scales)
    {
        node.OpType = "Resize";
        string x = node.Input[0];
        node.Input.Clear();
        node.Input.AddRange([x, "", scales]);
        node.Attribute.AddRange([
            Attributes.Of("coordinate_transformation_mode", "asymmetric"),
            Attributes.Of("nearest_mode", "floor"),
        ]);
    }

    private string Scalar(NodeProto node, string name) =>
        Take(node, name, remove: true) is { } value ? Constant(node, name, n => TensorData.Floats(n, [value.F])) : "";

    private string Longs(NodeProto node, string name) =>
        Take(node, name, remove: true) is { } value
            ? Constant(node, name, n => TensorData.Longs(n, [.. value.Ints], value.Ints.Count))
            : "";

    private string Constant(NodeProto node, string name, Func<string, TensorProto> make)
    {
        string free = Name($"{node.Output[0]}/{name}");
        graph.Initializer.Add(make(free));
        return free;
    }

    private string Name(string wanted)
    {
        string free = NameAllocator.First(wanted, taken);
        taken.Add(free);
        return free;
    }

    private static AttributeProto? Take(NodeProto node, string name, bool remove = false)
    {
        AttributeProto? attribute = node.Attribute.FirstOrDefault(a => a.Name == name);
        if (remove && attribute is not null)
            node.Attribute.Remove(attribute);
        return attribute;
    }
}
