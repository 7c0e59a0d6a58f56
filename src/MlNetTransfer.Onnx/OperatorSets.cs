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
            (9, "BatchNormalization Upsample"),
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
