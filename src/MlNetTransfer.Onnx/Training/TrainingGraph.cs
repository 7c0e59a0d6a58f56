namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// A training step as an ONNX model of standard operators and com.microsoft's FusedMatMul, for one batch size.
/// </summary>
/// <remarks>
/// Inputs: those of the forward model; <see cref="Targets"/> [N, C]; <see cref="RowWeights"/> [N], which should sum to
/// 1; and for a step <see cref="LearningRates"/> [groups], the optimiser's factors, parameters and state. Outputs:
/// <see cref="Loss"/> [1], <see cref="Logits"/> [N, C], <see cref="GradientNorm"/> [1] before clipping, and each
/// parameter and state after the step (<c>next/NAME</c>), or the gradients (<c>gradient_of/NAME</c>).
/// </remarks>
public sealed class TrainingGraph
{
    internal TrainingGraph(
        OnnxModel model,
        TrainingGraphKind kind,
        int batchSize,
        int columns,
        string logits,
        IReadOnlyList<StateTensor> state,
        IReadOnlyList<DropoutMask> masks
    ) =>
        (Model, Kind, BatchSize, Columns, Logits, State, Masks) = (
            model,
            kind,
            batchSize,
            columns,
            logits,
            state,
            masks
        );

    /// <summary>Name of the input of targets [N, C].</summary>
    public const string Targets = "targets";

    /// <summary>Name of the input of row weights [N].</summary>
    public const string RowWeights = "row_weights";

    /// <summary>Name of the input of learning rates, one for each group.</summary>
    public const string LearningRates = "learning_rates";

    /// <summary>Name of the input of the optimiser's factors of this step; there only where it has some.</summary>
    public const string StepFactors = "step_factors";

    /// <summary>Name of the output of the loss [1].</summary>
    public const string Loss = "loss";

    /// <summary>Name of the output of the global norm of all gradients [1].</summary>
    public const string GradientNorm = "gradient_norm";

    /// <summary>The graph.</summary>
    public OnnxModel Model { get; }

    /// <summary>What it does with the gradients.</summary>
    public TrainingGraphKind Kind { get; }

    /// <summary>Images of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>Columns C of logits and targets.</summary>
    public int Columns { get; }

    /// <summary>Name of the output of logits [N, C].</summary>
    public string Logits { get; }

    /// <summary>Inputs and outputs that live from step to step.</summary>
    internal IReadOnlyList<StateTensor> State { get; }

    /// <summary>Inputs that are drawn anew for every step.</summary>
    internal IReadOnlyList<DropoutMask> Masks { get; }
}
