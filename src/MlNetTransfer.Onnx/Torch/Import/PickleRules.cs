using System.Globalization;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>The few names that weights need, and what each makes: plain data.</summary>
/// <param name="isScript">Whether the archive is TorchScript, whose classes are in <c>__torch__</c>.</param>
internal sealed class PickleRules(bool isScript)
{
    private static readonly HashSet<string> Lists =
    [
        "build_intlist",
        "build_doublelist",
        "build_boollist",
        "build_tensorlist",
        "restore_type_tag",
    ];

    private readonly HashSet<PickleMap> objects = new(ReferenceEqualityComparer.Instance);

    /// <summary>Whether a map is an object with attributes, not a dictionary.</summary>
    public bool IsObject(PickleMap map) => objects.Contains(map);

    /// <exception cref="FormatException">The name is not on the list.</exception>
    public PickleGlobal Global(string module, string name)
    {
        bool known = (module, name) switch
        {
            ("collections", "OrderedDict") => true,
            ("torch._utils", "_rebuild_tensor_v2" or "_rebuild_parameter") => true,
            ("torch.jit._pickle", _) => isScript && Lists.Contains(name),
            ("torch", _) => TensorTypes.OfStorage(name) is not null,
            _ => isScript && (module == "__torch__" || module.StartsWith("__torch__.", StringComparison.Ordinal)),
        };
        return known
            ? new PickleGlobal(module, name)
            : throw new FormatException(
                $"it refers to '{module}.{name}', which weights do not need. Nothing of it was executed. Save the "
                    + $"state_dict() alone."
            );
    }

    /// <summary>A reference to a storage: ('storage', class, key, device, elements).</summary>
    public static PickleStorage Persistent(object? id)
    {
        if (
            id is not PickleTuple { Items: ["storage", PickleGlobal type, string key, string, long count] }
            || TensorTypes.OfStorage(type.Name) is not { } elementType
            || count < 0
        )
            throw new FormatException("a reference that is none to a storage.");
        return new PickleStorage(elementType, key, count);
    }

    public object? Call(object? callee, PickleTuple arguments, bool isNew)
    {
        if (callee is not PickleGlobal global)
            throw new FormatException("a call of what is no name.");
        switch (global.Name)
        {
            case "OrderedDict" when arguments.Items.Count == 0:
                return new PickleMap();
            case "_rebuild_tensor_v2"
                when !isNew
                    && arguments.Items
                        is [PickleStorage storage, long offset, PickleTuple sizes, PickleTuple strides, ..]:
                return new PickleTensor(storage, offset, Numbers(sizes), Numbers(strides));
            case "_rebuild_parameter" when !isNew && arguments.Items is [PickleTensor tensor, ..]:
                return tensor;
        }

        if (global.Module == "torch.jit._pickle" && !isNew)
            return arguments.Items.Count > 0 ? arguments.Items[0] : null;
        if (
            !isNew
            || global.Module is not ("__torch__") && !global.Module.StartsWith("__torch__.", StringComparison.Ordinal)
        )
            throw new FormatException(
                $"a call of '{global.Module}.{global.Name}' with "
                    + $"{arguments.Items.Count.ToString(CultureInfo.InvariantCulture)} arguments of another form "
                    + $"than weights have."
            );
        PickleMap made = new();
        objects.Add(made);
        return made;
    }

    private static long[] Numbers(PickleTuple tuple) =>
        [
            .. tuple.Items.Select(i =>
                i is long number and >= 0 ? number : throw new FormatException("a shape of what are no numbers.")
            ),
        ];
}
