namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>A tensor that a layer wants.</summary>
/// <param name="Name">Its name in torch's layer.</param>
/// <param name="Value">Its values; null for the counter of batches, which no graph has.</param>
/// <param name="Shape">Its shape in torch.</param>
/// <param name="IsParameter">Whether it is trained.</param>
/// <param name="Transpose">Whether it is the constant transposed.</param>
internal sealed record LayerTensor(
    string Name,
    Constant? Value,
    IReadOnlyList<long> Shape,
    bool IsParameter = true,
    bool Transpose = false
);
