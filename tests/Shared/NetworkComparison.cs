namespace MlNetTransfer.Tests.Shared;

/// <summary>How the gradients of one network compare with PyTorch's in float64.</summary>
/// <param name="Name">Name of the network.</param>
/// <param name="Tensors">Parameter tensors.</param>
/// <param name="Parameters">Their elements.</param>
/// <param name="Worst">The tensor with the largest error.</param>
/// <param name="Error">Its error, relative to the tensor's largest gradient.</param>
/// <param name="PeerError">The largest such error of PyTorch in float32.</param>
/// <param name="Operators">Operators of the exported network.</param>
internal sealed record NetworkComparison(string Name, int Tensors, long Parameters, string Worst, double Error, double PeerError, IReadOnlyList<string> Operators);
