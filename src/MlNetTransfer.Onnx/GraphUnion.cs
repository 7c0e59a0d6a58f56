using Google.Protobuf.Collections;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Makes one model of several that run beside each other, or of one twice: inputs, outputs, nodes and weights of all,
/// every name under a prefix of its model's, so that none collide.
/// </summary>
internal static class GraphUnion
{
    private const int LatestUpgrade = 18;

    /// <summary>
    /// The models side by side. The operator set is the latest of theirs, and at least <paramref name="opset"/>;
    /// metadata is left out.
    /// </summary>
    /// <param name="models">Each with what its names begin with.</param>
    /// <param name="opset">The earliest operator set that will do.</param>
    /// <exception cref="GraphException">A node cannot be rewritten for the common operator set, or a model has
    /// functions of its own; the message names the model.</exception>
    public static OnnxModel Of(IReadOnlyList<(string Prefix, OnnxModel Model)> models, int opset)
    {
        opset = Math.Max(opset, models.Max(m => m.Model.OpsetVersion()));
        var union = new ModelProto { Graph = new GraphProto { Name = "side_by_side" } };
        foreach ((string prefix, OnnxModel model) in models)
        {
            ModelProto part = Prefixed(prefix, Raised(prefix, model, opset));
            union.IrVersion = Math.Max(union.IrVersion, part.IrVersion);
            union.ProducerName = part.ProducerName;
            union.Graph.Input.AddRange(part.Graph.Input);
            union.Graph.Output.AddRange(part.Graph.Output);
            union.Graph.Node.AddRange(part.Graph.Node);
            union.Graph.Initializer.AddRange(part.Graph.Initializer);
            union.Graph.SparseInitializer.AddRange(part.Graph.SparseInitializer);
            union.Graph.ValueInfo.AddRange(part.Graph.ValueInfo);
            union.Graph.QuantizationAnnotation.AddRange(part.Graph.QuantizationAnnotation);
            Import(union, part, prefix);
        }

        return new OnnxModel(union);
    }

    /// <summary>
    /// A model beside a copy of itself: the copy has inputs, outputs and nodes of its own, and the weights are common.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="prefix">What the names of the copy begin with.</param>
    /// <param name="opset">The earliest operator set that will do.</param>
    /// <exception cref="GraphException">As <see cref="Of"/>; or a name begins with the prefix already.</exception>
    public static OnnxModel Twice(OnnxModel model, string prefix, int opset)
    {
        model = Raised(prefix, model, Math.Max(opset, model.OpsetVersion()));
        if (
            Subgraphs
                .DefinedAnywhere(model.Proto.Graph)
                .FirstOrDefault(name => name.StartsWith(prefix, StringComparison.Ordinal)) is
            { } taken
        )
            throw new GraphException($"'{taken}' begins with '{prefix}', as the names of a copy do. Rename it.");
        GraphProto own = model.Proto.Graph;
        HashSet<string> weights =
        [
            .. own.Initializer.Select(i => i.Name),
            .. own.SparseInitializer.Select(Subgraphs.NameOf),
        ];
        return model.With(proto =>
        {
            GraphProto copy = new()
            {
                Input = { own.Input.Select(i => i.Clone()) },
                Output = { own.Output.Select(o => o.Clone()) },
                Node = { own.Node.Select(n => n.Clone()) },
                ValueInfo = { own.ValueInfo.Where(v => !weights.Contains(v.Name)).Select(v => v.Clone()) },
                QuantizationAnnotation =
                {
                    own.QuantizationAnnotation.Where(a => !weights.Contains(a.TensorName)).Select(a => a.Clone()),
                },
            };
            Rename(copy, name => name.Length == 0 || weights.Contains(name) ? name : prefix + name);
            proto.Graph.Input.AddRange(copy.Input);
            proto.Graph.Output.AddRange(copy.Output);
            proto.Graph.Node.AddRange(copy.Node);
            proto.Graph.ValueInfo.AddRange(copy.ValueInfo);
            proto.Graph.QuantizationAnnotation.AddRange(copy.QuantizationAnnotation);
        });
    }

    private static OnnxModel Raised(string prefix, OnnxModel model, int opset)
    {
        if (model.Proto.Functions.Count > 0)
            throw new GraphException(
                $"The model of '{prefix}' has functions of its own ({model.Proto.Functions[0].Name}), which cannot "
                    + $"stand beside another's. Export it with the functions written out."
            );
        try
        {
            return model.UpgradeOpset(Math.Min(opset, LatestUpgrade)).WithOpset(opset).WithConstantWeights();
        }
        catch (GraphException e)
        {
            throw new GraphException(
                $"The model of '{prefix}' has operator set {model.OpsetVersion()} and cannot be rewritten for "
                    + $"{opset}, which a model beside it has: {e.Message}",
                e
            );
        }
    }

    /// <summary>Domains of custom operators are common to all, so their versions must be.</summary>
    private static void Import(ModelProto union, ModelProto part, string prefix)
    {
        foreach (OperatorSetIdProto set in part.OpsetImport)
        {
            OperatorSetIdProto? same = union.OpsetImport.FirstOrDefault(o =>
                o.Domain == set.Domain || (OperatorSets.IsDefault(o.Domain) && OperatorSets.IsDefault(set.Domain))
            );
            if (same is null)
                union.OpsetImport.Add(set.Clone());
            else if (same.Version != set.Version)
                throw new GraphException(
                    $"The model of '{prefix}' imports version {set.Version} of '{set.Domain}', one beside it version "
                        + $"{same.Version}. Export both with the same."
                );
        }
    }

    private static ModelProto Prefixed(string prefix, OnnxModel model)
    {
        ModelProto proto = model.ToProto();
        Rename(proto.Graph, name => name.Length > 0 ? prefix + name : name);
        return proto;
    }

    private static void Rename(GraphProto graph, Func<string, string> name)
    {
        foreach (ValueInfoProto value in graph.Input.Concat(graph.Output).Concat(graph.ValueInfo))
            value.Name = name(value.Name);
        foreach (
            TensorProto tensor in graph.Initializer.Concat(
                graph.SparseInitializer.SelectMany(s => new[] { s.Values, s.Indices }).OfType<TensorProto>()
            )
        )
            tensor.Name = name(tensor.Name);
        foreach (TensorAnnotation annotation in graph.QuantizationAnnotation)
        {
            annotation.TensorName = name(annotation.TensorName);
            foreach (StringStringEntryProto parameter in annotation.QuantParameterTensorNames)
                parameter.Value = name(parameter.Value);
        }

        foreach (NodeProto node in graph.Node)
        {
            node.Name = name(node.Name);
            Rename(node, name);
        }
    }

    /// <summary>Renames the tensors that a node takes and gives, inside its subgraphs too.</summary>
    internal static void Rename(NodeProto node, Func<string, string> name)
    {
        Rename(node.Input, name);
        Rename(node.Output, name);
        foreach (GraphProto body in Subgraphs.Of(node))
            Rename(body, name);
    }

    private static void Rename(RepeatedField<string> names, Func<string, string> name)
    {
        for (int i = 0; i < names.Count; i++)
            names[i] = name(names[i]);
    }
}
