using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Quantization;

/// <summary>A quantised model and what it costs and gains.</summary>
/// <param name="Onnx">The model: same inputs, outputs and metadata as the float one, and the entry
/// <see cref="Int8Metadata.Key"/>. <see cref="OnnxModel.Save"/> writes it, <see cref="TransferModel.Load"/> reads
/// it.</param>
/// <param name="Report">Measured on held-out images.</param>
public sealed record Int8Model(OnnxModel Onnx, QuantizationReport Report);
