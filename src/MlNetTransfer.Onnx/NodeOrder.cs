using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Topological order of nodes (Kahn 1962), stable: among nodes that are ready, the one that stood first goes first.
/// </summary>
internal static class NodeOrder
{
    /// <exception cref="GraphException">Two nodes make the same tensor, or nodes depend on each other in a
    /// circle.</exception>
    public static IReadOnlyList<NodeProto> Sort(IReadOnlyList<NodeProto> nodes)
    {
        Dictionary<string, int> producer = Producers(nodes);
        int[] waitingFor = new int[nodes.Count];
        List<int>[] consumers = [.. nodes.Select(_ => new List<int>())];
        for (int i = 0; i < nodes.Count; i++)
            foreach (
                int source in Subgraphs
                    .NeededBy(nodes[i])
                    .Where(producer.ContainsKey)
                    .Select(n => producer[n])
                    .Distinct()
            )
            {
                waitingFor[i]++;
                consumers[source].Add(i);
            }

        PriorityQueue<int, int> ready = new(
            Enumerable.Range(0, nodes.Count).Where(i => waitingFor[i] == 0).Select(i => (i, i))
        );
        List<NodeProto> sorted = new(nodes.Count);
        while (ready.TryDequeue(out int next, out _))
        {
            sorted.Add(nodes[next]);
            foreach (int consumer in consumers[next])
                if (--waitingFor[consumer] == 0)
                    ready.Enqueue(consumer, consumer);
        }

        if (sorted.Count == nodes.Count)
            return sorted;
        IEnumerable<string> stuck = Enumerable
            .Range(0, nodes.Count)
            .Where(i => waitingFor[i] > 0)
            .Take(5)
            .Select(i => Describe(nodes[i]));
        throw new GraphException(
            $"The graph has a cycle through or before {string.Join(", ", stuck)}; an ONNX graph must have none. "
                + $"Export the model again."
        );
    }

    public static Dictionary<string, int> Producers(IReadOnlyList<NodeProto> nodes)
    {
        Dictionary<string, int> producer = [];
        for (int i = 0; i < nodes.Count; i++)
            foreach (string output in nodes[i].Output.Where(o => o.Length > 0))
                if (!producer.TryAdd(output, i))
                    throw new GraphException(
                        $"Tensor '{output}' is made twice: by {Describe(nodes[producer[output]])} and by "
                            + $"{Describe(nodes[i])}. Rename one of them."
                    );
        return producer;
    }

    public static string Describe(NodeProto node) =>
        $"{node.OpType} node '{(node.Name.Length > 0 ? node.Name : string.Join(", ", node.Output))}'";
}
