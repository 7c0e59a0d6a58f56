using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx;

/// <summary>Gives every weight an initializer of its own.</summary>
/// <remarks>
/// Exporters and optimisers store tensors that are equal once: the scales and shifts of fresh normalisations, and with
/// them their statistics. PyTorch's names the others as an Identity of the first. To train them apart, or to put values
/// back, each must be an initializer.
/// </remarks>
internal static class SeparateInitializers
{
    /// <summary>Both kinds of sharing undone; the same model where there are none.</summary>
    public static OnnxModel Of(OnnxModel model) => Apart(WithoutAliases(model));

    /// <summary>
    /// The model with each Identity of an initializer made an initializer under the Identity's name. The values are
    /// shared, not copied.
    /// </summary>
    public static OnnxModel WithoutAliases(OnnxModel model)
    {
        Dictionary<string, TensorProto> known = model.Initializers.ToDictionary(i => i.Name);
        HashSet<NodeProto> aliases = [];
        List<TensorProto> added = [];
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.OpType == "Identity" && n.Input.Count == 1))
        {
            if (!known.TryGetValue(node.Input[0], out TensorProto? source))
                continue;
            TensorProto alias = source.Clone();
            alias.Name = node.Output[0];
            known[alias.Name] = alias;
            added.Add(alias);
            aliases.Add(node);
        }

        if (aliases.Count == 0)
            return model;
        NodeProto[] kept = [.. model.Nodes.Where(n => !aliases.Contains(n)).Select(n => n.Clone())];
        return model.With(proto =>
        {
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(kept);
            proto.Graph.Initializer.AddRange(added);
        });
    }

    /// <summary>
    /// Vectors of one value that several layers, or one layer in several places, take as scale, shift, bias or
    /// statistics become one for each. A network that runs one kernel twice keeps what directly follows it in both
    /// runs.
    /// </summary>
    private static OnnxModel Apart(OnnxModel model)
    {
        Dictionary<string, TensorProto> vectors = model.Initializers.Where(IsUniform).ToDictionary(i => i.Name);
        Dictionary<string, NodeProto> producers = [];
        foreach (NodeProto node in model.Nodes)
        foreach (string output in node.Output)
            producers[output] = node;
        HashSet<string> taken = [.. Subgraphs.DefinedAnywhere(model.Proto.Graph)];
        Dictionary<string, List<(string Owner, string Name)>> owners = [];
        Dictionary<(string Node, int Input), string> renamed = [];
        List<TensorProto> added = [];
        foreach (NodeProto node in model.TopologicalOrder())
        foreach (int input in Roles(node).Where(i => vectors.ContainsKey(node.Input[i])))
        {
            string name = node.Input[input],
                owner = FormattableString.Invariant($"{Owner(node, vectors, producers)} {input}");
            if (!owners.TryGetValue(name, out List<(string Owner, string Name)>? known))
                owners[name] = known = [(owner, name)];
            if (known.Find(k => k.Owner == owner).Name is not { } own)
            {
                TensorProto copy = vectors[name].Clone();
                copy.Name = own = Free(name, taken);
                added.Add(copy);
                known.Add((owner, own));
            }

            if (own != name)
                renamed[(node.Output[0], input)] = own;
        }

        if (added.Count == 0)
            return model;
        NodeProto[] nodes = [.. model.Nodes.Select(node => Renamed(node, renamed))];
        return model.With(proto =>
        {
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(nodes);
            proto.Graph.Initializer.AddRange(added);
        });
    }

    private static string Free(string name, HashSet<string> taken)
    {
        for (int number = 1; ; number++)
        {
            string free = FormattableString.Invariant($"{name}__{number}");
            if (taken.Add(free))
                return free;
        }
    }

    /// <param name="node">The node.</param>
    /// <param name="names">New names of inputs, by the first output of their node.</param>
    private static NodeProto Renamed(NodeProto node, Dictionary<(string Node, int Input), string> names)
    {
        NodeProto copy = node.Clone();
        for (int i = 0; i < copy.Input.Count; i++)
            if (names.TryGetValue((node.Output[0], i), out string? name))
                copy.Input[i] = name;
        return copy;
    }

    private static bool IsUniform(TensorProto tensor)
    {
        if (tensor.DataType != (int)DataType.Float || tensor.Dims.Aggregate(1L, (a, b) => a * b) is < 2 or > 1 << 20)
            return false;
        float[] values = TensorData.ToFloats(tensor);
        return !values.AsSpan().ContainsAnyExcept(values[0]);
    }

    /// <summary>Inputs that scale, shift or are statistics.</summary>
    private static IEnumerable<int> Roles(NodeProto node) =>
        (
            node.OpType switch
            {
                "BatchNormalization" => [1, 2, 3, 4],
                "LayerNormalization" or "InstanceNormalization" or "GroupNormalization" => [1, 2],
                "Conv" or "ConvTranspose" or "Gemm" => [2],
                "PRelu" => [1],
                "Add" or "Mul" or "Sub" or "Div" => [0, 1],
                _ => Array.Empty<int>(),
            }
        ).Where(i => i < node.Input.Count);

    /// <summary>What tells a layer from others: its kernel, or else what it makes.</summary>
    private static string Owner(
        NodeProto node,
        Dictionary<string, TensorProto> vectors,
        Dictionary<string, NodeProto> producers
    )
    {
        NodeProto? layer = node.Input.Select(producers.GetValueOrDefault).FirstOrDefault(made => made is not null);
        if (node.OpType is "Conv" or "ConvTranspose" or "Gemm")
            layer = node;
        return
            layer?.OpType is "Conv" or "ConvTranspose" or "Gemm" or "MatMul"
            && layer.Input.Count > 1
            && !vectors.ContainsKey(layer.Input[1])
            && !producers.ContainsKey(layer.Input[1])
            ? $"{node.OpType} of {layer.Input[1]}"
            : node.Output[0];
    }
}
