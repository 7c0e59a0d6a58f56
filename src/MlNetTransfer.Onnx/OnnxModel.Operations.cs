using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

public sealed partial class OnnxModel
{
    /// <summary>
    /// Keeps only the nodes, initializers and inputs that feed the given tensors, which become the outputs, in this
    /// order. What subgraphs capture is kept too.
    /// </summary>
    /// <param name="tensors">Names of tensors: outputs of nodes, inputs or initializers; at least one.</param>
    /// <exception cref="GraphException">A tensor does not exist; the message lists near names.</exception>
    public OnnxModel CutAt(params IReadOnlyList<string> tensors) => GraphCut.At(this, tensors, typed: true);

    /// <summary>
    /// Makes a float32 tensor that nodes compute an input; what computed it is left without use. <see cref="CutAt"/>
    /// leaves the rest away.
    /// </summary>
    /// <param name="tensor">The tensor, computed by a node.</param>
    /// <param name="shape">Its dimensions.</param>
    /// <exception cref="GraphException">No node computes it.</exception>
    internal OnnxModel StartAt(string tensor, params IReadOnlyList<Dimension> shape) =>
        Nodes.Any(node => node.Output.Contains(tensor))
            ? With(proto =>
            {
                foreach (NodeProto node in proto.Graph.Node)
                    for (int i = 0; i < node.Output.Count; i++)
                        if (node.Output[i] == tensor)
                            node.Output[i] = "";
                proto.Graph.Input.Add(new TensorShape(TensorProto.Types.DataType.Float, shape).ToValueInfo(tensor));
            })
            : throw new GraphException($"The model has no node that computes '{tensor}'.");

    /// <summary>
    /// Nodes sorted so that each stands after those it depends on; stable. ONNX requires this order, but not every file
    /// has it.
    /// </summary>
    /// <exception cref="GraphException">The graph has a cycle, or makes a tensor twice.</exception>
    public IReadOnlyList<NodeProto> TopologicalOrder() => NodeOrder.Sort(Nodes);

    /// <summary>
    /// Adds nodes and initializers; they may use every tensor of the model. Outputs stay as they are;
    /// <see cref="CutAt"/> chooses others.
    /// </summary>
    /// <param name="nodes">Nodes to add, in any order.</param>
    /// <param name="initializers">Constants and weights to add.</param>
    /// <param name="writtenFor">Operator set the nodes were written for; null for the model's own.</param>
    /// <exception cref="GraphException">A name is taken, an input is made by nothing, or an operator needs another
    /// operator set.</exception>
    public OnnxModel Append(
        IEnumerable<NodeProto> nodes,
        IEnumerable<TensorProto>? initializers = null,
        int? writtenFor = null
    ) => GraphEdits.Append(this, [.. nodes], [.. initializers ?? []], writtenFor);

    /// <summary>Renames a tensor wherever it is used, inside subgraphs too.</summary>
    /// <exception cref="GraphException">The tensor does not exist, or the new name is taken.</exception>
    public OnnxModel RenameTensor(string from, string to) => GraphEdits.Rename(this, from, to);

    /// <summary>
    /// This model fed by another: that one's only output becomes this one's only input. The operator set is the later
    /// of the two.
    /// </summary>
    /// <param name="first">The model that runs first, e.g. one that prepares the input.</param>
    /// <exception cref="GraphException">There is more than one output or input to join, or a node cannot be rewritten
    /// for the later operator set.</exception>
    public OnnxModel After(OnnxModel first) => GraphJoin.Of(first, this);

    /// <summary>
    /// Weights as constants. Until version 3 of the file format (IR) each weight had to be listed as an input too, with
    /// its value as a default that a caller may replace; such inputs are dropped, and the version becomes 4. A later
    /// model is left as it is.
    /// </summary>
    public OnnxModel WithConstantWeights() =>
        Proto.IrVersion >= 4
            ? this
            : With(proto =>
            {
                HashSet<string> weights =
                [
                    .. proto.Graph.Initializer.Select(i => i.Name),
                    .. proto.Graph.SparseInitializer.Select(Subgraphs.NameOf),
                ];
                ValueInfoProto[] fed = [.. proto.Graph.Input.Where(i => !weights.Contains(i.Name))];
                proto.IrVersion = 4;
                proto.Graph.Input.Clear();
                proto.Graph.Input.AddRange(fed);
            });

    /// <summary>
    /// Gives scales, shifts, biases and statistics initializers of their own where an exporter stored equal ones once:
    /// they are trained apart, and read from a file of weights by their names. The same model where none are shared;
    /// what follows one kernel in two places stays shared. Results of a run are bit for bit those of before.
    /// </summary>
    public OnnxModel SeparateInitializers() => Onnx.SeparateInitializers.Of(this);

    /// <summary>Removes initializers that no node, subgraph or output uses.</summary>
    public OnnxModel RemoveUnusedInitializers() => GraphEdits.RemoveUnusedInitializers(this);

    /// <summary>
    /// Computes what depends on nothing that is fed and stores its values, except where they would be larger than what
    /// they are computed from. Results of a run are bit for bit those of before.
    /// </summary>
    /// <remarks>
    /// Nodes that draw numbers, have subgraphs, or restore quantized weights are left. ONNX Runtime computes the
    /// values.
    /// </remarks>
    /// <exception cref="GraphException">ONNX Runtime cannot run the constant part.</exception>
    public OnnxModel FoldConstants() => ConstantFolding.Fold(this);

    /// <summary>
    /// Removes nodes that give what they take, Identity and Dropout of inference, where no name of an input or output
    /// is lost. Results of a run are bit for bit those of before.
    /// </summary>
    public OnnxModel RemoveIdentities() => IdentityRemoval.Remove(this);

    /// <summary>
    /// Rewrites nodes written for operator sets from 7 on in the form they have at a later one; a model of a later set
    /// is left as it is.
    /// </summary>
    /// <param name="version">The operator set, in [7, 18].</param>
    /// <exception cref="GraphException">A node has a form that cannot be rewritten; the message names it.</exception>
    public OnnxModel UpgradeOpset(int version)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 7);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(version, 18);
        return OperatorSetUpgrade.To(this, version);
    }

    /// <summary>
    /// Weights and computation in float16, for devices that are fast at it; inputs and outputs stay float32. Sums over
    /// many elements, exponentials, normalisations and Softmax are left in float32.
    /// </summary>
    /// <param name="keepFrom">Tensors from which on everything stays in float32; names that the model does not have are
    /// passed over.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot infer the types, or a subgraph reads a tensor that would be
    /// float16.</exception>
    public OnnxModel ToHalfPrecision(params IReadOnlyCollection<string> keepFrom) => HalfPrecision.Of(this, keepFrom);

    /// <summary>The operators of the model, subgraphs included, and how often each occurs; by name.</summary>
    public IReadOnlyList<KeyValuePair<string, int>> OperatorCounts() =>
        [
            .. Subgraphs
                .NodesAnywhere(Proto.Graph)
                .GroupBy(n => OperatorSets.IsDefault(n.Domain) ? n.OpType : $"{n.Domain}.{n.OpType}")
                .OrderBy(g => g.Key, StringComparer.Ordinal)
                .Select(g => KeyValuePair.Create(g.Key, g.Count())),
        ];

    /// <summary>Sets one entry of the metadata; an entry with this key is replaced.</summary>
    /// <param name="key">Key, not empty.</param>
    /// <param name="value">Value; null removes the entry.</param>
    public OnnxModel WithMetadata(string key, string? value)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        return With(proto =>
        {
            StringStringEntryProto[] others = [.. proto.MetadataProps.Where(e => e.Key != key)];
            proto.MetadataProps.Clear();
            proto.MetadataProps.AddRange(others);
            if (value is not null)
                proto.MetadataProps.Add(new StringStringEntryProto { Key = key, Value = value });
        });
    }

    /// <summary>
    /// Requires at least the given operator set: raises the model's version where it is lower, adds the domain where it
    /// is missing.
    /// </summary>
    /// <param name="version">Least version, 1 or more.</param>
    /// <param name="domain">Domain of the operators; empty for ONNX's own.</param>
    /// <exception cref="GraphException">Some node of the model is read differently under that version; the message
    /// names it.</exception>
    public OnnxModel WithOpset(int version, string domain = "")
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(version, 1);
        return GraphEdits.RequireOpset(this, version, domain);
    }

    /// <summary>
    /// A tensor name that nothing in the model uses, subgraphs included: the given one, or the first of prefix_1,
    /// prefix_2, ... that is free.
    /// </summary>
    public string UniqueName(string prefix)
    {
        HashSet<string> taken = [.. Subgraphs.DefinedAnywhere(Proto.Graph)];
        return NameAllocator.First(prefix, taken);
    }
}
