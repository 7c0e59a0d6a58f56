namespace MlNetTransfer.Backbones.Onnx;

/// <summary>A waypoint that may become a tap.</summary>
/// <param name="Index">Index of the waypoint.</param>
/// <param name="Stage">Which resolution it belongs to, from 0.</param>
/// <param name="Keep">It is never dropped to keep the list short.</param>
internal readonly record struct TapCandidate(int Index, int Stage, bool Keep);
