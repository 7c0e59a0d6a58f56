using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Differentiates ONNX graphs: the gradient is an ONNX graph again, of standard operators and com.microsoft's
/// FusedMatMul.
/// </summary>
public static class Differentiator
{
    /// <summary>
    /// Least version of ONNX's operator set that backward passes are written for: ScatterElements adds from 16 on.
    /// </summary>
    internal const int LeastOpset = 16;

    /// <summary>Operator types of ONNX's own set that can be differentiated, sorted.</summary>
    public static IReadOnlyList<string> Operators => OperatorGradients.Supported;

    /// <summary>
    /// The vector-Jacobian product of a model as a model: it has one more input, the gradient of
    /// <paramref name="output"/> (a tensor of the output's shape), and its outputs are <paramref name="output"/> and
    /// the gradient of each wanted tensor, of that tensor's shape.
    /// </summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="output">A tensor of the model, float32.</param>
    /// <param name="wanted">Names of float32 initializers or inputs, at least one.</param>
    /// <param name="batchSize">Size of every input's first dimension; it is fixed in the result.</param>
    /// <param name="outputGradient">Name of the new input.</param>
    /// <returns>The model, whose outputs are <paramref name="output"/> and <c>gradient_of/NAME</c> for each wanted
    /// NAME.</returns>
    /// <exception cref="GraphException">A name does not exist or is not float32, an operator between has no gradient,
    /// or a shape is not fixed.</exception>
    public static OnnxModel VectorJacobianProduct(
        OnnxModel model,
        string output,
        IReadOnlyList<string> wanted,
        int batchSize,
        string outputGradient = "output_gradient"
    ) => Product(model, output, wanted, batchSize, outputGradient, hasKernels: false);

    /// <summary>The same, by kernels of our own wherever there are some, however small a tensor is.</summary>
    internal static OnnxModel ProductByKernels(
        OnnxModel model,
        string output,
        IReadOnlyList<string> wanted,
        int batchSize,
        string outputGradient
    ) =>
        KernelLowering.Apply(
            Product(model, output, wanted, batchSize, outputGradient, hasKernels: true),
            wanted.ToHashSet(),
            new HashSet<string>(),
            leastElements: 1
        );

    private static OnnxModel Product(
        OnnxModel model,
        string output,
        IReadOnlyList<string> wanted,
        int batchSize,
        string outputGradient,
        bool hasKernels
    )
    {
        StaticGraph forward = Prepare(model, [output], wanted, batchSize);
        return forward.Model.With(proto =>
        {
            GraphEmitter graph = new(proto.Graph, forward.Model.OpsetVersion()) { HasKernels = hasKernels };
            graph.Reserve(outputGradient);
            IReadOnlyDictionary<string, string> gradients = BackwardPass.Append(
                forward,
                graph,
                new Dictionary<string, string> { [output] = outputGradient },
                wanted
            );
            proto.Graph.Input.Add(Float(outputGradient, forward.Shape(output)));
            foreach (string name in wanted)
            {
                string named = graph.Reserve($"gradient_of/{name}");
                graph.NodeNamed(named, "Identity", [gradients[name]]);
                proto.Graph.Output.Add(Float(named, forward.Shape(name)));
            }
        });
    }

    /// <summary>
    /// The part of a model that computes the outputs, at a fixed batch size, ready for a backward pass.
    /// </summary>
    internal static StaticGraph Prepare(
        OnnxModel model,
        IReadOnlyList<string> outputs,
        IReadOnlyCollection<string> wanted,
        int batchSize
    )
    {
        OnnxModel raised = OperatorSetUpgrade
            .To(GraphCut.At(model, outputs, typed: false), LeastOpset)
            .WithOpset(1, "com.microsoft");
        CheckWanted(raised, wanted);
        OnnxModel fixedShapes = ShapeArithmetic.Fold(raised, batchSize, wanted);
        OnnxModel folded = FoldedBatchNormalization.Apply(
            fixedShapes,
            Dependence.Around(fixedShapes.TopologicalOrder(), wanted),
            wanted,
            outputs
        );
        StaticGraph forward = StaticGraph.Of(
            folded,
            batchSize,
            [.. Dependence.Around(folded.TopologicalOrder(), wanted), .. outputs]
        );
        if (outputs.FirstOrDefault(o => !forward.IsFloat(o)) is { } other)
            throw new GraphException($"Output '{other}' is not float32, so it has no gradient. Choose the logits.");
        return forward;
    }

    internal static ValueInfoProto Float(string name, params IEnumerable<long> shape) =>
        new TensorShape(TensorProto.Types.DataType.Float, [.. shape.Select(s => new Dimension(s))]).ToValueInfo(name);

    private static void CheckWanted(OnnxModel model, IReadOnlyCollection<string> wanted)
    {
        if (wanted.Count == 0)
            throw new GraphException("No tensor to differentiate by: name at least one initializer or input.");
        Dictionary<string, int> types = model.Initializers.ToDictionary(i => i.Name, i => i.DataType);
        foreach (ValueInfoProto input in model.Inputs)
            types[input.Name] = input.Type?.TensorType?.ElemType ?? 0;
        foreach (string name in wanted)
        {
            if (!types.TryGetValue(name, out int type))
                throw new GraphException(
                    $"The part of the model that computes the outputs has no initializer or input '{name}'. Near "
                        + $"names: {string.Join(", ", NearestNames.Of(name, types.Keys))}."
                );
            if (type != (int)TensorProto.Types.DataType.Float)
                throw new GraphException(
                    $"'{name}' is of type {(TensorProto.Types.DataType)type}; only float32 tensors have a gradient. "
                        + $"Convert the model to float32."
                );
        }
    }
}

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

/// <summary>Which tensors of a graph depend on which.</summary>
internal static class Dependence
{
    /// <summary>
    /// Inputs and outputs of every node through which a source is reached: the tensors whose shapes a backward pass may
    /// ask for.
    /// </summary>
    /// <param name="nodes">Nodes in topological order.</param>
    /// <param name="sources">Tensors to train.</param>
    public static HashSet<string> Around(IReadOnlyList<NodeProto> nodes, IEnumerable<string> sources)
    {
        HashSet<string> reached = [.. sources],
            around = [.. reached];
        foreach (NodeProto node in nodes.Where(n => n.Input.Any(reached.Contains)))
        {
            reached.UnionWith(node.Output.Where(o => o.Length > 0));
            around.UnionWith(node.Input.Concat(node.Output).Where(t => t.Length > 0));
        }

        return around;
    }

    /// <summary>
    /// The real tensors that change when a source does, the sources included. Integers (shapes, indices) carry no
    /// gradient.
    /// </summary>
    public static HashSet<string> OnAny(StaticGraph graph, IEnumerable<string> sources)
    {
        HashSet<string> varying = [.. sources];
        foreach (NodeProto node in graph.Model.Nodes.Where(n => n.Input.Any(varying.Contains)))
            varying.UnionWith(node.Output.Where(o => o.Length > 0 && graph.IsReal(o)));
        return varying;
    }
}

/// <summary>Errors of nodes that cannot be differentiated: they name the node and what to freeze instead.</summary>
internal static class Refusal
{
    /// <summary>The operator has no gradient.</summary>
    public static GraphException Of(NodeProto node) =>
        new(
            $"{Describe(node)} lies between the parameters to train and the loss, and {node.OpType} has no gradient "
                + $"here. Freeze every parameter up to {Outputs(node)}, so that only later ones are trained. "
                + $"Operators with a gradient: {string.Join(", ", OperatorGradients.Supported)}."
        );

    /// <summary>The operator has a gradient, but not in this form.</summary>
    public static GraphException Of(NodeProto node, string form) =>
        new(
            $"{Describe(node)} lies between the parameters to train and the loss, and {node.OpType} has no gradient "
                + $"here with {form}. Freeze every parameter up to {Outputs(node)}, so that only later ones are "
                + $"trained."
        );

    /// <summary>A tensor to train that the outputs do not depend on, or only by its shape.</summary>
    public static GraphException NoInfluence(string tensor) =>
        new($"'{tensor}' has no influence on the outputs, so it cannot be trained. Leave it out of the parameters.");

    private static string Describe(NodeProto node) =>
        NodeOrder.Describe(node) + (OperatorSets.IsDefault(node.Domain) ? "" : $" of domain '{node.Domain}'");

    private static string Outputs(NodeProto node) =>
        string.Join(", ", node.Output.Where(o => o.Length > 0).Select(o => $"'{o}'"));
}
