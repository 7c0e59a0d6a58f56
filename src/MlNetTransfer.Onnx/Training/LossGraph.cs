using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Training;

/// <summary>Losses with their gradients in closed form.</summary>
internal static class LossGraph
{
    /// <summary>Appends the loss [1], under its name, and the gradient of the logits [N, C].</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="loss">What is minimised.</param>
    /// <param name="logits">Logits [N, C].</param>
    /// <param name="columns">Columns C.</param>
    /// <returns>The gradient of the logits.</returns>
    public static string Append(GraphEmitter graph, TrainingLoss loss, string logits, int columns)
    {
        string weights = graph.Reshape(TrainingGraph.RowWeights, -1, 1);
        (string rows, string gradient) = loss switch
        {
            TrainingLoss.CrossEntropy => CrossEntropy(graph, logits),
            TrainingLoss.BinaryCrossEntropy => BinaryCrossEntropy(graph, logits, columns),
            TrainingLoss.MeanSquaredError => SquaredError(graph, logits, columns),
            _ => throw new ArgumentOutOfRangeException(nameof(loss), loss, "No such loss."),
        };
        graph.NodeNamed(
            graph.Reserve(TrainingGraph.Loss),
            "ReduceSum",
            [graph.Mul(rows, weights), graph.Longs(0)],
            Attributes.Of("keepdims", 0)
        );
        return graph.Mul(gradient, weights);
    }

    /// <summary>-Σ t·log p, with p = softmax(z); gradient p·Σt - t.</summary>
    private static (string Rows, string Gradient) CrossEntropy(GraphEmitter graph, string logits)
    {
        string logs = graph.Node("LogSoftmax", [logits], Attributes.Of("axis", 1));
        string rows = graph.Neg(graph.ReduceSum(graph.Mul(TrainingGraph.Targets, logs), [1], keep: true));
        string mass = graph.ReduceSum(TrainingGraph.Targets, [1], keep: true);
        return (rows, graph.Sub(graph.Mul(graph.Node("Exp", [logs]), mass), TrainingGraph.Targets));
    }

    /// <summary>Mean of log(1 + exp z) - t·z; gradient (sigmoid(z) - t) / C.</summary>
    private static (string Rows, string Gradient) BinaryCrossEntropy(GraphEmitter graph, string logits, int columns)
    {
        string terms = graph.Sub(graph.Node("Softplus", [logits]), graph.Mul(TrainingGraph.Targets, logits));
        return (
            Mean(graph, terms, columns),
            graph.Mul(graph.Sub(graph.Node("Sigmoid", [logits]), TrainingGraph.Targets), 1f / columns)
        );
    }

    /// <summary>Mean of (z - t)²; gradient 2·(z - t) / C.</summary>
    private static (string Rows, string Gradient) SquaredError(GraphEmitter graph, string logits, int columns)
    {
        string error = graph.Sub(logits, TrainingGraph.Targets);
        return (Mean(graph, graph.Mul(error, error), columns), graph.Mul(error, 2f / columns));
    }

    private static string Mean(GraphEmitter graph, string terms, int columns) =>
        graph.Mul(graph.ReduceSum(terms, [1], keep: true), 1f / columns);
}
