using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>Turns the nodes of a graph, in their order, into steps and modules of torch.</summary>
internal sealed class GraphConversion
{
    private readonly OnnxModel model;
    private readonly IReadOnlyList<NodeProto> order;
    private readonly ILookup<string, NodeProto> users;
    private readonly HashSet<string> outputs;
    private readonly ModuleTree tree;
    private readonly List<TorchStep> steps = [];
    private readonly Dictionary<string, string> aliases = [];
    private readonly Dictionary<string, GraphException> refusals = [];
    private readonly HashSet<NodeProto> absorbed = new(ReferenceEqualityComparer.Instance);
    private readonly HashSet<string> names = [];
    private NodeProto? current;

    private GraphConversion(OnnxModel model)
    {
        this.model = model;
        order = model.TopologicalOrder();
        outputs = [.. model.Outputs.Select(o => o.Name)];
        users = order
            .SelectMany(n => n.Input.Where(i => i.Length > 0).Distinct().Select(i => (Input: i, Node: n)))
            .ToLookup(e => e.Input, e => e.Node);
        Trace = GraphTrace.Of(model);
        Constants = new Constants(model, Trace);
        tree = new ModuleTree(new ModuleNames(model.Initializers.Select(i => i.Name)));
        Opset = model.OpsetVersion();
    }

    public GraphTrace Trace { get; }

    public Constants Constants { get; }

    public int Opset { get; }

    /// <summary>Converts a model.</summary>
    /// <param name="model">One input, whose first dimension is the batch; one output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch; the message names it and its
    /// node.</exception>
    public static TorchProgram Run(OnnxModel model)
    {
        GraphConversion conversion = new(model);
        foreach (NodeProto node in conversion.order)
            conversion.Convert(node);
        string output = conversion.Resolve(model.Outputs[0].Name);
        List<TorchStep> live = ConcatenationChains.Shorten(conversion.Live(output));
        conversion.tree.Root.Prune(
            live.SelectMany(s =>
                    s.Arguments.OfType<TorchArgument.Own>().Select(o => (object)o.Tensor).Concat(s.Modules)
                )
                .ToHashSet()
        );
        return new TorchProgram(conversion.tree.Root, model.Inputs[0].Name, live, output);
    }

    public void Add(TorchStep step) => steps.Add(step);

    public void Alias(string output, string value) => aliases[output] = Resolve(value);

    public string Temporary(string output)
    {
        string name = output;
        for (int i = 1; !names.Add(name) || name == output; i++)
            name = FormattableString.Invariant($"{output}/{i}");
        return name;
    }

    public TorchArgument Value(TorchNode reader, string tensor)
    {
        if (Constants.Of(tensor) is { } constant)
            return tree.Loose(current!, constant);
        if (!refusals.ContainsKey(tensor) && Trace.Integers(tensor) is { } known && known.All(v => v is not null))
            return tree.Loose(current!, Known(tensor, [.. known.Select(v => v!.Value)]));
        return new TorchArgument.Value(Resolve(tensor));
    }

    public bool IsTrained(Constant constant) => tree.IsTrained(constant);

    public TorchModule Layer(NodeProto node, TorchLayer layer, IReadOnlyList<LayerTensor> tensors, string hint) =>
        tree.Layer(node, layer, tensors, hint);

    public NodeProto? OnlyUser(string tensor) =>
        !outputs.Contains(tensor) && users[tensor].ToArray() is [var user] ? user : null;

    public IReadOnlyList<NodeProto> UsersOf(string tensor) => outputs.Contains(tensor) ? [] : [.. users[tensor]];

    public void Absorb(NodeProto node) => absorbed.Add(node);

    private Constant Known(string tensor, long[] values) =>
        new(
            TensorData.Longs("", values, [.. Trace.Shape(tensor).Select(d => d!.Value)]),
            [.. Trace.Shape(tensor).Select(d => d!.Value)],
            Transposed: false,
            Named: false
        );

    private void Convert(NodeProto node)
    {
        if (
            absorbed.Contains(node)
            || node.OpType == "Constant"
            || node.Output.All(o => o.Length == 0 || Constants.Of(o) is not null)
        )
            return;
        current = node;
        int before = steps.Count;
        try
        {
            if (!OperatorSets.IsDefault(node.Domain) || TorchOperators.Of(node.OpType) is not { } converter)
                throw new GraphException(
                    $"{NodeOrder.Describe(node)}: operator "
                        + $"{(node.Domain.Length > 0 ? node.Domain + "." : "")}{node.OpType} has no counterpart in "
                        + $"torch here. Supported: {string.Join(", ", TorchOperators.Supported)}."
                );
            converter.Convert(new TorchNode(node, this));
        }
        catch (GraphException refusal)
        {
            // What computes shapes is not needed once they are known: only a refused value that is used counts.
            steps.RemoveRange(before, steps.Count - before);
            foreach (string output in node.Output)
                refusals[output] = refusal;
        }
    }

    private string Resolve(string tensor) => aliases.GetValueOrDefault(tensor, tensor);

    /// <summary>The steps that the output needs.</summary>
    private List<TorchStep> Live(string output)
    {
        HashSet<string> needed = [output];
        List<TorchStep> live = [];
        foreach (TorchStep step in steps.AsEnumerable().Reverse())
        {
            if (!step.Results.Any(needed.Contains))
                continue;
            live.Add(step);
            needed.UnionWith(step.Uses);
        }

        if (
            order.SelectMany(n => n.Output).FirstOrDefault(o => needed.Contains(o) && refusals.ContainsKey(o)) is
            { } refused
        )
            throw refusals[refused];
        live.Reverse();
        HashSet<string> made = [model.Inputs[0].Name, .. live.SelectMany(s => s.Results)];
        if (needed.FirstOrDefault(n => !made.Contains(n)) is { } missing)
            throw new GraphException($"Tensor '{missing}' is computed by nothing that can be exported to torch.");
        return live;
    }
}

/// <summary>From a model to the tree of modules that all formats are written from.</summary>
internal static class TorchExport
{
    /// <exception cref="GraphException">The model has not one input, or something in it has no counterpart in
    /// torch.</exception>
    public static TorchProgram Program(OnnxModel model, TorchExportOptions? options)
    {
        string output =
            options?.Output
            ?? (model.Outputs.Count > 0 ? model.Outputs[0].Name : throw new GraphException("The model has no output."));
        OnnxModel cut = SeparateInitializers.WithoutAliases(model).CutAt(output);
        if (cut.Inputs.Count != 1)
            throw new GraphException(
                $"'{output}' is computed from {cut.Inputs.Count} inputs "
                    + $"({string.Join(", ", cut.Inputs.Select(i => i.Name))}); a torch module for images takes one."
            );
        if (cut.Nodes.FirstOrDefault(n => Subgraphs.Of(n).Any()) is { } body)
            throw new GraphException(
                $"{NodeOrder.Describe(body)} has a graph of its own (If, Loop, Scan), which cannot be exported to "
                    + $"torch."
            );
        ValueInfoProto input = cut.Inputs[0];
        if (TensorShape.From(input) is not { Rank: > 0, ElementType: TensorProto.Types.DataType.Float })
            throw new GraphException($"Input '{input.Name}' must be float32 [N, ...] of known rank.");
        TorchProgram program = GraphConversion.Run(cut);
        BodyBuilder.Build(program);
        return program;
    }
}
