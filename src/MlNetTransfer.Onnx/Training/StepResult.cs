namespace MlNetTransfer.Onnx.Training;

/// <summary>What a training step reports.</summary>
/// <param name="Loss">Loss before the step, Σ row weight · loss of the row with the weights scaled to sum 1.</param>
/// <param name="GradientNorm">Euclidean norm of all gradients together, before clipping.</param>
public readonly record struct StepResult(float Loss, float GradientNorm);
