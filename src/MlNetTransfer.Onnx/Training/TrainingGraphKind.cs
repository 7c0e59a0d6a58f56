namespace MlNetTransfer.Onnx.Training;

/// <summary>What a training graph does with the gradients.</summary>
public enum TrainingGraphKind
{
    /// <summary>Updates the parameters: one whole step.</summary>
    Step,

    /// <summary>Gives the gradients of the parameters as outputs.</summary>
    Gradients,

    /// <summary>Adds the gradients to sums kept outside: the first part of a step over several micro-batches.</summary>
    Accumulate,

    /// <summary>
    /// Updates the parameters by the sums of gradients: the last part of a step over several micro-batches. It has no
    /// forward pass.
    /// </summary>
    Apply,
}
