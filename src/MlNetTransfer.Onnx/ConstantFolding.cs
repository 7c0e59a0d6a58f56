using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

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
            using OrtSession session = new(model.ToBytes(), OrtSettings.OneThread, "the constants");
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                new Dictionary<string, OrtValue>(),
                tensors
            );
            return [.. tensors.Zip(results, Tensor)];
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new GraphException(
                $"The constants {string.Join(", ", tensors.Take(3))} cannot be computed: {said}",
                e
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

/// <summary>Removes nodes that give what they take: Identity, and Dropout of inference.</summary>
/// <remarks>
/// Kept where a name has to stay: between an input or a constant and an output, between two outputs, and where a
/// subgraph captures the name.
/// </remarks>
internal static class IdentityRemoval
{
    public static OnnxModel Remove(OnnxModel model) =>
        model.Nodes.Any(n => PassesOn(model, n)) ? model.With(proto => Remove(model, proto.Graph)) : model;

    private static bool PassesOn(OnnxModel model, NodeProto node) =>
        OperatorSets.IsDefault(node.Domain)
        && node.OpType switch
        {
            "Identity" => true,
            // Its mask may be asked for; from operator set 12 on a third input may switch training on.
            "Dropout" => model.OpsetVersion() >= 7
                && node.Output.Count(o => o.Length > 0) == 1
                && (node.Input.Count < 3 || node.Input[2].Length == 0),
            _ => false,
        };

    private static void Remove(OnnxModel model, GraphProto graph)
    {
        HashSet<string> captured = [.. graph.Node.SelectMany(Subgraphs.Of).SelectMany(Subgraphs.CapturedBy)];
        HashSet<string> outputs = [.. graph.Output.Select(o => o.Name)],
            fixedNames =

            [
                .. graph.Input.Select(i => i.Name),
                .. graph.Initializer.Select(i => i.Name),
                .. graph.SparseInitializer.Select(Subgraphs.NameOf),
                .. outputs,
                .. captured,
            ];
        foreach (NodeProto node in graph.Node.Where(n => PassesOn(model, n)).ToArray())
        {
            (string from, string to) = (node.Input[0], node.Output[0]);
            // An output keeps its name, so what makes its source takes it; anything else is read from the source.
            (string gone, string stays) = outputs.Contains(to) ? (from, to) : (to, from);
            if (outputs.Contains(to) ? fixedNames.Contains(from) : captured.Contains(to))
                continue;
            graph.Node.Remove(node);
            foreach (NodeProto other in graph.Node)
            {
                Replace(other.Input, gone, stays);
                Replace(other.Output, gone, stays);
            }

            foreach (ValueInfoProto info in graph.ValueInfo.Where(v => v.Name == gone).ToArray())
                graph.ValueInfo.Remove(info);
        }
    }

    private static void Replace(Google.Protobuf.Collections.RepeatedField<string> names, string from, string to)
    {
        for (int i = 0; i < names.Count; i++)
            if (names[i] == from)
                names[i] = to;
    }
}
