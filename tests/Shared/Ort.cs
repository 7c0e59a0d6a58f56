using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Runs a model on ONNX Runtime: the oracle for what a graph computes.</summary>
internal static class Ort
{
    /// <summary>Runs without optimisations.</summary>
    public static Dictionary<string, float[]> Run(
        OnnxModel model,
        params (string Name, float[] Values, int[] Shape)[] inputs
    ) => Run(model, optimise: false, inputs);

    /// <summary>Runs with all optimisations or without any.</summary>
    public static Dictionary<string, float[]> Run(
        OnnxModel model,
        bool optimise,
        params (string Name, float[] Values, int[] Shape)[] inputs
    ) => Run(model, optimise, null, inputs);

    /// <summary>Runs with all optimisations or without any, in a session that is set up.</summary>
    public static Dictionary<string, float[]> Run(
        OnnxModel model,
        bool optimise,
        Action<SessionOptions>? setUp,
        params (string Name, float[] Values, int[] Shape)[] inputs
    )
    {
        GraphOptimizationLevel level = optimise
            ? GraphOptimizationLevel.ORT_ENABLE_ALL
            : GraphOptimizationLevel.ORT_DISABLE_ALL;
        return Run(
            model,
            level,
            setUp,
            [.. inputs.Select(i => NamedOnnxValue.CreateFromTensor(i.Name, new DenseTensor<float>(i.Values, i.Shape)))]
        );
    }

    /// <summary>Runs without optimisations, inputs of any type.</summary>
    public static Dictionary<string, float[]> Run(OnnxModel model, NamedOnnxValue input) =>
        Run(model, GraphOptimizationLevel.ORT_DISABLE_ALL, null, [input]);

    private static Dictionary<string, float[]> Run(
        OnnxModel model,
        GraphOptimizationLevel level,
        Action<SessionOptions>? setUp,
        IReadOnlyCollection<NamedOnnxValue> inputs
    )
    {
        using SessionOptions options = new() { GraphOptimizationLevel = level, IntraOpNumThreads = 1 };
        setUp?.Invoke(options);
        using InferenceSession session = new(model.ToBytes(), options);
        using IDisposableReadOnlyCollection<DisposableNamedOnnxValue> results = session.Run(inputs);
        return results.ToDictionary(r => r.Name, r => r.AsTensor<float>().ToArray());
    }
}
