using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// One of the things that training minimises: a loss between the logits [N, C] of a model and targets [N, C] that each
/// step is given. Immutable; an invalid instance cannot be made.
/// </summary>
/// <remarks>
/// A step minimises Σ weight · Σ row weight · loss of the row over all objectives: several heads of one network, a
/// label and a teacher (twice the same logits), layers inside the network.
/// </remarks>
public sealed record Objective
{
    /// <summary>Name of the tensor of logits [N, C] in the model; it need not be an output.</summary>
    public required string Logits
    {
        get;
        init =>
            field = string.IsNullOrEmpty(value)
                ? throw new ArgumentException("Name the logits.", nameof(Logits))
                : value;
    }

    /// <summary>What is minimised. Default <see cref="CrossEntropy"/>.</summary>
    public TrainingLoss Loss { get; init; } = new CrossEntropy();

    /// <summary>What the loss is multiplied by, in (0, 1e6]. Default 1.</summary>
    public double Weight
    {
        get;
        init =>
            field = value is > 0 and <= 1e6
                ? value
                : throw new ArgumentOutOfRangeException(nameof(Weight), value, "Weight must be in (0, 1e6].");
    } = 1;

    /// <summary>
    /// Name of the training graph's input of targets [N, C]. Default null: <see cref="TrainingGraph.Targets"/> for the
    /// first objective, with the objective's number after it for the others (<c>targets_2</c>).
    /// </summary>
    public string? Targets
    {
        get;
        init => field = value is "" ? throw new ArgumentException("Name the targets.", nameof(Targets)) : value;
    }

    /// <summary>The name of its targets.</summary>
    /// <param name="index">Its place among the objectives, from 0.</param>
    internal string TargetsAt(int index) =>
        Targets
        ?? (index == 0 ? TrainingGraph.Targets : FormattableString.Invariant($"{TrainingGraph.Targets}_{index + 1}"));
}

/// <summary>
/// A loss of each row, from logits z [N, C] and targets t [N, C], with its gradient in closed form. Another loss is
/// another class beside those here, and nothing else.
/// </summary>
public abstract record TrainingLoss
{
    private protected TrainingLoss() { }

    /// <summary>Appends the nodes of the loss and of its gradient.</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="logits">Name of z [N, C].</param>
    /// <param name="targets">Name of t [N, C].</param>
    /// <param name="columns">Columns C.</param>
    /// <returns>Names of the loss of each row [N, 1], and of its gradient by the logits [N, C].</returns>
    internal abstract (string Rows, string Gradient) Append(
        GraphEmitter graph,
        string logits,
        string targets,
        int columns
    );

    /// <summary>Means of the rows [N, 1].</summary>
    private protected static string Mean(GraphEmitter graph, string terms, int columns) =>
        graph.Mul(graph.ReduceSum(terms, [1], keep: true), 1f / columns);
}

/// <summary>
/// Cross-entropy with soft targets over the classes, in nats: -Σ t·log p with p = softmax(z); gradient p·Σt - t.
/// </summary>
public sealed record CrossEntropy : TrainingLoss
{
    internal override (string Rows, string Gradient) Append(
        GraphEmitter graph,
        string logits,
        string targets,
        int columns
    )
    {
        string logs = graph.Node("LogSoftmax", [logits], Attributes.Of("axis", 1));
        string rows = graph.Neg(graph.ReduceSum(graph.Mul(targets, logs), [1], keep: true));
        string mass = graph.ReduceSum(targets, [1], keep: true);
        return (rows, graph.Sub(graph.Mul(graph.Node("Exp", [logs]), mass), targets));
    }
}

/// <summary>
/// Binary cross-entropy of each column with targets in [0, 1], in nats, mean over the columns: mean of log(1 + exp z) -
/// t·z; gradient (sigmoid(z) - t) / C.
/// </summary>
public sealed record BinaryCrossEntropy : TrainingLoss
{
    internal override (string Rows, string Gradient) Append(
        GraphEmitter graph,
        string logits,
        string targets,
        int columns
    )
    {
        string terms = graph.Sub(graph.Node("Softplus", [logits]), graph.Mul(targets, logits));
        return (
            Mean(graph, terms, columns),
            graph.Mul(graph.Sub(graph.Node("Sigmoid", [logits]), targets), 1f / columns)
        );
    }
}

/// <summary>Squared error, mean over the columns: mean of (z - t)²; gradient 2·(z - t) / C.</summary>
public sealed record MeanSquaredError : TrainingLoss
{
    internal override (string Rows, string Gradient) Append(
        GraphEmitter graph,
        string logits,
        string targets,
        int columns
    )
    {
        string error = graph.Sub(logits, targets);
        return (Mean(graph, graph.Mul(error, error), columns), graph.Mul(error, 2f / columns));
    }
}
