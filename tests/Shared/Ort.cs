using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Graphs;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Runs a model on ONNX Runtime without optimisations: the oracle for what a graph computes.</summary>
internal static class Ort
{
    public static Dictionary<string, float[]> Run(OnnxModel model, params (string Name, float[] Values, int[] Shape)[] inputs)
    {
        using SessionOptions options = new() { GraphOptimizationLevel = GraphOptimizationLevel.ORT_DISABLE_ALL, IntraOpNumThreads = 1 };
        using InferenceSession session = new(model.ToBytes(), options);
        using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results = session.Run([.. inputs.Select(i => NamedOnnxValue.CreateFromTensor(i.Name, new DenseTensor<float>(i.Values, i.Shape)))]);
        return results.ToDictionary(r => r.Name, r => r.AsTensor<float>().ToArray());
    }
}
