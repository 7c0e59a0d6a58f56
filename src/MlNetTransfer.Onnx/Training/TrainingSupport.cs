using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>What of a model can be trained, asked before a job starts.</summary>
public static class TrainingSupport
{
    /// <summary>
    /// Operator types of ONNX's own set that can stand above trained parameters, sorted. Below them any operator may.
    /// </summary>
    public static IReadOnlyList<string> Operators => Differentiator.Operators;

    /// <summary>
    /// The nodes between parameters and an output that have no gradient: none of the parameters they list can be
    /// trained. Empty where all can.
    /// </summary>
    /// <param name="model">The forward model.</param>
    /// <param name="output">Tensor that the loss is computed from, usually the logits.</param>
    /// <param name="parameters">Names of float32 initializers to train, at least one.</param>
    /// <returns>Nodes from the output downwards.</returns>
    /// <exception cref="GraphException">A name does not exist, or is not float32, or a shape is not fixed.</exception>
    public static IReadOnlyList<UnsupportedNode> Missing(
        OnnxModel model,
        string output,
        IReadOnlyCollection<string> parameters
    )
    {
        OnnxModel forward = ForwardMode.Inference(GraphCut.At(model, [output], typed: false));
        int batchSize = (int)(
            forward.Inputs.Select(TensorShape.From).FirstOrDefault(s => s is { Rank: > 0 })?.Dimensions[0].Size ?? 1
        );
        StaticGraph graph = Differentiator.Prepare(forward, [output], parameters, batchSize);
        GraphEmitter trial = new(graph.Model.ToProto().Graph, graph.Model.OpsetVersion());
        return
        [
            .. BackwardPass
                .Refusals(graph, trial, output, parameters)
                .Select(r => new UnsupportedNode(
                    r.Node.Name,
                    r.Node.OpType,
                    Below(graph.Model, r.Node, parameters),
                    r.Refusal.Message
                )),
        ];
    }

    /// <summary>
    /// The parameters that a model can train: those of the given ones below no node that has no gradient, in their
    /// order.
    /// </summary>
    /// <param name="model">The forward model.</param>
    /// <param name="output">Tensor that the loss is computed from.</param>
    /// <param name="parameters">Names of float32 initializers, at least one.</param>
    /// <exception cref="GraphException">A name does not exist, or is not float32, or a shape is not fixed.</exception>
    public static IReadOnlyList<string> Trainable(
        OnnxModel model,
        string output,
        IReadOnlyCollection<string> parameters
    )
    {
        HashSet<string> blocked = [.. Missing(model, output, parameters).SelectMany(m => m.Parameters)];
        return [.. parameters.Where(p => !blocked.Contains(p))];
    }

    private static string[] Below(OnnxModel model, NodeProto node, IReadOnlyCollection<string> parameters)
    {
        HashSet<string> needed = [.. Subgraphs.NeededBy(node)];
        foreach (NodeProto below in model.Nodes.Reverse())
            if (below.Output.Any(needed.Contains))
                needed.UnionWith(Subgraphs.NeededBy(below));
        return [.. parameters.Where(needed.Contains)];
    }
}
