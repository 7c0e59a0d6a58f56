namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// How one training step of our own engine compares with PyTorch's on the archive of the same model. Errors are
/// relative to the largest gradient of the tensor.
/// </summary>
/// <param name="Tensors">Parameter tensors compared: all that the archive has.</param>
/// <param name="Loss">Our loss.</param>
/// <param name="TorchLoss">PyTorch's.</param>
/// <param name="DoubleLoss">PyTorch's in float64.</param>
/// <param name="Worst">The tensor in which our gradient is furthest from float64.</param>
/// <param name="Error">How far.</param>
/// <param name="TorchError">The largest such error of PyTorch in float32.</param>
/// <param name="Difference">Largest difference of our gradients from PyTorch's in float32.</param>
internal sealed record StepComparison(
    int Tensors,
    double Loss,
    double TorchLoss,
    double DoubleLoss,
    string Worst,
    double Error,
    double TorchError,
    double Difference
);
