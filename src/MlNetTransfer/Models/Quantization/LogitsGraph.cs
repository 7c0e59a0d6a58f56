using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Models.Quantization;

/// <summary>
/// Runs a model up to what its softmax reads: probabilities near 0 and 1 hide errors that logits show.
/// </summary>
internal static class LogitsGraph
{
    /// <summary>The logits of images [images × classes].</summary>
    public static float[] Run(
        OnnxModel model,
        IReadOnlyList<float[]> tensors,
        Preprocessing preprocessing,
        CancellationToken cancellation
    )
    {
        NodeProto last = model.Nodes.Single(n => n.Output.Contains(TransferModel.ProbabilitiesOutput));
        string logits = last.OpType == "Softmax" ? last.Input[0] : TransferModel.ProbabilitiesOutput;
        using var graph = new ImageGraph(model.CutAt(logits).ToBytes(), logits, preprocessing);
        using ImageGraphWorker worker = graph.CreateWorker();
        var rows = new float[tensors.Count * graph.OutputWidth];
        for (int i = 0; i < tensors.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            worker.Run(tensors[i], rows.AsSpan(i * graph.OutputWidth, graph.OutputWidth));
        }

        return rows;
    }
}
