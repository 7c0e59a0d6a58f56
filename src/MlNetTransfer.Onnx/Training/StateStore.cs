using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace MlNetTransfer.Onnx.Training;

/// <summary>The values that live from step to step, each once, shared by the graphs of all batch sizes.</summary>
internal sealed class StateStore : IDisposable
{
    private readonly SortedDictionary<string, (StateTensor Tensor, OrtValue Value)> values = new(
        StringComparer.Ordinal
    );

    /// <summary>The value of a tensor; made with its start values when first asked for.</summary>
    public OrtValue Value(StateTensor tensor)
    {
        if (values.TryGetValue(tensor.Input, out (StateTensor, OrtValue Value) known))
            return known.Value;
        OrtValue value = OrtValue.CreateAllocatedTensorValue(
            OrtAllocator.DefaultInstance,
            TensorElementType.Float,
            [.. tensor.Shape]
        );
        Span<float> span = value.GetTensorMutableDataAsSpan<float>();
        if (tensor.Start is { } start)
            TensorData.ToFloats(start).CopyTo(span);
        else
            span.Clear();
        values[tensor.Input] = (tensor, value);
        return value;
    }

    /// <summary>Tensors of a role, in the order of their names.</summary>
    public IEnumerable<(StateTensor Tensor, OrtValue Value)> Of(StateRole role) =>
        values.Values.Where(v => v.Tensor.Role == role);

    /// <summary>All tensors that a checkpoint keeps, in the order of their names.</summary>
    public IEnumerable<(StateTensor Tensor, OrtValue Value)> Kept =>
        values.Values.Where(v => v.Tensor.Role != StateRole.Accumulator);

    /// <summary>Sets every sum of gradients to zero.</summary>
    public void ClearSums()
    {
        foreach ((_, OrtValue value) in Of(StateRole.Accumulator))
            value.GetTensorMutableDataAsSpan<float>().Clear();
    }

    public void Dispose()
    {
        foreach ((_, OrtValue value) in values.Values)
            value.Dispose();
        values.Clear();
    }
}
