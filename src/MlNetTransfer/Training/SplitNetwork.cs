using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Training;

/// <summary>A backbone cut in two at a freeze boundary.</summary>
/// <remarks>
/// A row at the boundary is the boundary tensor, flattened, of texts followed by their mask, and by the pooled
/// features of the taps that are computed without it. Where nothing is frozen there is no prefix, and a row is the
/// preprocessed image itself, or the text's token numbers.
/// </remarks>
internal sealed class SplitNetwork
{
    /// <summary>Name of the prefix's output and of the suffix's input.</summary>
    public const string Boundary = "boundary";

    private SplitNetwork(OnnxModel? prefix, OnnxModel suffix, int rowLength) =>
        (Prefix, Suffix, RowLength) = (prefix, suffix, rowLength);

    /// <summary>Image [N, 3, H, W] to row [N × <see cref="RowLength"/>]; null where nothing is frozen.</summary>
    public OnnxModel? Prefix { get; }

    /// <summary>
    /// Row [N × <see cref="RowLength"/>], or image [N, 3, H, W] without a prefix, to features [N × width] named
    /// <see cref="FeatureGraph.Output"/>.
    /// </summary>
    public OnnxModel Suffix { get; }

    /// <summary>Numbers of a row.</summary>
    public int RowLength { get; }

    /// <summary>Cuts a backbone.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Tensors that features are taken from.</param>
    /// <param name="boundary">The tensor to cut at, one of the blocks' ends; null to freeze nothing.</param>
    /// <exception cref="TransferException">The tensor is not float32 or its size is not fixed.</exception>
    public static SplitNetwork At(OnnxModel backbone, IReadOnlyList<string> taps, string? boundary)
    {
        OnnxModel features = FeatureGraph.Build(backbone, taps);
        if (boundary is null)
            return new SplitNetwork(
                null,
                features,
                Length(TensorShape.From(features.Inputs.Single())!, features.Inputs.Single().Name)
            );
        OnnxModel cut = backbone.CutAt([.. taps, boundary]);
        HashSet<string> through = CutPoint.Reached(cut, [boundary]);
        string[] lower = [.. taps.Where(tap => !through.Contains(tap))];
        string[] masks = cut.Nodes.Any(n => n.Output.Contains(TextGraph.Mask)) ? [TextGraph.Mask] : [];
        Dictionary<string, TensorShape> shapes = Shapes(cut, [boundary, .. masks, .. lower]);
        if (shapes[boundary].ElementType != DataType.Float)
            throw new TransferException(
                $"The tensor '{boundary}' at the freeze boundary is {shapes[boundary]}; Float was expected. Freeze "
                    + $"another number of blocks."
            );
        int[] widths =
        [
            Length(shapes[boundary], boundary),
            .. masks.Select(mask => Length(shapes[mask], mask)),
            .. lower.Select(tap => Width(shapes[tap], tap)),
        ];
        return new SplitNetwork(
            PrefixOf(cut, boundary, masks, lower),
            SuffixOf(features, boundary, masks, lower, shapes, widths),
            widths.Sum()
        );
    }

    /// <summary>Shapes for any number of items; what is not inferred is found by a run of one.</summary>
    private static Dictionary<string, TensorShape> Shapes(OnnxModel cut, string[] tensors)
    {
        Dictionary<string, TensorShape> shapes = new(TensorShapes.Of(cut, tensors));
        string[] open =
        [
            .. tensors.Where(t => shapes[t].Rank < 2 || shapes[t].Dimensions.Skip(1).Any(d => d.Size is null)),
        ];
        if (open.Length == 0)
            return shapes;
        foreach ((string tensor, TensorShape shape) in StaticShapes.Of(BatchSize.Fix(cut, 1), open))
            shapes[tensor] = shape with { Dimensions = ["N", .. shape.Dimensions.Skip(1)] };
        return shapes;
    }

    private static OnnxModel PrefixOf(OnnxModel cut, string boundary, string[] masks, string[] lower)
    {
        (OnnxModel model, _) = cut.WithFreeName(Boundary);
        List<NodeProto> nodes = [];
        string flat = model.UniqueName("boundary_flat");
        nodes.Add(
            new NodeProto
            {
                OpType = "Flatten",
                Name = flat,
                Input = { boundary },
                Output = { flat },
                Attribute = { Attributes.Of("axis", 1) },
            }
        );
        if (lower.Length + masks.Length == 0)
        {
            nodes[0].Output[0] = Boundary;
            return model.Append(nodes).CutAt(Boundary);
        }

        List<string> parts = [flat];
        foreach (string mask in masks)
        {
            parts.Add(model.UniqueName("boundary_mask"));
            nodes.Add(Cast(mask, parts[^1], DataType.Float));
        }

        OnnxModel both = model;
        if (lower.Length > 0)
        {
            OnnxModel pooled = FeatureGraph.Build(cut, lower);
            both = model.With(proto =>
            {
                // The features of the lower taps bring their own few nodes beside those they share with the boundary.
                HashSet<string> there = [.. proto.Graph.Node.SelectMany(n => n.Output)];
                proto.Graph.Node.AddRange(
                    pooled.Nodes.Where(n => !n.Output.Any(there.Contains)).Select(n => n.Clone())
                );
            });
            parts.Add(FeatureGraph.Output);
        }

        nodes.Add(
            new NodeProto
            {
                OpType = "Concat",
                Name = Boundary,
                Input = { parts },
                Output = { Boundary },
                Attribute = { Attributes.Of("axis", 1) },
            }
        );
        return both.Append(nodes).CutAt(Boundary);
    }

    private static OnnxModel SuffixOf(
        OnnxModel features,
        string boundary,
        string[] masks,
        string[] lower,
        Dictionary<string, TensorShape> shapes,
        int[] widths
    )
    {
        OnnxModel model = features.OpsetVersion() < 13 ? OperatorSetUpgrade.To(features, 13) : features;
        string input = model.UniqueName(Boundary);
        string[] tensors = [boundary, .. masks, .. lower];
        OnnxModel suffix = model
            .With(proto =>
            {
                foreach (NodeProto node in proto.Graph.Node)
                    for (int i = 0; i < node.Output.Count; i++)
                        if (tensors.Contains(node.Output[i]))
                            node.Output[i] += "/before_boundary";
                proto.Graph.Input.Add(
                    new TensorShape(
                        DataType.Float,
                        [new Dimension(null, "N"), new Dimension(widths.Sum())]
                    ).ToValueInfo(input)
                );
                int start = 0;
                for (int i = 0; i < tensors.Length; i++)
                {
                    bool isMask = masks.Contains(tensors[i]);
                    string number = isMask ? $"{tensors[i]}/number" : tensors[i];
                    if (isMask)
                        proto.Graph.Node.Add(Cast(number, tensors[i], DataType.Int64));
                    AddPart(
                        proto.Graph,
                        input,
                        number,
                        start,
                        widths[i],
                        widths.Length == 1,
                        i == 0 ? Sizes(shapes[boundary])
                            : shapes[tensors[i]].Rank == 4 ? [-1, widths[i], 1, 1]
                            : [-1, widths[i]]
                    );
                    start += widths[i];
                }
            })
            .CutAt(FeatureGraph.Output);
        string[] others = [.. suffix.Inputs.Select(i => i.Name).Where(n => n != input)];
        return others.Length == 0
            ? suffix
            : throw new TransferException(
                $"The network cannot be cut at '{boundary}': above it, {string.Join(", ", others)} is needed again. "
                    + "Freeze another number of blocks."
            );
    }

    private static NodeProto Cast(string from, string to, DataType type) =>
        new()
        {
            OpType = "Cast",
            Name = to,
            Input = { from },
            Output = { to },
            Attribute = { Attributes.Of("to", (long)type) },
        };

    /// <summary>
    /// A part of the row as the tensor it was; a pooled tap becomes a map of one position, whose mean is itself.
    /// </summary>
    private static void AddPart(
        GraphProto graph,
        string input,
        string tensor,
        int start,
        int width,
        bool whole,
        long[] shape
    )
    {
        string part = input;
        if (!whole)
        {
            part = $"{tensor}/part";
            graph.Initializer.AddRange([
                TensorData.Longs($"{part}/start", [start], 1),
                TensorData.Longs($"{part}/end", [start + width], 1),
                TensorData.Longs($"{part}/axis", [1], 1),
            ]);
            graph.Node.Add(
                new NodeProto
                {
                    OpType = "Slice",
                    Name = part,
                    Input = { input, $"{part}/start", $"{part}/end", $"{part}/axis" },
                    Output = { part },
                }
            );
        }

        graph.Initializer.Add(TensorData.Longs($"{tensor}/shape", shape, shape.Length));
        graph.Node.Add(
            new NodeProto
            {
                OpType = "Reshape",
                Name = $"{tensor}/at_boundary",
                Input = { part, $"{tensor}/shape" },
                Output = { tensor },
            }
        );
    }

    private static long[] Sizes(TensorShape shape) => [-1, .. shape.Dimensions.Skip(1).Select(d => d.Size!.Value)];

    private static int Length(TensorShape shape, string tensor)
    {
        if (shape.Rank < 2 || shape.Dimensions.Skip(1).Any(d => d.Size is null))
            throw new TransferException(
                $"The tensor '{tensor}' at the freeze boundary is {shape}; all sizes but the first must be fixed. "
                    + $"Freeze another number of blocks, or export the model with a fixed image size."
            );
        return checked((int)shape.Dimensions.Skip(1).Aggregate(1L, (a, d) => a * d.Size!.Value));
    }

    private static int Width(TensorShape shape, string tap) =>
        shape.Dimensions is [_, { Size: { } width }, ..]
            ? (int)width
            : throw new TransferException($"The tap '{tap}' is {shape}; the number of its features must be fixed.");
}
