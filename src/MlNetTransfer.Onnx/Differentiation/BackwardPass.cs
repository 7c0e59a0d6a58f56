using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Appends the backward pass of a graph: reverse-mode differentiation, node by node from the last (Griewank and
/// Walther, Evaluating Derivatives, ch. 3).
/// </summary>
internal sealed class BackwardPass
{
    private readonly StaticGraph forward;
    private readonly GraphEmitter graph;
    private readonly HashSet<string> varying;
    private readonly Dictionary<string, List<Gradient>> gradients = [];
    private readonly List<(NodeProto Node, GraphException Refusal)>? refusals;

    private BackwardPass(StaticGraph forward, GraphEmitter graph, HashSet<string> varying, bool trial = false) =>
        (this.forward, this.graph, this.varying, refusals) = (forward, graph, varying, trial ? [] : null);

    /// <summary>Appends the nodes that compute the gradients of chosen tensors.</summary>
    /// <param name="forward">The forward graph, with the shapes of what <see cref="Dependence.Around"/> lists.</param>
    /// <param name="graph">Writes into a graph that contains the forward nodes.</param>
    /// <param name="outputGradients">Tensor of the forward graph → tensor that holds its gradient.</param>
    /// <param name="wanted">Initializers or inputs whose gradients are wanted.</param>
    /// <returns>Gradient of each wanted tensor, of its shape.</returns>
    /// <exception cref="GraphException">An operator between has no gradient, or a wanted tensor does not reach the
    /// outputs.</exception>
    public static IReadOnlyDictionary<string, string> Append(
        StaticGraph forward,
        GraphEmitter graph,
        IReadOnlyDictionary<string, string> outputGradients,
        IReadOnlyCollection<string> wanted
    )
    {
        HashSet<string> varying = Dependence.OnAny(forward, wanted);
        var pass = new BackwardPass(forward, graph, varying);
        foreach ((string output, string gradient) in outputGradients)
            pass.Give(output, gradient);
        foreach (NodeProto node in forward.Model.Nodes.Reverse())
            pass.Visit(node);
        graph.Scope = "gradient";
        return wanted.ToDictionary(w => w, pass.Wanted);
    }

    /// <summary>
    /// Every node that has no gradient, with its error, last first: a trial that goes on below such a node as if it had
    /// one. What it appends is of no use.
    /// </summary>
    /// <param name="forward">The forward graph, as for <see cref="Append"/>.</param>
    /// <param name="graph">Writes into a graph that is thrown away.</param>
    /// <param name="output">Where the gradient comes from.</param>
    /// <param name="wanted">Initializers or inputs whose gradients would be wanted.</param>
    public static IReadOnlyList<(NodeProto Node, GraphException Refusal)> Refusals(
        StaticGraph forward,
        GraphEmitter graph,
        string output,
        IReadOnlyCollection<string> wanted
    )
    {
        var pass = new BackwardPass(forward, graph, Dependence.OnAny(forward, wanted), trial: true);
        pass.Give(output, output);
        foreach (NodeProto node in forward.Model.Nodes.Reverse())
            pass.Visit(node);
        return pass.refusals!;
    }

    private void Visit(NodeProto node)
    {
        bool[] needs = [.. node.Input.Select(varying.Contains)];
        if (!needs.Contains(true))
            return;
        graph.Scope = $"gradient/{(node.Name.Length > 0 ? node.Name : node.Output[0])}";
        Gradient?[] outputs = [.. node.Output.Select(o => varying.Contains(o) ? Take(o) : null)];
        if (Array.TrueForAll(outputs, o => o is null))
            return;
        IReadOnlyList<Gradient?> inputs;
        try
        {
            inputs = Backward(node, outputs, needs);
        }
        catch (GraphException refusal) when (refusals is not null)
        {
            refusals.Add((node, refusal));
            inputs = [.. node.Input.Select(i => new Gradient(i))];
        }

        for (int i = 0; i < inputs.Count; i++)
            if (inputs[i] is { } gradient && needs[i])
                Give(node.Input[i], gradient);
    }

    private IReadOnlyList<Gradient?> Backward(NodeProto node, Gradient?[] outputs, bool[] needs)
    {
        if (node.Output.FirstOrDefault(o => varying.Contains(o) && !forward.IsFloat(o)) is { } other)
            throw Refusal.Of(node, $"output '{other}' of another type than float32");
        IOperatorGradient rule =
            (OperatorSets.IsDefault(node.Domain) ? OperatorGradients.Of(node.OpType) : null) ?? throw Refusal.Of(node);
        return rule.Backward(new BackwardNode(node, forward, graph, outputs, needs));
    }

    private void Give(string tensor, Gradient gradient)
    {
        if (gradients.TryGetValue(tensor, out List<Gradient>? parts))
            parts.Add(gradient);
        else
            gradients[tensor] = [gradient];
    }

    /// <summary>The sum of the gradients that met at a tensor; null where none did.</summary>
    private Gradient? Take(string tensor) =>
        gradients.TryGetValue(tensor, out List<Gradient>? parts)
            ? parts.Aggregate((a, b) => new Gradient(graph.Add(a.Tensor, b.Tensor), a.Compact && b.Compact))
            : null;

    private string Wanted(string tensor) =>
        Take(tensor) switch
        {
            null => throw Refusal.NoInfluence(tensor),
            { Compact: true } gradient => graph.Expand(gradient.Tensor, forward.Shape(tensor)),
            { } gradient => gradient.Tensor,
        };
}
