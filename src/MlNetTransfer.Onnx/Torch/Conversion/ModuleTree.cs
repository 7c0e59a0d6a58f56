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
