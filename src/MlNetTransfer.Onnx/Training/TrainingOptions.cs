namespace MlNetTransfer.Onnx.Training;

/// <summary>What a training step does. Immutable; an invalid instance cannot be made.</summary>
public sealed record TrainingOptions
{
    /// <summary>
    /// What is minimised: the sum of these, at least one. Each has an input of targets of its own; two may have the
    /// same logits.
    /// </summary>
    public required IReadOnlyList<Objective> Objectives
    {
        get;
        init
        {
            Check(value);
            field = [.. value];
        }
    }

    /// <summary>
    /// What is trained, at least one group; everything else is frozen. No parameter is in two groups.
    /// </summary>
    public required IReadOnlyList<ParameterGroup> Groups
    {
        get;
        init
        {
            Check(value);
            field = [.. value];
        }
    }

    /// <summary>How gradients become steps. Default SGD with momentum 0.9.</summary>
    public TrainingOptimizer Optimizer { get; init; } = new SgdOptimizer();

    /// <summary>
    /// Gradients are scaled down together so that their global norm is at most this; in [1e-6, 1e9]; null for no
    /// clipping. (Pascanu et al., 2013.)
    /// </summary>
    public double? ClipNorm
    {
        get;
        init => field = value is { } norm ? Range.Check(norm, 1e-6, 1e9) : null;
    }

    /// <summary>
    /// L2-SP: each step also pulls the weights towards the starting ones by learning rate · this · (weight - start); in
    /// [0, 1e3]. Default 0. (Li et al., 2018, decoupled as weight decay is.)
    /// </summary>
    public double StartingPointDecay
    {
        get;
        init => field = Range.Check(value, 0, 1e3);
    }

    /// <summary>
    /// Decay of an exponential moving average of the weights, average ← decay · average + (1 - decay) · weights; in [0,
    /// 1); null for none.
    /// </summary>
    public double? AverageDecay
    {
        get;
        init => field = value is { } decay ? Range.Check(decay, 0, 0.9999999) : null;
    }

    /// <summary>Statistics of batch normalisation. Default inference.</summary>
    public BatchNormalizationMode BatchNormalization { get; init; }

    /// <summary>
    /// Whether the Dropout nodes of the model drop values (with their own ratios); otherwise they pass everything.
    /// Default false.
    /// </summary>
    public bool Dropout { get; init; }

    /// <summary>Names of the logits of all objectives, each once.</summary>
    internal IReadOnlyList<string> Logits => [.. Objectives.Select(o => o.Logits).Distinct()];

    /// <summary>Names of all parameters in the order of the groups.</summary>
    internal IReadOnlyList<string> Parameters => [.. Groups.SelectMany(g => g.Parameters)];

    private static void Check(IReadOnlyList<Objective> value)
    {
        if (value.Count == 0)
            throw new ArgumentException("At least one objective is needed.", nameof(value));
        if (value.Select((o, i) => o.TargetsAt(i)).GroupBy(t => t).FirstOrDefault(t => t.Count() > 1) is { } twice)
            throw new ArgumentException(
                $"Two objectives have their targets under '{twice.Key}'; give each a name of its own.",
                nameof(value)
            );
    }

    private static void Check(IReadOnlyList<ParameterGroup> value)
    {
        if (value.Count == 0)
            throw new ArgumentException("At least one parameter group is needed.", nameof(value));
        if (value.SelectMany(g => g.Parameters).GroupBy(p => p).FirstOrDefault(p => p.Count() > 1) is { } twice)
            throw new ArgumentException(
                $"Parameter '{twice.Key}' is given twice; give it to one group only.",
                nameof(value)
            );
    }
}

/// <summary>Parameters that are trained alike; each step gives every group its own learning rate.</summary>
public sealed record ParameterGroup
{
    /// <summary>Name of the group, for messages; not empty.</summary>
    public required string Name
    {
        get;
        init =>
            field = string.IsNullOrWhiteSpace(value)
                ? throw new ArgumentException("A parameter group needs a name.", nameof(Name))
                : value;
    }

    /// <summary>Names of float32 initializers of the model, at least one.</summary>
    public required IReadOnlyList<string> Parameters
    {
        get;
        init =>
            field =
                value.Count > 0
                    ? [.. value]
                    : throw new ArgumentException(
                        "A parameter group needs at least one parameter.",
                        nameof(Parameters)
                    );
    }

    /// <summary>
    /// Decoupled weight decay: each step multiplies the weights by 1 - learning rate · this; in [0, 1e3]. Default 0.
    /// (Loshchilov and Hutter, 2019.)
    /// </summary>
    public double WeightDecay
    {
        get;
        init => field = Range.Check(value, 0, 1e3);
    }
}

/// <summary>Which statistics batch normalisation uses while training.</summary>
public enum BatchNormalizationMode
{
    /// <summary>
    /// The pretrained running statistics, which stay as they are: right for fine-tuning on few images, and each image
    /// counts for itself.
    /// </summary>
    Inference,

    /// <summary>
    /// Those of the batch, in the layers whose input or parameters depend on a trained parameter; their running
    /// statistics are updated as PyTorch does: new = 0.9 · old + 0.1 · batch, with the unbiased variance. Needs batches
    /// of 2 or more.
    /// </summary>
    Training,
}
