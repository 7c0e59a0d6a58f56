using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

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
