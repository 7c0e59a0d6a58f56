namespace MlNetTransfer.Onnx.Quantization;

/// <summary>A node with constant weights that can be run on bytes.</summary>
/// <param name="Name">Name of the node.</param>
/// <param name="OperatorType">Conv, Gemm or MatMul.</param>
/// <param name="WeightCount">Number of weights.</param>
public sealed record QuantizableLayer(string Name, string OperatorType, long WeightCount);
