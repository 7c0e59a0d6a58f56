using System.Security.Cryptography;
using Google.Protobuf;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Computes once what several nodes compute alike, and keeps equal weights once: several heads on one network run the
/// network once. (Common subexpression elimination by value numbering; Cocke, "Global Common Subexpression
/// Elimination", 1970.)
/// </summary>
internal static class CommonNodes
{
    /// <summary>Operators that give other numbers each time.</summary>
    private static readonly HashSet<string> Random =
    [
        "Bernoulli",
        "Multinomial",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
    ];

    /// <summary>The model with each of them once. Outputs keep their names.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="same">Tensors that are to be taken for others, by name; inputs among them are dropped.</param>
    public static OnnxModel Merge(OnnxModel model, IReadOnlyDictionary<string, string> same)
    {
        Dictionary<string, string> names = new(same);
        HashSet<string> outputs = [.. model.Outputs.Select(o => o.Name)];
        return model.With(proto =>
        {
            GraphProto graph = proto.Graph;
            Dictionary<string, string> known = [];
            ValueInfoProto[] inputs = [.. graph.Input.Where(input => !same.ContainsKey(input.Name))];
            TensorProto[] weights = [.. graph.Initializer.Where(weight => IsFirst(weight, known, names, outputs))];
            List<NodeProto> nodes = [];
            foreach (NodeProto node in NodeOrder.Sort(graph.Node))
            {
                GraphUnion.Rename(node, name => names.GetValueOrDefault(name, name));
                if (IsFirst(node, known, names, outputs))
                    nodes.Add(node);
            }

            GraphEdits.Replace(graph.Input, inputs);
            GraphEdits.Replace(graph.Initializer, weights);
            GraphEdits.Replace(graph.Node, nodes);
            GraphEdits.Replace(graph.ValueInfo, [.. graph.ValueInfo.Where(value => !names.ContainsKey(value.Name))]);
            GraphEdits.Replace(
                graph.QuantizationAnnotation,
                [.. graph.QuantizationAnnotation.Where(note => !names.ContainsKey(note.TensorName))]
            );
        });
    }

    private static bool IsFirst(
        TensorProto weight,
        Dictionary<string, string> known,
        Dictionary<string, string> names,
        HashSet<string> outputs
    )
    {
        TensorProto content = weight.Clone();
        (content.Name, content.DocString) = ("", "");
        return IsFirst(content, [weight.Name], known, names, outputs);
    }

    private static bool IsFirst(
        NodeProto node,
        Dictionary<string, string> known,
        Dictionary<string, string> names,
        HashSet<string> outputs
    )
    {
        if (Random.Contains(node.OpType) || Subgraphs.Of(node).Any())
            return true;
        NodeProto content = node.Clone();
        (content.Name, content.DocString) = ("", "");
        // Which outputs are wanted is content, their names are not.
        for (int i = 0; i < content.Output.Count; i++)
            content.Output[i] = content.Output[i].Length > 0 ? "wanted" : "";
        AttributeProto[] attributes = [.. content.Attribute.OrderBy(a => a.Name, StringComparer.Ordinal)];
        GraphEdits.Replace(content.Attribute, attributes);
        return IsFirst(content, [.. node.Output], known, names, outputs);
    }

    /// <summary>
    /// Whether nothing before had this content; where something had, its tensors are noted to stand for these.
    /// </summary>
    private static bool IsFirst(
        IMessage content,
        string[] tensors,
        Dictionary<string, string> known,
        Dictionary<string, string> names,
        HashSet<string> outputs
    )
    {
        string digest = $"{content.Descriptor.Name} {Convert.ToHexString(SHA256.HashData(content.ToByteArray()))}";
        for (int i = 0; i < tensors.Length; i++)
        {
            string key = FormattableString.Invariant($"{digest} {i}");
            if (known.TryAdd(key, tensors[i]))
                continue;
            names[tensors[i]] = known[key];
        }

        // An output has to be made under its own name.
        return tensors.Any(tensor => tensor.Length > 0 && (outputs.Contains(tensor) || !names.ContainsKey(tensor)));
    }
}
