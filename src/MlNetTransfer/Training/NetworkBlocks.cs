using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

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
        foreach (NodeProto node in model.TopologicalOrder().Where(GraphPath.Carries))
            if (Subgraphs.NeededBy(node).Any(reached.Contains))
                reached.UnionWith(node.Output.Where(o => o.Length > 0 && o != without));
        return reached;
    }
}
