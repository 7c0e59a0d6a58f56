using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Kernels;

/// <summary>
/// Element-wise nodes that feed only one another become one <see cref="Elementwise"/>: what lies between them is never
/// written to memory, nor kept there for the way back.
/// </summary>
internal static class ElementwiseFusion
{
    /// <summary>Inputs of one kernel, at most: each takes a part of the cache.</summary>
    private const int MostInputs = 8;

    private static readonly Dictionary<string, ElementwiseOperator> Binary = new()
    {
        ["Add"] = ElementwiseOperator.Add,
        ["Sub"] = ElementwiseOperator.Subtract,
        ["Mul"] = ElementwiseOperator.Multiply,
        ["Div"] = ElementwiseOperator.Divide,
        ["Max"] = ElementwiseOperator.Maximum,
        ["Min"] = ElementwiseOperator.Minimum,
    };

    private static readonly Dictionary<string, ElementwiseOperator> Unary = new()
    {
        ["Neg"] = ElementwiseOperator.Negate,
        ["Exp"] = ElementwiseOperator.Exp,
        ["Sqrt"] = ElementwiseOperator.SquareRoot,
        ["Reciprocal"] = ElementwiseOperator.Reciprocal,
        ["Sigmoid"] = ElementwiseOperator.Sigmoid,
        ["Abs"] = ElementwiseOperator.Absolute,
        ["Erf"] = ElementwiseOperator.Erf,
        ["HardSigmoid"] = ElementwiseOperator.HardSigmoid,
        ["Relu"] = ElementwiseOperator.Clip,
        ["Clip"] = ElementwiseOperator.Clip,
    };

    public static void Apply(LoweredGraph graph, long leastElements)
    {
        List<int>[] groups = Groups(graph, leastElements);
        ILookup<int, int> members = Enumerable
            .Range(0, graph.Count)
            .SelectMany(i => groups[i].Select(group => (Group: group, Member: i)))
            .ToLookup(m => m.Group, m => m.Member);
        (int Group, NodeProto Fused)[] written =
        [
            .. members
                .Where(g => g.Count() > 1)
                .OrderBy(g => g.Key)
                .Select(g => (g.Key, new ElementwiseWriter(graph, [.. g.Order()]).Write())),
        ];
        foreach ((int group, NodeProto fused) in written)
            graph.Replace(group, fused);
        for (int i = 0; i < graph.Count; i++)
            if (groups[i].Count > 0 && !groups[i].Contains(i))
                graph.Remove(i);
    }

    /// <summary>The bounds of a Clip or Relu; null where they are computed.</summary>
    public static (float Low, float High)? Bounds(LoweredGraph graph, NodeProto node)
    {
        if (node.OpType == "Relu")
            return (0, float.PositiveInfinity);
        float? Bound(int index, float none) =>
            node.Input.Count <= index || node.Input[index].Length == 0 ? none : Number(graph, node.Input[index]);
        return Bound(1, float.NegativeInfinity) is { } low && Bound(2, float.PositiveInfinity) is { } high
            ? (low, high)
            : null;
    }

    /// <summary>The value of a constant of one element; null for any other tensor.</summary>
    public static float? Number(LoweredGraph graph, string tensor) =>
        graph.Constant(tensor) is { } constant && constant.Dims.All(d => d == 1) && constant.DataType == 1
            ? TensorData.ToFloats(constant)[0]
            : null;

    /// <summary>What a node lets through; null where it is no gate, or one of several steps.</summary>
    public static ElementwiseStep? GateOf(NodeProto node) =>
        node is { Domain: KernelRegistry.Domain, OpType: Elementwise.Name }
        && ElementwiseProgram.Of(node).Steps is [{ Operator: ElementwiseOperator.Gate } step]
            ? step
            : null;

    /// <summary>The operator of a node; null where it has none here.</summary>
    public static ElementwiseOperator? Operator(LoweredGraph graph, NodeProto node)
    {
        if (GateOf(node) is { } gate)
            return gate.Operator;
        if (node.Domain.Length > 0)
            return null;
        if (node.OpType == "Pow")
            return Number(graph, node.Input[1]) == 2 ? ElementwiseOperator.Square : null;
        if (Unary.TryGetValue(node.OpType, out ElementwiseOperator one))
            return one == ElementwiseOperator.Clip && Bounds(graph, node) is null ? null : one;
        return node.Input.Count == 2 && Binary.TryGetValue(node.OpType, out ElementwiseOperator two) ? two : null;
    }

    /// <summary>
    /// For each node the groups that it is in, each by its last node. A node joins the groups of those that read it, so
    /// that a group has one output, and no path leaves it and comes back. One of a single operand may be in several
    /// groups and is computed in each: its operand is kept for them instead of it, or that one's operand, down to a
    /// tensor that is kept anyway.
    /// </summary>
    private static List<int>[] Groups(LoweredGraph graph, long least)
    {
        List<int>[] groups = [.. Enumerable.Range(0, graph.Count).Select(_ => new List<int>())];
        Dictionary<int, HashSet<string>> inputs = [];
        for (int i = graph.Count - 1; i >= 0; i--)
        {
            if (graph[i] is not { } node || !IsFit(graph, node, least))
                continue;
            string output = node.Output[0];
            string[] reads = [.. node.Input.Where(n => n.Length > 0 && Number(graph, n) is null)];
            IReadOnlyList<int> readers = graph.Readers(output);
            int[] joined = [.. readers.SelectMany(r => groups[r]).Distinct()];
            bool fits =
                !graph.IsResult(output)
                && joined.Length > 0
                && readers.All(r => groups[r].Count > 0)
                && (joined.Length == 1 || reads.Length == 1)
                && joined.All(g =>
                    graph.Shape(graph[g]!.Output[0]).AsSpan().SequenceEqual(graph.Shape(output))
                    && inputs[g].Union(reads).Count() <= MostInputs
                );
            if (!fits)
            {
                joined = [i];
                inputs[i] = [];
            }

            groups[i] = [.. joined];
            foreach (int group in joined)
            {
                inputs[group].Remove(output);
                inputs[group].UnionWith(reads);
            }
        }

        return groups;
    }

    private static bool IsFit(LoweredGraph graph, NodeProto node, long least) =>
        Operator(graph, node) is not null
        && graph.IsTrained(node)
        && graph.Shape(node.Output[0]) is { } shape
        && shape.Aggregate(1L, (a, b) => a * b) is var elements
        && elements >= least
        && elements <= int.MaxValue
        && node.Input.Where(n => n.Length > 0)
            .All(n =>
                Number(graph, n) is not null || (graph.Shape(n) is { } from && Repetition.Of(from, shape) is not null)
            )
        && !IsFusedByTheRuntime(graph, node);

    /// <summary>
    /// Whether a node follows a convolution that nobody else reads: ONNX Runtime computes activations and sums as a
    /// part of it.
    /// </summary>
    private static bool IsFusedByTheRuntime(LoweredGraph graph, NodeProto node) =>
        node.OpType switch
        {
            "Relu" or "Clip" or "Sigmoid" or "Tanh" or "HardSigmoid" => FollowsConvolution(graph, node.Input[0])
                || (
                    graph.OnlyReader(node.Input[0]) >= 0
                    && graph.Maker(node.Input[0]) is >= 0 and var maker
                    && graph[maker] is { OpType: "Add", Domain: "" } sum
                    && sum.Input.Any(n => FollowsConvolution(graph, n))
                ),
            "Add" => node.Input.Any(n => FollowsConvolution(graph, n)),
            _ => false,
        };

    private static bool FollowsConvolution(LoweredGraph graph, string tensor) =>
        graph.OnlyReader(tensor) >= 0
        && graph.Maker(tensor) is >= 0 and var maker
        && graph[maker] is { OpType: "Conv", Domain: "" };
}

/// <summary>Writes the program of a group.</summary>
/// <param name="graph">The graph.</param>
/// <param name="members">The nodes, in the order of the graph; the last one makes the output.</param>
internal sealed class ElementwiseWriter(LoweredGraph graph, int[] members)
{
    private readonly List<string> inputs = [];
    private readonly Dictionary<string, int> registers = [];
    private readonly Dictionary<string, int> lastUse = [];
    private readonly List<int> free = [];
    private int count;

    public NodeProto Write()
    {
        NodeProto[] nodes = [.. members.Select(m => graph[m]!)];
        HashSet<string> inner = [.. nodes.Select(n => n.Output[0])];
        string output = nodes[^1].Output[0];
        for (int i = 0; i < nodes.Length; i++)
            foreach (string read in Operands(nodes[i]))
                if (inner.Contains(read))
                    lastUse[read] = i;
                else if (!inputs.Contains(read))
                    inputs.Add(read);
        List<ElementwiseStep> steps = [];
        for (int i = 0; i < nodes.Length; i++)
            steps.Add(Step(nodes[i], i, isLast: i == nodes.Length - 1));
        long[] shape = graph.Shape(output)!;
        ElementwiseProgram program = new(
            shape,
            [.. inputs.Select(n => Repetition.Of(graph.Shape(n)!, shape)!.Value)],
            count,
            [.. steps.Select(s => s with { Into = s.Into < 0 ? inputs.Count + count : s.Into })]
        );
        return program.ToNode(inputs, output);
    }

    private IEnumerable<string> Operands(NodeProto node) =>
        node
            .Input.Take(node.OpType is "Clip" or "Pow" ? 1 : 2)
            .Where(n => n.Length > 0 && ElementwiseFusion.Number(graph, n) is null);

    private ElementwiseStep Step(NodeProto node, int index, bool isLast)
    {
        ElementwiseOperator what = ElementwiseFusion.Operator(graph, node)!.Value;
        string[] operands = [.. Operands(node)];
        int a = Place(operands[0]),
            b = operands.Length > 1 ? Place(operands[1]) : a;
        float alpha = 0,
            beta = 0;
        if (ElementwiseFusion.GateOf(node) is { } gate)
            (alpha, beta) = (gate.Alpha, gate.Beta);
        else if (what == ElementwiseOperator.Clip)
            (alpha, beta) = ElementwiseFusion.Bounds(graph, node)!.Value;
        else if (what == ElementwiseOperator.HardSigmoid)
            (alpha, beta) = (Float(node, "alpha", 0.2f), Float(node, "beta", 0.5f));
        else if (node.Input.Count == 2 && operands.Length == 1 && what != ElementwiseOperator.Square)
        {
            bool isFirst = ElementwiseFusion.Number(graph, node.Input[0]) is not null;
            float number = ElementwiseFusion.Number(graph, node.Input[isFirst ? 0 : 1])!.Value;
            (what, alpha, beta) = WithNumber(what, number, isFirst);
        }

        foreach (string read in operands.Distinct())
            if (lastUse.TryGetValue(read, out int last) && last == index)
                free.Add(registers[read]);
        int into = -1;
        if (!isLast)
        {
            into = free.Count > 0 ? free[^1] : count++;
            free.Remove(into);
            registers[node.Output[0]] = into;
        }

        return new ElementwiseStep(what, a, b, into < 0 ? into : inputs.Count + into, alpha, beta);
    }

    private int Place(string tensor) =>
        registers.TryGetValue(tensor, out int register) ? inputs.Count + register : inputs.IndexOf(tensor);

    /// <summary>An operator of two operands of which one is a number.</summary>
    private static (ElementwiseOperator, float, float) WithNumber(
        ElementwiseOperator what,
        float number,
        bool isFirst
    ) =>
        (what, isFirst) switch
        {
            (ElementwiseOperator.Add, _) => (ElementwiseOperator.AddNumber, number, 0),
            (ElementwiseOperator.Subtract, true) => (ElementwiseOperator.SubtractFromNumber, number, 0),
            (ElementwiseOperator.Subtract, false) => (ElementwiseOperator.AddNumber, -number, 0),
            (ElementwiseOperator.Multiply, _) => (ElementwiseOperator.MultiplyNumber, number, 0),
            (ElementwiseOperator.Divide, true) => (ElementwiseOperator.DivideNumber, number, 0),
            (ElementwiseOperator.Divide, false) => (ElementwiseOperator.MultiplyNumber, 1 / number, 0),
            (ElementwiseOperator.Maximum, _) => (ElementwiseOperator.Clip, number, float.PositiveInfinity),
            (ElementwiseOperator.Minimum, _) => (ElementwiseOperator.Clip, float.NegativeInfinity, number),
            _ => throw new InvalidOperationException($"{what} takes no number."),
        };

    private static float Float(NodeProto node, string name, float other) =>
        node.Attribute.FirstOrDefault(a => a.Name == name)?.F ?? other;
}
