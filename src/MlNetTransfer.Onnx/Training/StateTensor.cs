using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// A tensor that lives from step to step: an input of the training graph, and an output that becomes that input of the
/// next step.
/// </summary>
/// <param name="Role">What it is.</param>
/// <param name="Owner">Initializer of the model that it is, or belongs to.</param>
/// <param name="Input">Name of the input.</param>
/// <param name="Output">Name of the output; null where the graph only reads it.</param>
/// <param name="Shape">Sizes, outermost first; float32.</param>
/// <param name="Start">Initializer with the values at the start; null for zeros.</param>
internal sealed record StateTensor(
    StateRole Role,
    string Owner,
    string Input,
    string? Output,
    IReadOnlyList<long> Shape,
    TensorProto? Start
);
