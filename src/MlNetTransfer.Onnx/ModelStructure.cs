using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx;

/// <summary>
/// Refuses files whose parts contradict each other, or that grow without end when they are read, before anything is
/// made of them. Work is in proportion to the file.
/// </summary>
internal static class ModelStructure
{
    /// <summary>The latest version of the file format that ONNX Runtime reads.</summary>
    private const long LatestFormat = 13;

    /// <summary>Nodes once calls of the model's own functions are written out.</summary>
    private const long MostNodes = 1_000_000;

    /// <summary>Bytes of one constant that a node makes.</summary>
    private const long LargestConstant = 1L << 30;

    /// <summary>Inputs that operators cannot do without.</summary>
    private static readonly Dictionary<string, int> LeastInputs = new()
    {
        ["Conv"] = 2,
        ["ConvTranspose"] = 2,
        ["ConvInteger"] = 2,
        ["Gemm"] = 2,
        ["MatMul"] = 2,
        ["MatMulInteger"] = 2,
        ["QLinearConv"] = 8,
        ["QLinearMatMul"] = 8,
        ["BatchNormalization"] = 3,
        ["Add"] = 2,
        ["Sub"] = 2,
        ["Mul"] = 2,
        ["Div"] = 2,
        ["Pow"] = 2,
        ["Gather"] = 2,
        ["Reshape"] = 1,
        ["Relu"] = 1,
        ["Flatten"] = 1,
        ["Softmax"] = 1,
    };

    /// <exception cref="GraphException">The file is newer than what is read, defines a constant twice, has a node
    /// without inputs that it needs, or functions that call themselves or write out to too many nodes; the message
    /// names it.</exception>
    public static void Require(ModelProto model, string what)
    {
        if (model.IrVersion > LatestFormat)
            throw new GraphException(
                $"{what} has version {model.IrVersion} of the ONNX file format; the latest that is known here is "
                    + $"{LatestFormat}. Export it with an older version of the onnx package, or set its ir_version."
            );
        HashSet<string> names = new(StringComparer.Ordinal);
        if (model.Graph.Initializer.FirstOrDefault(i => !names.Add(i.Name)) is { } twice)
            throw new GraphException(
                $"{what} has two constants called '{twice.Name}'; which one is meant cannot be told. Export it again."
            );
        HashSet<string> own = [.. model.Functions.Select(f => f.Name)];
        foreach (NodeProto node in Subgraphs.NodesAnywhere(model.Graph))
        {
            if (node.Output.Count == 0)
                throw new GraphException(
                    $"{what} has a node without an output, {node.OpType} '{node.Name}'; at least one was expected. "
                        + "Export it again."
                );
            if (
                OperatorSets.IsDefault(node.Domain)
                && !own.Contains(node.OpType)
                && LeastInputs.TryGetValue(node.OpType, out int least)
                && Missing(node, least) is { } missing
            )
                throw new GraphException(
                    $"{what} has a node without what it needs: input {missing + 1} of {node.OpType} '{node.Name}' is "
                        + $"missing; {least} were expected. Export it again."
                );
        }

        RequireFinite(model, what);
    }

    /// <summary>
    /// Refuses what may run without end or fill the memory whatever is fed: loops, and constants of a huge size that a
    /// node makes. For models that were not written here.
    /// </summary>
    /// <exception cref="GraphException">There is one; the message names it.</exception>
    public static void RequireBounded(ModelProto model, string what)
    {
        NodeProto[] all =
        [
            .. Subgraphs.NodesAnywhere(model.Graph),
            .. model.Functions.SelectMany(f => f.Node).SelectMany(Subgraphs.NodesAnywhere),
        ];
        Dictionary<string, long[]> sizes = [];
        foreach (TensorProto constant in ExternalData.TensorsOf(model).Where(IsSizes))
            sizes[constant.Name] = TensorData.ToLongs(constant);
        foreach (NodeProto node in all.Where(n => n.OpType == "Constant" && n.Output.Count == 1))
            if (node.Attribute.FirstOrDefault(a => a.Name == "value")?.T is { } value && IsSizes(value))
                sizes[node.Output[0]] = TensorData.ToLongs(value);
            else if (node.Attribute.FirstOrDefault(a => a.Name == "value_ints") is { } numbers)
                sizes[node.Output[0]] = [.. numbers.Ints];
        foreach (NodeProto node in all)
        {
            if (node.OpType is "Loop" or "Scan")
                throw new GraphException(
                    $"{what} has a loop ({NodeOrder.Describe(node)}), whose end nobody can promise; networks of images "
                        + "and texts have none. Export it with the loop written out."
                );
            if (
                node.OpType == "ConstantOfShape"
                && node.Input.Count == 1
                && sizes.TryGetValue(node.Input[0], out long[]? shape)
                && shape.Aggregate(
                    (Int128)4,
                    (bytes, size) => Math.Max(size, 0) * Int128.Min(bytes, LargestConstant + 1)
                ) > LargestConstant
            )
                throw new GraphException(
                    $"{what} makes a constant of more than {LargestConstant >> 30} GiB ({NodeOrder.Describe(node)}, "
                        + $"[{string.Join(", ", shape)}]). Export it without that."
                );
        }
    }

    private static bool IsSizes(TensorProto tensor) =>
        tensor.DataType == (int)TensorProto.Types.DataType.Int64 && tensor.Dims.Count <= 1;

    /// <summary>The first place of an input that is not there; null where all are.</summary>
    private static int? Missing(NodeProto node, int least)
    {
        for (int i = 0; i < least; i++)
            if (i >= node.Input.Count || node.Input[i].Length == 0)
                return i;
        return null;
    }

    /// <summary>Counts the nodes there are once functions are written out, each function once.</summary>
    private static void RequireFinite(ModelProto model, string what)
    {
        if (model.Functions.Count == 0)
            return;
        Dictionary<(string Domain, string Name), FunctionProto> functions = [];
        foreach (FunctionProto function in model.Functions)
            functions[(function.Domain, function.Name)] = function;
        Dictionary<(string Domain, string Name), Int128?> sizes = [];
        Int128 total = Sum(Subgraphs.NodesAnywhere(model.Graph), depth: 0);
        if (total > MostNodes)
            throw new GraphException(
                $"{what} has functions that call each other: written out, they have more than {MostNodes:N0} nodes. "
                    + "Export it without functions."
            );

        Int128 Sum(IEnumerable<NodeProto> nodes, int depth)
        {
            Int128 sum = 0;
            foreach (NodeProto node in nodes)
                sum += functions.ContainsKey((node.Domain, node.OpType))
                    ? Of((node.Domain, node.OpType), depth + 1)
                    : 1;
            return sum > MostNodes ? MostNodes + 1 : sum;
        }

        Int128 Of((string Domain, string Name) key, int depth)
        {
            if (sizes.TryGetValue(key, out Int128? size) && size is { } known)
                return known;
            if (sizes.ContainsKey(key) || depth > 1000)
                throw new GraphException(
                    $"{what} has a function '{key.Name}' that calls itself, or functions nested too deeply. Export it "
                        + "without functions."
                );
            sizes[key] = null;
            Int128 sum = Sum(functions[key].Node.SelectMany(Subgraphs.NodesAnywhere), depth);
            sizes[key] = sum;
            return sum;
        }
    }
}
