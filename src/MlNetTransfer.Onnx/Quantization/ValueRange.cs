namespace MlNetTransfer.Onnx.Quantization;

/// <summary>The values that a tensor is quantised for.</summary>
/// <param name="Low">Least value, included.</param>
/// <param name="High">Greatest value, included.</param>
public readonly record struct ValueRange(float Low, float High);
