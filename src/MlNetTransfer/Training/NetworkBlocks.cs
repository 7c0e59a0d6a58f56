using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Training;

/// <summary>The blocks of a backbone from the image to its taps, found from the form of the graph alone.</summary>
/// <remarks>
/// Cut points are the tensors that every path from the image to the deepest tap passes through. What lies between two
/// of them and has several branches that meet again (a residual unit, an inception module) is a block; of a chain of
/// plain layers every three make one. Activations, poolings and the like belong to the block before them. A tensor past
/// which another tap can still be reached is no cut point.
/// </remarks>
public static class NetworkBlocks
{
    private const int LayersOfChain = 3;

    /// <summary>Finds the blocks.</summary>
    /// <param name="backbone">The backbone, with one input.</param>
    /// <param name="taps">Tensors that features are taken from, at least one.</param>
    /// <returns>The blocks from the image on; at least one.</returns>
    /// <exception cref="TransferException">No layer lies between image and taps.</exception>
    public static IReadOnlyList<NetworkBlock> Find(OnnxModel backbone, IReadOnlyList<string> taps)
    {
        OnnxModel model = backbone.CutAt(taps);
        string image = model.Inputs.Single().Name;
        string deepest = Deepest(model, taps);
        List<Piece> pieces = Grouped(Waypoints(model, image, deepest, taps), image);
        if (pieces.Count == 0)
            throw new TransferException(
                $"No layer with weights lies between the image and '{deepest}', so there is nothing to train. "
                    + $"Choose a later tap."
            );
        return WithParameters(pieces, model);
    }

    /// <summary>The tap that is computed last.</summary>
    internal static string Deepest(OnnxModel model, IReadOnlyList<string> taps) =>
        model.TopologicalOrder().SelectMany(n => n.Output).LastOrDefault(taps.Contains) ?? taps[^1];

    private static List<Waypoint> Waypoints(OnnxModel model, string image, string deepest, IReadOnlyList<string> taps)
    {
        List<Waypoint> found = [];
        List<NodeProto> open = [];
        foreach (Waypoint waypoint in GraphPath.Between(model, image, deepest).Waypoints)
        {
            open.AddRange(waypoint.Segment);
            if (waypoint.Tensor != deepest && !CutPoint.Separates(model, image, waypoint.Tensor, taps))
                continue;
            found.Add(new Waypoint(waypoint.Tensor, open));
            open = [];
        }

        return found;
    }

    private static List<Piece> Grouped(List<Waypoint> waypoints, string image)
    {
        List<Piece> pieces = [];
        Piece? open = null;
        string at = image;
        List<NodeProto> before = [];
        foreach (Waypoint waypoint in waypoints)
        {
            bool branches =
                waypoint.Segment.Count(TrainableWeights.IsLayer) > 1
                && waypoint.Producer.OpType is "Add" or "Sum" or "Concat";
            if (
                waypoint.Segment.Any(TrainableWeights.IsLayer)
                && (open is null || branches || open.Layers >= LayersOfChain)
            )
            {
                pieces.Add(open = new Piece(open is null ? image : at, before));
                before = [];
                open.Layers = branches ? LayersOfChain - 1 : 0;
            }

            if (open is null)
                before.AddRange(waypoint.Segment);
            else
                open.Take(waypoint);
            at = waypoint.Tensor;
        }

        return pieces;
    }

    private static List<NetworkBlock> WithParameters(List<Piece> pieces, OnnxModel model)
    {
        Dictionary<string, TensorProto> candidates = TrainableWeights.Candidates(model);
        HashSet<string> taken = [];
        List<NetworkBlock> blocks = [];
        bool afterLayer = false;
        foreach (Piece piece in pieces)
        {
            List<string> parameters = [];
            foreach (NodeProto node in piece.Nodes)
            {
                parameters.AddRange(TrainableWeights.Of(node, candidates, afterLayer).Where(taken.Add));
                afterLayer |= TrainableWeights.IsLayer(node);
            }

            blocks.Add(new NetworkBlock(piece.Start, piece.End, parameters));
        }

        return blocks;
    }

    private sealed class Piece(string start, List<NodeProto> nodes)
    {
        public string Start { get; } = start;

        public string End { get; private set; } = "";

        public List<NodeProto> Nodes => nodes;

        public int Layers { get; set; }

        public void Take(Waypoint waypoint)
        {
            nodes.AddRange(waypoint.Segment);
            if (waypoint.Segment.Any(TrainableWeights.IsLayer))
                Layers++;
            End = waypoint.Tensor;
        }
    }
}

/// <summary>A piece of a network between two tensors that everything passes through.</summary>
/// <param name="Start">The tensor it begins at: the image for the first block.</param>
/// <param name="End">The tensor it ends at.</param>
/// <param name="Parameters">Names of the float32 initializers that can be trained, each in the lowest block that uses
/// it.</param>
public sealed record NetworkBlock(string Start, string End, IReadOnlyList<string> Parameters);

/// <summary>Whether a graph with several outputs can be cut in two at one tensor.</summary>
internal static class CutPoint
{
    /// <summary>Each tap depends on the image either through the tensor alone or not through it at all.</summary>
    public static bool Separates(OnnxModel model, string image, string tensor, IReadOnlyList<string> taps)
    {
        HashSet<string> through = Reached(model, [tensor]),
            around = Reached(model, [image], tensor);
        return taps.All(tap => !through.Contains(tap) || tap == tensor || !around.Contains(tap));
    }

    /// <summary>
    /// Tensors that depend on the content of some tensors, those included, without going through one.
    /// </summary>
    public static HashSet<string> Reached(OnnxModel model, IEnumerable<string> from, string? without = null)
    {
        HashSet<string> reached = [.. from];
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.OpType is not ("Shape" or "Size")))
            if (Subgraphs.NeededBy(node).Any(reached.Contains))
                reached.UnionWith(node.Output.Where(o => o.Length > 0 && o != without));
        return reached;
    }
}

/// <summary>A backbone cut in two at a freeze boundary.</summary>
/// <remarks>
/// A row at the boundary is the boundary tensor, flattened, followed by the pooled features of the taps that are
/// computed without it. Where nothing is frozen there is no prefix, and a row is the preprocessed image itself.
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
        IReadOnlyDictionary<string, TensorShape> shapes = TensorShapes.Of(cut, [boundary, .. lower]);
        if (shapes[boundary].ElementType != DataType.Float)
            throw new TransferException(
                $"The tensor '{boundary}' at the freeze boundary is {shapes[boundary]}; Float was expected. Freeze "
                    + $"another number of blocks."
            );
        int[] widths = [Length(shapes[boundary], boundary), .. lower.Select(tap => Width(shapes[tap], tap))];
        return new SplitNetwork(
            PrefixOf(cut, boundary, lower),
            SuffixOf(features, boundary, lower, shapes, widths),
            widths.Sum()
        );
    }

    private static OnnxModel PrefixOf(OnnxModel cut, string boundary, string[] lower)
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
        if (lower.Length == 0)
        {
            nodes[0].Output[0] = Boundary;
            return model.Append(nodes).CutAt(Boundary);
        }

        OnnxModel pooled = FeatureGraph.Build(cut, lower);
        OnnxModel both = model.With(proto =>
        {
            // The features of the lower taps bring their own few nodes beside the ones they share with the boundary.
            HashSet<string> there = [.. proto.Graph.Node.SelectMany(n => n.Output)];
            proto.Graph.Node.AddRange(pooled.Nodes.Where(n => !n.Output.Any(there.Contains)).Select(n => n.Clone()));
        });
        nodes.Add(
            new NodeProto
            {
                OpType = "Concat",
                Name = Boundary,
                Input = { flat, FeatureGraph.Output },
                Output = { Boundary },
                Attribute = { Attributes.Of("axis", 1) },
            }
        );
        return both.Append(nodes).CutAt(Boundary);
    }

    private static OnnxModel SuffixOf(
        OnnxModel features,
        string boundary,
        string[] lower,
        IReadOnlyDictionary<string, TensorShape> shapes,
        int[] widths
    )
    {
        OnnxModel model = features.OpsetVersion() < 13 ? OperatorSetUpgrade.To(features, 13) : features;
        string input = model.UniqueName(Boundary);
        string[] tensors = [boundary, .. lower];
        return model
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
                    AddPart(
                        proto.Graph,
                        input,
                        tensors[i],
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
    }

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
