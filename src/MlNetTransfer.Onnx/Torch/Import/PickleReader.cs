using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch.Import;

/// <summary>
/// Parses the opcodes of pickle protocol 2 that torch's weights consist of. It builds plain data and can call nothing:
/// a name that weights do not need is refused.
/// </summary>
/// <param name="bytes">The whole pickle.</param>
/// <param name="rules">What a reference, a persistent id and a call of a known name make.</param>
internal ref struct PickleReader(ReadOnlySpan<byte> bytes, PickleRules rules)
{
    private readonly ReadOnlySpan<byte> bytes = bytes;
    private readonly PickleRules rules = rules;
    private readonly List<object?> stack = [];
    private readonly List<int> marks = [];
    private readonly Dictionary<uint, object?> memo = [];
    private int position;

    /// <exception cref="FormatException">Something else than weights; the message says what and where.</exception>
    public object? Read()
    {
        while (true)
        {
            int at = position;
            byte opcode = Take(1)[0];
            switch (opcode)
            {
                case 0x80:
                    if (Take(1)[0] is 0 or > 5)
                        throw Wrong(at, "an unknown protocol");
                    break;
                case (byte)'.':
                    return Pop();
                case (byte)'(':
                    marks.Add(stack.Count);
                    break;
                case (byte)'}':
                    stack.Add(new PickleMap());
                    break;
                case (byte)']':
                    stack.Add(new List<object?>());
                    break;
                case (byte)')':
                    stack.Add(new PickleTuple([]));
                    break;
                case (byte)'N':
                    stack.Add(null);
                    break;
                case 0x88:
                    stack.Add(true);
                    break;
                case 0x89:
                    stack.Add(false);
                    break;
                case (byte)'K':
                    stack.Add((long)Take(1)[0]);
                    break;
                case (byte)'M':
                    stack.Add((long)BinaryPrimitives.ReadUInt16LittleEndian(Take(2)));
                    break;
                case (byte)'J':
                    stack.Add((long)BinaryPrimitives.ReadInt32LittleEndian(Take(4)));
                    break;
                case (byte)'G':
                    stack.Add(BinaryPrimitives.ReadDoubleBigEndian(Take(8)));
                    break;
                case 0x8A:
                    stack.Add(Long(at));
                    break;
                case (byte)'X':
                    stack.Add(Text(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                    break;
                case (byte)'c':
                    stack.Add(rules.Global(Line(), Line()));
                    break;
                case (byte)'q':
                    memo[Take(1)[0]] = Peek();
                    break;
                case (byte)'r':
                    memo[BinaryPrimitives.ReadUInt32LittleEndian(Take(4))] = Peek();
                    break;
                case (byte)'h':
                    stack.Add(Memo(Take(1)[0]));
                    break;
                case (byte)'j':
                    stack.Add(Memo(BinaryPrimitives.ReadUInt32LittleEndian(Take(4))));
                    break;
                case (byte)'t':
                    stack.Add(new PickleTuple(PopMark()));
                    break;
                case 0x85 or 0x86 or 0x87:
                    stack.Add(new PickleTuple(Pop(opcode - 0x84)));
                    break;
                case (byte)'a':
                    Append(at, [Pop()]);
                    break;
                case (byte)'e':
                    Append(at, PopMark());
                    break;
                case (byte)'s':
                    Set(at, Pop(2));
                    break;
                case (byte)'u':
                    Set(at, PopMark());
                    break;
                case (byte)'Q':
                    stack.Add(PickleRules.Persistent(Pop()));
                    break;
                case (byte)'R' or 0x81:
                    Call(opcode == 0x81);
                    break;
                case (byte)'b':
                    Build(at);
                    break;
                default:
                    throw Wrong(at, $"opcode 0x{opcode:X2}, which weights do not need");
            }
        }
    }

    private void Call(bool isNew)
    {
        object? arguments = Pop(),
            callee = Pop();
        stack.Add(
            rules.Call(
                callee,
                arguments as PickleTuple ?? throw new FormatException("a call without a tuple of arguments."),
                isNew
            )
        );
    }

    /// <summary>
    /// Sets attributes of an object. Those of a dictionary, such as a state dictionary's _metadata, are not kept.
    /// </summary>
    private readonly void Build(int at)
    {
        object? state = Pop();
        if (Peek() is not PickleMap target || state is not PickleMap attributes)
            throw Wrong(at, "a state of another form than attributes");
        if (rules.IsObject(target))
            target.Entries.AddRange(attributes.Entries);
    }

    private readonly void Append(int at, object?[] items)
    {
        if (Peek() is not List<object?> list)
            throw Wrong(at, "items for what is no list");
        list.AddRange(items);
    }

    private readonly void Set(int at, object?[] items)
    {
        if (Peek() is not PickleMap map || items.Length % 2 != 0)
            throw Wrong(at, "entries for what is no dictionary");
        for (int i = 0; i < items.Length; i += 2)
            map.Entries.Add((items[i], items[i + 1]));
    }

    private ReadOnlySpan<byte> Take(long count)
    {
        if (count > bytes.Length - position)
            throw new FormatException($"it ends within byte {position:N0}, {count:N0} more were expected.");
        position += (int)count;
        return bytes.Slice(position - (int)count, (int)count);
    }

    private string Text(uint length) => Encoding.UTF8.GetString(Take(length));

    private string Line()
    {
        int length = bytes[position..].IndexOf((byte)'\n');
        if (length is < 0 or > 1000)
            throw new FormatException($"a name at byte {position:N0} does not end.");
        string line = Text((uint)length);
        position++;
        return line;
    }

    private long Long(int at)
    {
        ReadOnlySpan<byte> digits = Take(Take(1)[0]);
        if (digits.Length > sizeof(long))
            throw Wrong(at, "a number above 2^63");
        long value = digits.Length > 0 && digits[^1] >= 0x80 ? -1 : 0;
        for (int i = digits.Length - 1; i >= 0; i--)
            value = (value << 8) | digits[i];
        return value;
    }

    private readonly object? Memo(uint key) =>
        memo.TryGetValue(key, out object? value)
            ? value
            : throw new FormatException($"it refers to entry {key}, which was not stored.");

    private readonly object? Peek() =>
        stack.Count > Floor ? stack[^1] : throw new FormatException("it takes from an empty stack.");

    private readonly object? Pop()
    {
        object? top = Peek();
        stack.RemoveAt(stack.Count - 1);
        return top;
    }

    private readonly object?[] Pop(int count)
    {
        if (stack.Count - count < Floor)
            throw new FormatException("it takes from an empty stack.");
        object?[] items = [.. stack[^count..]];
        stack.RemoveRange(stack.Count - count, count);
        return items;
    }

    private readonly object?[] PopMark()
    {
        if (marks.Count == 0)
            throw new FormatException("it takes to a mark that was not set.");
        int mark = marks[^1];
        object?[] items = [.. stack[mark..]];
        marks.RemoveAt(marks.Count - 1);
        stack.RemoveRange(mark, stack.Count - mark);
        return items;
    }

    private readonly int Floor => marks.Count > 0 ? marks[^1] : 0;

    private static FormatException Wrong(int at, string what) => new($"{what}, at byte {at:N0}.");
}

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
            case "OrderedDict" when Entries(arguments.Items) is { } map:
                return map;
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

    /// <summary>A dictionary made of nothing or of pairs, as an empty tuple is; null for another form.</summary>
    private static PickleMap? Entries(IReadOnlyList<object?> arguments)
    {
        IReadOnlyList<object?>? pairs = arguments switch
        {
            [] => [],
            [PickleTuple tuple] => tuple.Items,
            [List<object?> list] => list,
            _ => null,
        };
        if (pairs is null)
            return null;
        PickleMap map = new();
        foreach (object? pair in pairs)
            if (pair is PickleTuple { Items: [var key, var value] })
                map.Entries.Add((key, value));
            else
                return null;
        return map;
    }

    private static long[] Numbers(PickleTuple tuple) =>
        [
            .. tuple.Items.Select(i =>
                i is long number and >= 0 ? number : throw new FormatException("a shape of what are no numbers.")
            ),
        ];
}

/// <summary>A name of a class or function: never looked up, only compared with those known.</summary>
internal sealed record PickleGlobal(string Module, string Name);

/// <summary>A tuple.</summary>
internal sealed record PickleTuple(IReadOnlyList<object?> Items);

/// <summary>A dictionary, or an object of a class with its attributes.</summary>
internal sealed class PickleMap
{
    /// <summary>In the order in which they were set.</summary>
    public List<(object? Key, object? Value)> Entries { get; } = [];
}

/// <summary>A storage: a piece of the archive.</summary>
internal sealed record PickleStorage(SafeTensorType Type, string Key, long Count);

/// <summary>A tensor: a view of a storage.</summary>
internal sealed record PickleTensor(
    PickleStorage Storage,
    long Offset,
    IReadOnlyList<long> Sizes,
    IReadOnlyList<long> Strides
);
