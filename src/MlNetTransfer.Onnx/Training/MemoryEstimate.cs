using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// What a training step needs in memory, from the shapes alone, in bytes; the runtime's own workspaces and the process
/// around it (about 100 MB) come on top.
/// </summary>
/// <param name="Activations">Largest sum of tensors alive at one time: activations kept for the way back, gradients,
/// workspaces of the decompositions.</param>
/// <param name="State">Parameters, optimiser state, averages, sums of gradients.</param>
/// <param name="Constants">Frozen weights and other constants.</param>
/// <param name="Inputs">What is fed and read at each step.</param>
public sealed record MemoryEstimate(long Activations, long State, long Constants, long Inputs)
{
    /// <summary>All together.</summary>
    public long Total => Activations + State + Constants + Inputs;

    /// <summary>
    /// Estimates a training graph: its nodes in their order, every tensor alive from the node that makes it to the last
    /// that uses it. Costs a session without optimisations.
    /// </summary>
    /// <exception cref="GraphException">ONNX Runtime cannot load the graph.</exception>
    public static MemoryEstimate Of(TrainingGraph graph)
    {
        OnnxModel model = graph.Model;
        HashSet<string> outside =
        [
            .. graph.State.Select(s => s.Input),
            .. graph.State.Select(s => s.Output ?? ""),
            .. model.Outputs.Select(o => o.Name),
            .. model.Inputs.Select(i => i.Name),
            .. model.Initializers.Select(i => i.Name),
        ];
        IReadOnlyList<NodeProto> order = model.TopologicalOrder();
        string[] inner = [.. order.SelectMany(n => n.Output).Where(o => o.Length > 0 && !outside.Contains(o))];
        Dictionary<string, long> sizes = StaticShapes.Of(model, inner).ToDictionary(s => s.Key, s => Bytes(s.Value));
        long state = graph.State.DistinctBy(s => s.Input).Sum(s => s.Shape.Aggregate(4L, (a, b) => a * b));
        long fed =
            model.Inputs.Where(i => graph.State.All(s => s.Input != i.Name)).Sum(i => Bytes(TensorShape.From(i)!))
            + graph.Objectives.DistinctBy(o => o.Logits).Sum(o => 4L * graph.BatchSize * o.Columns);
        return new MemoryEstimate(
            Peak(order, sizes),
            state,
            model.Initializers.Sum(i => TensorData.ByteLength(i) ?? i.CalculateSize()),
            fed
        );
    }

    private static long Peak(IReadOnlyList<NodeProto> order, Dictionary<string, long> sizes)
    {
        Dictionary<string, int> lastUse = [];
        for (int i = 0; i < order.Count; i++)
            foreach (string input in Subgraphs.NeededBy(order[i]))
                lastUse[input] = i;
        long alive = 0,
            peak = 0;
        for (int i = 0; i < order.Count; i++)
        {
            // A view shares its input's memory: it costs nothing, and what it views is held as long as it is.
            if (IsView(order[i]) && sizes.ContainsKey(order[i].Input[0]))
            {
                sizes[order[i].Output[0]] =
                    lastUse.GetValueOrDefault(order[i].Input[0]) == i ? sizes[order[i].Input[0]] : 0;
                if (sizes[order[i].Output[0]] > 0)
                    sizes[order[i].Input[0]] = 0;
                continue;
            }

            alive += order[i].Output.Sum(o => sizes.GetValueOrDefault(o));
            peak = Math.Max(peak, alive);
            alive -= order[i].Output.Where(o => !lastUse.ContainsKey(o)).Sum(o => sizes.GetValueOrDefault(o));
            alive -= Subgraphs
                .NeededBy(order[i])
                .Distinct()
                .Where(t => lastUse[t] == i)
                .Sum(t => sizes.GetValueOrDefault(t));
        }

        return peak;
    }

    private static bool IsView(NodeProto node) =>
        node.OpType is "Reshape" or "Flatten" or "Squeeze" or "Unsqueeze" or "Identity";

    private static long Bytes(TensorShape shape)
    {
        long size = shape.ElementType switch
        {
            DataType.Double or DataType.Int64 or DataType.Uint64 => 8,
            DataType.Float or DataType.Int32 or DataType.Uint32 => 4,
            DataType.Float16 or DataType.Bfloat16 => 2,
            _ => 1,
        };
        return shape.Dimensions.Aggregate(size, (a, d) => a * d.Size!.Value);
    }
}

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

/// <summary>A node that no gradient can pass.</summary>
/// <param name="Node">Name of the node; empty where it has none.</param>
/// <param name="Operator">Its operator.</param>
/// <param name="Parameters">The parameters below it: to be frozen.</param>
/// <param name="Message">What is missing and what to do; fit to be printed as it is.</param>
public sealed record UnsupportedNode(string Node, string Operator, IReadOnlyList<string> Parameters, string Message);
