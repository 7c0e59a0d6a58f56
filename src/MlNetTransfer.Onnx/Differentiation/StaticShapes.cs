using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Shapes without a dynamic dimension: inferred, and where inference does not know them, found by running the graph
/// once.
/// </summary>
internal static class StaticShapes
{
    /// <param name="model">A model whose inputs have fixed shapes.</param>
    /// <param name="tensors">Outputs of nodes, at least one.</param>
    public static IReadOnlyDictionary<string, TensorShape> Of(OnnxModel model, IReadOnlyList<string> tensors)
    {
        Dictionary<string, TensorShape> shapes = new(TensorShapes.Of(model, tensors));
        string[] open = [.. tensors.Where(t => shapes[t].Dimensions.Any(d => d.Size is null))];
        if (open.Length == 0)
            return shapes;
        foreach ((string name, long[] sizes) in Run(model, open))
            shapes[name] = shapes[name] with { Dimensions = [.. sizes.Select(s => new Dimension(s))] };
        return shapes;
    }

    /// <summary>
    /// Runs the graph on zeros. Shapes that depend on the values of the input are not static; no image network has any.
    /// </summary>
    private static List<(string Name, long[] Sizes)> Run(OnnxModel model, IReadOnlyList<string> tensors)
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        using SessionOptions options = new()
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        using InferenceSession session = new(cut.ToBytes(), options);
        Dictionary<string, OrtValue> inputs = [];
        try
        {
            foreach (ValueInfoProto input in cut.Inputs)
            {
                TensorShape shape = TensorShape.From(input)!;
                inputs[input.Name] = OrtValue.CreateAllocatedTensorValue(
                    OrtAllocator.DefaultInstance,
                    (Microsoft.ML.OnnxRuntime.Tensors.TensorElementType)(int)shape.ElementType,
                    [.. shape.Dimensions.Select(d => d.Size!.Value)]
                );
                inputs[input.Name].GetTensorMutableRawData().Clear();
            }

            using RunOptions run = new();
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(run, inputs, tensors);
            return [.. tensors.Zip(results, (name, value) => (name, value.GetTensorTypeAndShape().Shape))];
        }
        catch (OnnxRuntimeException cause)
        {
            throw new GraphException(
                $"The shapes of {string.Join(", ", tensors.Take(3))} are not known and the model cannot be run to "
                    + $"find them: {cause.Message}",
                cause
            );
        }
        finally
        {
            foreach (OrtValue value in inputs.Values)
                value.Dispose();
        }
    }
}
