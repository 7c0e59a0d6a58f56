using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Onnx;

/// <summary>A model with other weights, and beside it the part of it that they change, as it was.</summary>
/// <param name="Model">Both. What no changed weight reaches is there once.</param>
/// <param name="Names">
/// What the tensors that changed weights reach are called as they were; all others are what they are called.
/// </param>
internal sealed record GraphFork(OnnxModel Model, IReadOnlyDictionary<string, string> Names)
{
    /// <summary>Forks a model where its weights change.</summary>
    /// <param name="model">The model as it was; not changed.</param>
    /// <param name="weights">Its initializers that change, by name, with their new values.</param>
    /// <param name="prefix">What the names of what was begin with, a number added where one is taken.</param>
    /// <exception cref="GraphException">A weight is no initializer, or of another size.</exception>
    public static GraphFork Of(OnnxModel model, IReadOnlyDictionary<string, float[]> weights, string prefix)
    {
        HashSet<string> changed = [.. weights.Keys];
        List<NodeProto> reached = [];
        foreach (NodeProto node in model.Nodes.Where(node => Subgraphs.NeededBy(node).Any(changed.Contains)))
        {
            reached.Add(node);
            changed.UnionWith(node.Output.Where(name => name.Length > 0));
        }

        HashSet<string> taken =
        [
            .. Subgraphs.DefinedAnywhere(model.Proto.Graph),
            .. Subgraphs.NodesAnywhere(model.Proto.Graph).Select(node => node.Name),
        ];
        string Free(string name)
        {
            string free = NameAllocator.First(prefix + name, taken);
            taken.Add(free);
            return free;
        }

        Dictionary<string, string> names = changed.ToDictionary(name => name, Free);
        OnnxModel both = model
            .WithInitializers(weights)
            .With(proto =>
            {
                GraphProto was = model.Proto.Graph;
                proto.Graph.Initializer.AddRange(
                    was.Initializer.Where(i => weights.ContainsKey(i.Name))
                        .Select(i => new TensorProto(i) { Name = names[i.Name] })
                );
                proto.Graph.ValueInfo.AddRange(
                    was.ValueInfo.Where(v => changed.Contains(v.Name))
                        .Select(v => new ValueInfoProto(v) { Name = names[v.Name] })
                );
                foreach (NodeProto node in reached)
                {
                    NodeProto copy = new(node) { Name = Free(node.Name) };
                    GraphUnion.Rename(copy, name => names.GetValueOrDefault(name, name));
                    proto.Graph.Node.Add(copy);
                }
            });
        return new GraphFork(both, names);
    }
}
