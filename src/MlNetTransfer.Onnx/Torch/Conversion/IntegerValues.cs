using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>
/// Values of integer tensors that do not depend on the input: found by running the graph on zeros, most of which ONNX
/// Runtime folds away.
/// </summary>
internal static class IntegerValues
{
    /// <param name="model">A model whose inputs have fixed shapes.</param>
    /// <param name="tensors">Tensors of int64, int32 or bool, at least one.</param>
    public static Dictionary<string, (DataType Type, long?[] Values)> Of(OnnxModel model, IReadOnlyList<string> tensors)
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        using SessionOptions options = new() { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR };
        try
        {
            using InferenceSession session = new(cut.ToBytes(), options);
            NamedOnnxValue[] inputs =
            [
                .. session.InputMetadata.Select(i =>
                    NamedOnnxValue.CreateFromTensor(i.Key, new DenseTensor<float>(i.Value.Dimensions))
                ),
            ];
            using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results = session.Run(inputs, [.. tensors]);
            return results.ToDictionary(r => r.Name, Read);
        }
        catch (OnnxRuntimeException cause)
        {
            throw new GraphException(
                $"The model cannot be run to find the values of {string.Join(", ", tensors.Take(3))}: {cause.Message}",
                cause
            );
        }
    }

    private static (DataType Type, long?[] Values) Read(DisposableNamedOnnxValue value) =>
        value.Value switch
        {
            Tensor<long> longs => (DataType.Int64, [.. longs.ToArray().Select(v => (long?)v)]),
            Tensor<int> ints => (DataType.Int32, [.. ints.ToArray().Select(v => (long?)v)]),
            Tensor<bool> flags => (DataType.Bool, [.. flags.ToArray().Select(v => (long?)(v ? 1 : 0))]),
            object other => throw new GraphException($"'{value.Name}' is {other.GetType().Name}, not integers."),
        };
}
