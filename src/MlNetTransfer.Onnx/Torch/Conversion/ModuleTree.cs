using System.Text.RegularExpressions;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Modules;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Conversion;

/// <summary>Grows the tree of modules: gives each layer and each loose tensor its place, once.</summary>
/// <param name="names">Reads places from names.</param>
internal sealed class ModuleTree(ModuleNames names)
{
    private readonly Dictionary<TensorProto, (TorchModule Module, TorchTensor Tensor)> placed = new(
        ReferenceEqualityComparer.Instance
    );

    public TorchModule Root { get; } = new("", null);

    /// <summary>
    /// Whether a layer was placed: what comes before the first is preprocessing, whose constants are not trained.
    /// </summary>
    public bool HasLayers { get; private set; }

    /// <summary>The module of a layer: a new one, or the one that already has these very tensors.</summary>
    public TorchModule Layer(NodeProto node, TorchLayer layer, IReadOnlyList<LayerTensor> wanted, string hint)
    {
        HasLayers = true;
        TorchTensor[] tensors = [.. wanted.Select(Tensor)];
        TensorProto first = wanted[0].Value!.Tensor;
        if (
            wanted
                .Where(w => w.Value is not null)
                .Select(w => placed.GetValueOrDefault(w.Value!.Tensor))
                .FirstOrDefault(p => p.Tensor is not null) is
            { Tensor: not null } other
        )
        {
            bool same =
                other.Module.Layer == layer
                && other.Module.Tensors.Count == tensors.Length
                && other.Module.Tensors.Zip(tensors, (a, b) => a.Initializer.Length == 0 || a.IsSame(b)).All(s => s);
            return same
                ? other.Module
                : throw new GraphException(
                    $"{NodeOrder.Describe(node)} shares '{other.Tensor.Initializer}' with module "
                        + $"'{other.Module.Path}', in another form. torch could not train them as one; give each "
                        + $"layer weights of its own."
                );
        }

        string[] path = names.OfWeight(first.Name) ?? names.OfNode(node.Name, node.OpType) ?? [Counted(hint)];
        TorchModule parent = Walk(path[..^1]);
        TorchModule module = parent.Child(Free(parent, path[^1]))!;
        module.Become(layer, tensors);
        for (int i = 0; i < tensors.Length; i++)
            if (wanted[i].Value is { } value)
                placed[value.Tensor] = (module, tensors[i]);
        return module;
    }

    /// <summary>A tensor that belongs to no layer.</summary>
    public TorchArgument.Own Loose(NodeProto node, Constant constant)
    {
        if (placed.TryGetValue(constant.Tensor, out (TorchModule Module, TorchTensor Tensor) known))
            return known.Tensor.Shape.SequenceEqual(constant.Shape)
                ? new TorchArgument.Own(known.Module, known.Tensor)
                : throw new GraphException(
                    $"{NodeOrder.Describe(node)} uses '{constant.Tensor.Name}' in another form than module "
                        + $"'{known.Module.Path}' does; this cannot be exported to torch."
                );
        string[] path = (constant.Named ? names.OfTensor(constant.Tensor.Name) : null) ?? [Counted("constant")];
        TorchModule module = Walk(path[..^1]);
        TorchTensor tensor = new(
            Free(module, path[^1]),
            constant.Tensor,
            constant.Shape,
            IsTrained(constant),
            constant.Transposed
        );
        module.Add(tensor);
        placed[constant.Tensor] = (module, tensor);
        return new TorchArgument.Own(module, tensor);
    }

    /// <summary>
    /// Whether a loose constant is trained: an initializer of several floats behind the first layer, or of one whose
    /// name is a path.
    /// </summary>
    public bool IsTrained(Constant constant) =>
        HasLayers
        && constant.Named
        && (DataType)constant.Tensor.DataType == DataType.Float
        && (
            constant.Count > 1
            || (
                constant.Tensor.Name.Contains('.', StringComparison.Ordinal)
                && names.OfTensor(constant.Tensor.Name) is { Length: > 1 }
            )
        );

    private static TorchTensor Tensor(LayerTensor wanted) =>
        wanted.Value is null
            ? new TorchTensor(wanted.Name, TensorData.Longs("", [0]), [], isParameter: false)
            : new TorchTensor(
                wanted.Name,
                wanted.Value.Tensor,
                wanted.Shape,
                wanted.IsParameter,
                wanted.Value.Transposed != wanted.Transpose
            );

    private TorchModule Walk(IEnumerable<string> path)
    {
        TorchModule module = Root;
        foreach (string part in path)
        {
            TorchModule? child = module.Child(part);
            // Nothing can be put below a layer or a tensor of that name; its neighbour takes it.
            for (int i = 1; child is null or { Layer: not null }; i++)
                child = module.Child(FormattableString.Invariant($"{part}_{i}"));
            module = child;
        }

        return module;
    }

    private static string Free(TorchModule module, string wanted)
    {
        string free = wanted;
        for (int i = 1; !module.IsFree(free); i++)
            free = FormattableString.Invariant($"{wanted}_{i}");
        return free;
    }

    private string Counted(string hint)
    {
        int i = 1;
        while (!Root.IsFree(FormattableString.Invariant($"{hint}{i}")))
            i++;
        return FormattableString.Invariant($"{hint}{i}");
    }
}

/// <summary>Where in the tree a tensor or a layer belongs, read from the names in the file.</summary>
/// <remarks>
/// PyTorch names parameters by their path, <c>layer1.0.conv1.weight</c>. Keras and TensorFlow separate by slashes,
/// often below a long prefix that all share and that is cut; Keras numbers its blocks in flat names,
/// <c>block_1_expand</c>, of which <c>block_1.expand</c> is made. Names that say nothing, such as
/// <c>onnx::Conv_193</c>, are not used.
/// </remarks>
internal sealed partial class ModuleNames
{
    private static readonly HashSet<string> Reserved =
    [
        "training",
        "forward",
        "parameters",
        "buffers",
        "modules",
        "children",
        "eval",
        "train",
        "name",
        "call",
        "to",
    ];

    private readonly string[] prefix;
    private readonly HashSet<string> blocks;

    /// <param name="tensors">Names of all weights.</param>
    public ModuleNames(IEnumerable<string> tensors)
    {
        string[][] folders =
        [
            .. tensors.Where(t => t.Contains('/', StringComparison.Ordinal)).Select(t => t.Split('/')[..^1]),
        ];
        prefix =
            folders.Length < 2
                ? []
                : folders.Aggregate((a, b) => [.. a.Zip(b).TakeWhile(p => p.First == p.Second).Select(p => p.First)]);
        // A prefix that ends with a name of its own, not with a call of TensorFlow's, is the name of the network.
        if (
            prefix.Length > 0
            && !prefix[^1].Contains("Call", StringComparison.Ordinal)
            && folders.Any(f => f.Length == prefix.Length)
        )
            prefix = prefix[..^1];
        blocks =
        [
            .. folders
                .Where(f => f.Length > prefix.Length)
                .Select(f => NumberedBlock().Match(f[prefix.Length]))
                .Where(m => m.Success)
                .GroupBy(m => m.Groups[1].Value)
                .Where(g => g.Select(m => m.Value).Distinct().Count() > 1)
                .Select(g => g.Key),
        ];
    }

    /// <summary>Path of the layer that a weight belongs to; null where its name does not say.</summary>
    public string[]? OfWeight(string tensor) =>
        Parts(tensor) is [.. { Length: > 0 } path, var last] && Weight().IsMatch(last) ? path : null;

    /// <summary>
    /// Path of a tensor that belongs to no layer, its own name last; null where its name does not say.
    /// </summary>
    public string[]? OfTensor(string tensor) => Parts(tensor) is { Length: > 0 } path ? path : null;

    /// <summary>Path of the layer that a node computes; null where its name does not say.</summary>
    public string[]? OfNode(string node, string operatorType)
    {
        if (Parts(node) is not { Length: > 0 } path)
            return null;
        return Regex.IsMatch(path[^1], $"^{operatorType}(_[0-9]+)?$")
            ? path.Length > 1
                ? path[..^1]
                : null
            : path;
    }

    private string[]? Parts(string name)
    {
        if (name.Length == 0 || name.Contains("::", StringComparison.Ordinal))
            return null;
        return name.Contains('/', StringComparison.Ordinal)
            ? Slashes(name)
            : [.. name.Split('.', StringSplitOptions.RemoveEmptyEntries).Select(Clean)];
    }

    private string[] Slashes(string name)
    {
        string[] parts = name.Split('/', StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length > prefix.Length && parts.AsSpan(0, prefix.Length).SequenceEqual(prefix))
            parts = parts[prefix.Length..];
        List<string> path = [];
        for (int i = 0; i < parts.Length; i++)
        {
            // PyTorch 2 repeats the path so far: /layer1/layer1.0/conv1.
            bool repeats = i > 0 && parts[i].StartsWith(parts[i - 1] + ".", StringComparison.Ordinal);
            path.AddRange(
                (repeats ? parts[i][(parts[i - 1].Length + 1)..] : parts[i]).Split(
                    '.',
                    StringSplitOptions.RemoveEmptyEntries
                )
            );
        }

        if (
            path.Count > 0
            && NumberedBlock().Match(path[0]) is { Success: true } match
            && blocks.Contains(match.Groups[1].Value)
        )
            path = [match.Groups[1].Value, match.Groups[2].Value, .. path[1..]];
        return [.. path.Select(Clean)];
    }

    private static string Clean(string part)
    {
        string clean = NotWord().Replace(part, "_");
        return Reserved.Contains(clean) ? clean + "_" : clean;
    }

    [GeneratedRegex("^(.*?[0-9]+)_(.+)$")]
    private static partial Regex NumberedBlock();

    [GeneratedRegex("[^A-Za-z0-9_]")]
    private static partial Regex NotWord();

    [GeneratedRegex("weight|kernel|gamma|scale|filter|slope|alpha|^w$", RegexOptions.IgnoreCase)]
    private static partial Regex Weight();
}
