using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Layers;

namespace MlNetTransfer.Onnx.Torch.Operators;

/// <summary>BatchNormalization, in training mode or not: in torch train() and eval() decide.</summary>
internal sealed class BatchNormalizationOperator : ITorchOperator
{
    private static readonly string[] Names = ["weight", "bias", "running_mean", "running_var"];

    public IReadOnlyList<string> Operators { get; } = ["BatchNormalization"];

    public void Convert(TorchNode node)
    {
        Constant[] values =
        [
            .. Enumerable
                .Range(1, 4)
                .Select(i => node.Constant(i) ?? throw node.Unsupported($"computed {Names[i - 1]}")),
        ];
        long features = values[0].Count;
        LayerTensor[] tensors =
        [
            .. values.Select((v, i) => new LayerTensor(Names[i], v, [features], IsParameter: i < 2)),
            new LayerTensor("num_batches_tracked", null, [], IsParameter: false),
        ];
        // ONNX weighs the old statistics, torch the new ones.
        double momentum = Math.Round(1 - (double)node.Float("momentum", 0.9f), 6);
        node.Layer(
            new BatchNormLayer(features, node.Rank, node.Float("epsilon", 1e-5f), momentum),
            node.Value(0),
            tensors,
            "bn"
        );
    }
}
