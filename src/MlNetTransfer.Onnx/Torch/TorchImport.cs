using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>Brings weights that were trained elsewhere back into the model they were exported from.</summary>
public static class TorchImport
{
    private const string Counter = "num_batches_tracked";

    /// <summary>The model with other weights; operators, names and everything else stay.</summary>
    /// <param name="model">The model that was exported; not changed.</param>
    /// <param name="weights">Weights under the names of the export (<c>head.weight</c>), or of the model's
    /// initializers.</param>
    /// <param name="options">The options of the export; null for the defaults.</param>
    /// <exception cref="GraphException">Names or shapes do not fit; the message lists the differences.</exception>
    public static OnnxModel WithWeights(this OnnxModel model, NamedTensors weights, TorchExportOptions? options = null)
    {
        (IReadOnlyDictionary<string, TorchTensor> expected, bool byInitializer, WeightsMismatch mismatch) = Compare(
            model,
            weights,
            options
        );
        if (!mismatch.IsEmpty)
            throw new GraphException(
                $"The weights of {weights.Source} are not those of this model: {mismatch}. Give the model that was "
                    + $"exported."
            );
        Dictionary<string, TensorProto> restored = [];
        foreach ((string name, TorchTensor tensor) in expected)
            restored[tensor.Initializer] = tensor.Restored(weights.Tensors[name], byInitializer);
        return InitializerAliases
            .Expand(model)
            .With(proto =>
            {
                for (int i = 0; i < proto.Graph.Initializer.Count; i++)
                    if (restored.TryGetValue(proto.Graph.Initializer[i].Name, out TensorProto? values))
                        proto.Graph.Initializer[i] = values;
            });
    }

    /// <summary>How weights differ from a model in names and shapes.</summary>
    /// <param name="model">The model that was exported.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="options">The options of the export; null for the defaults.</param>
    public static WeightsMismatch CompareWeights(
        this OnnxModel model,
        NamedTensors weights,
        TorchExportOptions? options = null
    ) => Compare(model, weights, options).Mismatch;

    private static (
        IReadOnlyDictionary<string, TorchTensor> Expected,
        bool ByInitializer,
        WeightsMismatch Mismatch
    ) Compare(OnnxModel model, NamedTensors weights, TorchExportOptions? options)
    {
        HashSet<string> initializers = [.. InitializerAliases.Expand(model).Initializers.Select(i => i.Name)];
        (string Path, TorchTensor Tensor)[] all =
        [
            .. TorchExport.Program(model, options).Tensors.Where(t => initializers.Contains(t.Tensor.Initializer)),
        ];
        Dictionary<string, TorchTensor> byPath = all.ToDictionary(t => t.Path, t => t.Tensor, StringComparer.Ordinal),
            byName = all.ToDictionary(t => t.Tensor.Initializer, t => t.Tensor, StringComparer.Ordinal);
        bool byInitializer =
            weights.Tensors.Keys.Count(byName.ContainsKey) > weights.Tensors.Keys.Count(byPath.ContainsKey);
        Dictionary<string, TorchTensor> expected = byInitializer ? byName : byPath;
        Dictionary<string, IReadOnlyList<long>> shapes = expected.ToDictionary(
            e => e.Key,
            e => byInitializer ? e.Value.SourceShape : e.Value.Shape
        );
        string[] missing =
        [
            .. shapes.Where(e => !weights.Tensors.ContainsKey(e.Key)).Select(e => Describe(e.Key, e.Value)),
        ];
        string[] unknown =
        [
            .. weights
                .Tensors.Where(w => !shapes.ContainsKey(w.Key) && w.Key.Split('.')[^1] != Counter)
                .Select(w => Describe(w.Key, w.Value.Shape)),
        ];
        string[] different =
        [
            .. shapes
                .Where(e =>
                    weights.Tensors.TryGetValue(e.Key, out SafeTensor? given) && !given.Shape.SequenceEqual(e.Value)
                )
                .Select(e =>
                    $"{Describe(e.Key, weights.Tensors[e.Key].Shape)} instead of [{string.Join(", ", e.Value)}]"
                ),
        ];
        return (expected, byInitializer, new WeightsMismatch(missing, unknown, different));
    }

    private static string Describe(string name, IReadOnlyList<long> shape) => $"{name} [{string.Join(", ", shape)}]";
}
