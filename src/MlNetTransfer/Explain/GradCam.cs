using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Heads;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Explain;

/// <summary>
/// Grad-CAM (Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, 2017)
/// of a model file, through its head. Not thread-safe.
/// </summary>
/// <remarks>
/// With A the map [channels × cells] that the head sees and y the logit of a class: <c>α = mean over cells of
/// ∂y/∂A</c>,
/// <c>map = ReLU(Σ α·A)</c>. A head on several taps sees several maps. What reaches the logit through each is told
/// apart, and the maps, which are evidence per area, are added before the ReLU. Under a linear head on pooled features
/// the sum over an area is then exactly what the area adds to the logit. A channel whose gradient is not finite counts
/// as nothing: the root of a kernel head has none at 0, where the channel is 0 throughout.
/// </remarks>
internal sealed class GradCam : IDisposable
{
    private readonly IReadOnlyList<ProbedTensor> maps;
    private readonly OrtSession session;
    private readonly int classes;
    private readonly string logits;

    /// <summary>Opens a model.</summary>
    /// <param name="onnx">The model file's graph.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="GraphException">The network has no map of places, or the way from it to the logits cannot be
    /// differentiated; the message says why.</exception>
    public GradCam(OnnxModel onnx, int classes)
    {
        this.classes = classes;
        NodeProto probabilities = onnx.Nodes.Single(n => n.Output.Contains(TransferModel.ProbabilitiesOutput));
        if (probabilities.OpType != "Softmax")
            throw new GraphException(
                $"The probabilities are made by {probabilities.OpType}, not by a softmax of logits."
            );
        logits = probabilities.Input[0];
        maps = FinalMaps.Of(onnx, logits);
        session = new OrtSession(
            ProbedGraph.Of(onnx, logits, maps).ToBytes(),
            OrtSettings.Default,
            "the graph of the gradient"
        );
    }

    /// <summary>The evidence for a class.</summary>
    /// <param name="inputs">The graph's inputs for one image, by name.</param>
    /// <param name="label">The class.</param>
    /// <returns>Where, and the probability of the class.</returns>
    public (Heatmap Map, float Probability) Explain(IReadOnlyDictionary<string, OrtValue> inputs, int label)
    {
        var one = new float[classes];
        one[label] = 1;
        var fed = new Dictionary<string, OrtValue>(inputs);
        List<OrtValue> made = [];
        try
        {
            Feed(ProbedGraph.OutputGradient, one, 1, classes);
            foreach (ProbedTensor map in maps)
                Feed(ProbedGraph.Probe(map), new float[map.Shape.Aggregate(1L, (a, b) => a * b)], [.. map.Shape]);
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                fed,
                [.. maps.SelectMany(m => new[] { ProbedGraph.Value(m), ProbedGraph.Gradient(m) }), logits]
            );
            return (Sum(results), Probability(results[^1].GetTensorDataAsSpan<float>(), label));
        }
        finally
        {
            foreach (OrtValue value in made)
                value.Dispose();
        }

        void Feed(string name, float[] values, params long[] shape)
        {
            fed[name] = OrtValue.CreateTensorValueFromMemory(values, shape);
            made.Add(fed[name]);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => session.Dispose();

    private static float Probability(ReadOnlySpan<float> logits, int label)
    {
        float[] probabilities = logits.ToArray();
        Softmax.InPlace(probabilities);
        return probabilities[label];
    }

    private Heatmap Sum(IReadOnlyList<OrtValue> results)
    {
        int rows = (int)maps.Max(m => m.Shape[2]),
            columns = (int)maps.Max(m => m.Shape[3]);
        var sum = new float[rows * columns];
        for (int m = 0; m < maps.Count; m++)
        {
            int height = (int)maps[m].Shape[2],
                width = (int)maps[m].Shape[3];
            float[] map = Weighted(
                results[2 * m].GetTensorDataAsSpan<float>(),
                results[(2 * m) + 1].GetTensorDataAsSpan<float>(),
                (int)maps[m].Shape[1],
                height * width
            );
            float[] fitted = Resampled.To(map, height, width, rows, columns);
            for (int i = 0; i < sum.Length; i++)
                sum[i] += fitted[i];
        }

        return new Heatmap(rows, columns, sum);
    }

    /// <summary>Σ over channels of (sum of the gradient over cells) · A: evidence per area, not per cell.</summary>
    private static float[] Weighted(ReadOnlySpan<float> map, ReadOnlySpan<float> gradient, int channels, int cells)
    {
        var weighted = new float[cells];
        for (int channel = 0; channel < channels; channel++)
        {
            double weight = 0;
            foreach (float slope in gradient.Slice(channel * cells, cells))
                weight += slope;
            if (!double.IsFinite(weight))
                continue;
            for (int cell = 0; cell < cells; cell++)
                weighted[cell] += (float)(weight * map[(channel * cells) + cell]);
        }

        return weighted;
    }
}
