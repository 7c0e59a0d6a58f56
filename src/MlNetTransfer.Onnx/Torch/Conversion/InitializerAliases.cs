using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>Gives every parameter an initializer of its own.</summary>
/// <remarks>
/// PyTorch's exporter stores parameters that are equal bit by bit once, and names the others as an Identity of the
/// first: that of all fresh batch norms, for example. To train them apart, or to put trained values back, each must be
/// an initializer.
/// </remarks>
internal static class InitializerAliases
{
    /// <summary>
    /// The model with each Identity of an initializer made an initializer under the Identity's name. The values are
    /// shared, not copied.
    /// </summary>
    public static OnnxModel Expand(OnnxModel model)
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
}
