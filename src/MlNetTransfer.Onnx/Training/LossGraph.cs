using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Training;

/// <summary>What is minimised, as a graph: Σ objective's weight · Σ row weight · loss of the row.</summary>
internal static class LossGraph
{
    /// <summary>Appends the sum [1], under its name, and its gradients by the logits.</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="objectives">The objectives.</param>
    /// <param name="shapes">Their logits, targets and columns, in the same order.</param>
    /// <returns>Name of each logits' gradient [N, C], summed where objectives share the logits.</returns>
    public static Dictionary<string, string> Append(
        GraphEmitter graph,
        IReadOnlyList<Objective> objectives,
        IReadOnlyList<ObjectiveTensors> shapes
    )
    {
        string rowWeights = graph.Reshape(TrainingGraph.RowWeights, -1, 1),
            sum = "";
        List<(string Logits, string Gradient, string Weights)> parts = [];
        foreach ((Objective objective, ObjectiveTensors tensors) in objectives.Zip(shapes))
        {
            (string rows, string gradient) = objective.Loss.Append(
                graph,
                tensors.Logits,
                tensors.Targets,
                tensors.Columns
            );
            string weights = objective.Weight == 1 ? rowWeights : graph.Mul(rowWeights, (float)objective.Weight),
                weighted = graph.Mul(rows, weights);
            sum = parts.Count == 0 ? weighted : graph.Add(sum, weighted);
            parts.Add((tensors.Logits, gradient, weights));
        }

        graph.NodeNamed(
            graph.Reserve(TrainingGraph.Loss),
            "ReduceSum",
            [sum, graph.Longs(0)],
            Attributes.Of("keepdims", 0)
        );
        Dictionary<string, string> gradients = [];
        foreach ((string logits, string gradient, string weights) in parts)
        {
            string own = graph.Mul(gradient, weights);
            gradients[logits] = gradients.TryGetValue(logits, out string? others) ? graph.Add(others, own) : own;
        }

        return gradients;
    }
}
