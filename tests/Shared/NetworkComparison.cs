namespace MlNetTransfer.Tests.Shared;

/// <summary>How the gradients of one network compare with PyTorch's in float64.</summary>
/// <param name="Name">Name of the network.</param>
/// <param name="Tensors">Parameter tensors compared; the input is compared too.</param>
/// <param name="Renamed">Parameter tensors that the export has not under their names.</param>
/// <param name="Parameters">Their elements.</param>
/// <param name="Worst">The tensor with the largest error.</param>
/// <param name="Error">Its error, relative to the tensor's largest gradient.</param>
/// <param name="PeerError">The largest such error of PyTorch in float32.</param>
/// <param name="Inputs">Inputs tried: 2 where the first gave a large error.</param>
/// <param name="Operators">Operators of the exported network.</param>
internal sealed record NetworkComparison(
    string Name,
    int Tensors,
    int Renamed,
    long Parameters,
    string Worst,
    double Error,
    double PeerError,
    int Inputs,
    IReadOnlyList<string> Operators
);
