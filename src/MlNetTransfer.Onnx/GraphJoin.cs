using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Makes one model of two that run one after the other, e.g. of a network and of the graph that prepares its input.
/// </summary>
internal static class GraphJoin
{
    /// <summary>The second model, fed by the first.</summary>
    /// <exception cref="GraphException">The first has not one output, or the second not one input.</exception>
    public static OnnxModel Of(OnnxModel first, OnnxModel second)
    {
        if (first.Outputs.Count != 1 || second.Inputs.Count != 1)
            throw new GraphException(
                $"Models are joined where the first has one output and the second one input; they have "
                    + $"{first.Outputs.Count} and {second.Inputs.Count}."
            );
        int opset = Math.Max(first.OpsetVersion(), second.OpsetVersion());
        (first, second) = (
            first.UpgradeOpset(opset).WithConstantWeights(),
            second.UpgradeOpset(opset).WithConstantWeights()
        );
        first = WithNamesApart(first, second);
        string joint = first.Outputs[0].Name,
            input = second.Inputs[0].Name;
        return second
            .RenameTensor(input, joint)
            .With(proto =>
            {
                ModelProto front = first.Proto;
                proto.IrVersion = Math.Max(proto.IrVersion, front.IrVersion);
                proto.Graph.Input.Clear();
                proto.Graph.Input.AddRange(front.Graph.Input);
                proto.Graph.Initializer.AddRange(front.Graph.Initializer);
                proto.Graph.ValueInfo.AddRange(front.Graph.ValueInfo);
                NodeProto[] nodes =
                [
                    .. GraphEdits.WithFreeNames(front.Graph.Node, proto.Graph.Node),
                    .. proto.Graph.Node,
                ];
                proto.Graph.Node.Clear();
                proto.Graph.Node.AddRange(nodes);
                foreach (
                    OperatorSetIdProto set in front.OpsetImport.Where(s =>
                        proto.OpsetImport.All(o => !SameDomain(o, s))
                    )
                )
                    proto.OpsetImport.Add(set.Clone());
            });
    }

    private static bool SameDomain(OperatorSetIdProto a, OperatorSetIdProto b) =>
        a.Domain == b.Domain || (OperatorSets.IsDefault(a.Domain) && OperatorSets.IsDefault(b.Domain));

    private static OnnxModel WithNamesApart(OnnxModel model, OnnxModel other)
    {
        HashSet<string> taken = [.. Subgraphs.DefinedAnywhere(other.Proto.Graph)];
        foreach (string name in Subgraphs.DefinedIn(model.Proto.Graph).Where(taken.Contains).ToArray())
            model = model.RenameTensor(
                name,
                NameAllocator.First(
                    $"{name}_before",
                    taken.Union(Subgraphs.DefinedAnywhere(model.Proto.Graph)).ToHashSet()
                )
            );
        return model;
    }
}
