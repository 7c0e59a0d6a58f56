using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>A tensor that every path from the image to the output passes through.</summary>
/// <param name="Tensor">Its name.</param>
/// <param name="Segment">The nodes between the waypoint before and this one, in topological order; the last makes the
/// tensor.</param>
internal sealed record Waypoint(string Tensor, IReadOnlyList<NodeProto> Segment)
{
    /// <summary>The node that makes the tensor.</summary>
    public NodeProto Producer => Segment[^1];
}
