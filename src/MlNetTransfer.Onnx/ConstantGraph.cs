using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Computes parts of a graph that depend on nothing that is fed, with the runtime's own kernels, so that the numbers
/// are those of a run.
/// </summary>
internal static class ConstantGraph
{
    /// <summary>Whether a node's outputs depend on its inputs alone, and it has no graphs inside.</summary>
    public static bool IsFunction(NodeProto node) =>
        !node.OpType.StartsWith("Random", StringComparison.Ordinal)
        && node.OpType is not ("Bernoulli" or "Multinomial" or "Dropout")
        && !Subgraphs.Of(node).Any();

    /// <summary>Values of tensors of a graph that has no inputs.</summary>
    /// <param name="model">The graph; the tensors are among its outputs.</param>
    /// <param name="tensors">Names of tensors.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot run the graph.</exception>
    public static TensorProto[] Evaluate(OnnxModel model, IReadOnlyList<string> tensors)
    {
        try
        {
            using SessionOptions options = new()
            {
                IntraOpNumThreads = 1,
                LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
            };
            using InferenceSession session = new(model.ToBytes(), options);
            using RunOptions run = new();
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                run,
                new Dictionary<string, OrtValue>(),
                tensors
            );
            return [.. tensors.Zip(results, Tensor)];
        }
        catch (OnnxRuntimeException cause)
        {
            throw new GraphException(
                $"The constants {string.Join(", ", tensors.Take(3))} cannot be computed: {cause.Message}",
                cause
            );
        }
    }

    private static TensorProto Tensor(string name, OrtValue value)
    {
        OrtTensorTypeAndShapeInfo info = value.GetTensorTypeAndShape();
        TensorProto tensor = new()
        {
            Name = name,
            DataType = (int)info.ElementDataType,
            RawData = ByteString.CopyFrom(value.GetTensorMutableRawData()),
        };
        tensor.Dims.AddRange(info.Shape);
        return tensor;
    }
}
