using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Replaces what is constant by its values, computed by the runtime's own kernels: the numbers of a run are bit for bit
/// those of before.
/// </summary>
internal static class ConstantFolding
{
    /// <summary>A result of up to this many bytes may be larger than what it is computed from.</summary>
    private const long SmallBytes = 1 << 16;

    public static OnnxModel Fold(OnnxModel model)
    {
        HashSet<string> constant = Constants(model),
            made = [.. model.Nodes.SelectMany(n => n.Output).Where(constant.Contains)];
        if (made.Count == 0)
            return model;
        HashSet<string> outputs = [.. model.Outputs.Select(o => o.Name)];
        string[] results =
        [
            .. model
                .Nodes.Where(n => !n.Output.Any(constant.Contains))
                .SelectMany(Subgraphs.NeededBy)
                .Concat(outputs)
                .Distinct()
                .Where(made.Contains),
        ];
        Dictionary<string, TensorProto> values =
            results.Length == 0
                ? []
                : ConstantGraph.Evaluate(GraphCut.At(model, results, typed: false), results).ToDictionary(v => v.Name);
        HashSet<string> taken = [.. Worthwhile(model, results, values)];
        if (taken.Count == 0)
            return model;
        return GraphCut.At(
            model.With(proto =>
            {
                NodeProto[] kept = [.. proto.Graph.Node.Where(n => !n.Output.Any(taken.Contains))];
                proto.Graph.Node.Clear();
                proto.Graph.Node.AddRange(kept);
                proto.Graph.Initializer.AddRange(results.Where(taken.Contains).Select(r => values[r]));
            }),
            [.. model.Outputs.Select(o => o.Name)],
            typed: true
        );
    }

    /// <summary>
    /// Tensors that depend on nothing that is fed. Initializers that are inputs too are defaults, which a caller may
    /// replace.
    /// </summary>
    private static HashSet<string> Constants(OnnxModel model)
    {
        HashSet<string> inputs = [.. model.Proto.Graph.Input.Select(i => i.Name)];
        HashSet<string> constant = [.. model.Initializers.Select(i => i.Name).Where(n => !inputs.Contains(n))];
        foreach (
            NodeProto node in model
                .TopologicalOrder()
                .Where(n => OperatorSets.IsDefault(n.Domain) && n.Output.Count(o => o.Length > 0) == 1 && IsFoldable(n))
        )
            if (node.Input.All(i => i.Length == 0 || constant.Contains(i)))
                constant.UnionWith(node.Output.Where(o => o.Length > 0));
        return constant;
    }

    /// <summary>
    /// What restores quantized weights is kept: folding it would make the weights float32 again, four times their size.
    /// </summary>
    private static bool IsFoldable(NodeProto node) =>
        ConstantGraph.IsFunction(node)
        && node.OpType is not ("DequantizeLinear" or "QuantizeLinear")
        && !node.OpType.StartsWith("Sequence", StringComparison.Ordinal)
        && !node.OpType.StartsWith("Optional", StringComparison.Ordinal);

    /// <summary>Results that are small, or no larger than the weights that they replace.</summary>
    private static IEnumerable<string> Worthwhile(
        OnnxModel model,
        string[] results,
        Dictionary<string, TensorProto> values
    )
    {
        foreach (string result in results)
        {
            long size = values[result].RawData.Length;
            if (size <= SmallBytes || size <= GraphCut.At(model, [result], typed: false).WeightBytes)
                yield return result;
        }
    }
}
