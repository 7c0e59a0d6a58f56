using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>Shapes of a model's tensors, as ONNX Runtime infers them.</summary>
public static class TensorShapes
{
    /// <summary>
    /// Element type and shape of each of the given tensors; unknown sizes come out as dynamic dimensions. Makes a
    /// session, so it costs milliseconds to seconds.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">Names of outputs of nodes, at least one.</param>
    /// <exception cref="GraphException">A tensor does not exist, or ONNX Runtime cannot load the model.</exception>
    public static IReadOnlyDictionary<string, TensorShape> Of(OnnxModel model, params IReadOnlyList<string> tensors)
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        try
        {
            using SessionOptions options = new()
            {
                GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
                IntraOpNumThreads = 1,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            };
            using InferenceSession session = new(cut.ToBytes(), options);
            return tensors.Distinct().ToDictionary(t => t, t => Shape(session.OutputMetadata[t], t));
        }
        catch (OnnxRuntimeException cause)
        {
            throw new GraphException(
                $"ONNX Runtime cannot load the part of the model that computes {string.Join(", ", tensors)}: "
                    + $"{cause.Message}",
                cause
            );
        }
    }

    private static TensorShape Shape(NodeMetadata metadata, string tensor)
    {
        if (!metadata.IsTensor)
            throw new GraphException($"'{tensor}' is a {metadata.OnnxValueType}, not a tensor; choose a tensor.");
        IEnumerable<Dimension> dimensions = metadata.Dimensions.Zip(
            metadata.SymbolicDimensions,
            (size, symbol) => size >= 0 ? new Dimension(size) : new Dimension(null, symbol.Length == 0 ? null : symbol)
        );
        return new TensorShape(ToOnnx(metadata.ElementDataType), [.. dimensions]);
    }

    /// <summary>ONNX Runtime numbers element types as the ONNX IR does.</summary>
    private static DataType ToOnnx(TensorElementType type) => (DataType)(int)type;
}
