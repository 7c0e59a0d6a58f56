using System.Buffers.Binary;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Weights;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Onnx.Torch.Modules;

/// <summary>A model said in torch.</summary>
/// <param name="Root">The whole module.</param>
/// <param name="Input">Name of the value it takes.</param>
/// <param name="Steps">All steps, in an order in which they can run.</param>
/// <param name="Output">Name of the value it returns.</param>
internal sealed record TorchProgram(TorchModule Root, string Input, IReadOnlyList<TorchStep> Steps, string Output)
{
    /// <summary>Tensors of the modules that some step uses, by their full names, in the order of the tree.</summary>
    public IEnumerable<(string Path, TorchTensor Tensor)> Tensors => Root.AllTensors;
}

/// <summary>
/// A module: named tensors and named modules; a leaf computes one layer, any other what its body says.
/// </summary>
/// <param name="name">Name in the parent: no dots, not empty, but for the root.</param>
/// <param name="parent">The parent; null for the root.</param>
internal sealed class TorchModule(string name, TorchModule? parent)
{
    private readonly List<TorchModule> children = [];
    private readonly List<TorchTensor> tensors = [];

    public string Name => name;

    public TorchModule? Parent => parent;

    /// <summary>In the order in which they were first used.</summary>
    public IReadOnlyList<TorchModule> Children => children;

    public IReadOnlyList<TorchTensor> Tensors => tensors;

    /// <summary>What a leaf computes; null for a container.</summary>
    public TorchLayer? Layer { get; private set; }

    /// <summary>What a container computes; null for a leaf, and for a container whose parts its parent runs.</summary>
    public TorchBody? Body { get; set; }

    /// <summary>Names from the root, separated by dots; empty for the root.</summary>
    public string Path => parent is null || parent.Path.Length == 0 ? name : $"{parent.Path}.{name}";

    /// <summary>This module and those around it, innermost first.</summary>
    public IEnumerable<TorchModule> Ancestry
    {
        get
        {
            for (TorchModule? m = this; m is not null; m = m.Parent)
                yield return m;
        }
    }

    /// <summary>All modules below and this one, parents first.</summary>
    public IEnumerable<TorchModule> Descendants => children.SelectMany(c => c.Descendants).Prepend(this);

    /// <summary>All tensors with their full names, in the order of the tree.</summary>
    public IEnumerable<(string Path, TorchTensor Tensor)> AllTensors =>
        Descendants.SelectMany(m => m.tensors.Select(t => (m.Path.Length == 0 ? t.Name : $"{m.Path}.{t.Name}", t)));

    public bool IsWithin(TorchModule other) => Ancestry.Contains(other);

    /// <summary>The child of a name, made where there is none; null where the name belongs to a tensor.</summary>
    public TorchModule? Child(string childName)
    {
        if (tensors.Any(t => t.Name == childName))
            return null;
        TorchModule? child = children.FirstOrDefault(c => c.Name == childName);
        if (child is null)
            children.Add(child = new TorchModule(childName, this));
        return child;
    }

    /// <summary>Whether neither a tensor nor a module has the name.</summary>
    public bool IsFree(string member) => tensors.All(t => t.Name != member) && children.All(c => c.Name != member);

    /// <summary>Removes the layers and loose tensors that nothing uses, and the modules that are empty then.</summary>
    public void Prune(IReadOnlySet<object> used)
    {
        if (Layer is null)
            tensors.RemoveAll(t => !used.Contains(t));
        foreach (TorchModule child in children)
            child.Prune(used);
        children.RemoveAll(c => c.Layer is null ? c.children.Count == 0 && c.tensors.Count == 0 : !used.Contains(c));
    }

    public void Add(TorchTensor tensor) => tensors.Add(tensor);

    /// <summary>Makes it a leaf.</summary>
    public void Become(TorchLayer layer, IEnumerable<TorchTensor> layerTensors)
    {
        Layer = layer;
        tensors.AddRange(layerTensors);
    }
}

/// <summary>What a container's forward does.</summary>
/// <param name="Inputs">Values it takes, in the order in which they are made.</param>
/// <param name="Steps">In an order in which they can run.</param>
/// <param name="Outputs">Values it returns; at least one.</param>
internal sealed record TorchBody(
    IReadOnlyList<string> Inputs,
    IReadOnlyList<TorchStep> Steps,
    IReadOnlyList<string> Outputs
);

/// <summary>What a leaf module computes: torch's layer of that name.</summary>
internal abstract record TorchLayer
{
    /// <summary>Name of the layer in torch, for example Conv2d.</summary>
    public abstract string Kind { get; }

    /// <summary>
    /// Lines of TorchScript that compute the layer of <c>x</c> with the tensors of <c>self</c>; the last is a return.
    /// </summary>
    public abstract IReadOnlyList<string> Script { get; }

    /// <summary>The layer's constructor in TorchSharp.</summary>
    public abstract SharpCall Sharp { get; }
}

/// <summary>A parameter or a buffer of a module, with the initializer that it comes from.</summary>
internal sealed class TorchTensor
{
    private readonly TensorProto source;
    private readonly bool transposed;

    /// <param name="name">Name in the module.</param>
    /// <param name="source">Values: float32 or int64.</param>
    /// <param name="shape">Sizes in torch; of as many elements as the source.</param>
    /// <param name="isParameter">Whether it is trained; else a buffer.</param>
    /// <param name="transposed">Whether the source is this matrix transposed.</param>
    public TorchTensor(
        string name,
        TensorProto source,
        IReadOnlyList<long> shape,
        bool isParameter,
        bool transposed = false
    )
    {
        (Name, this.source, Shape, IsParameter, this.transposed) = (name, source, shape, isParameter, transposed);
        Type = (DataType)source.DataType switch
        {
            DataType.Float => SafeTensorType.F32,
            DataType.Int64 => SafeTensorType.I64,
            DataType other => throw new GraphException(
                $"Tensor '{source.Name}' is of type {other}; only float32 weights can be exported to torch. Convert "
                    + $"the model to float32."
            ),
        };
    }

    public string Name { get; }

    public IReadOnlyList<long> Shape { get; }

    public bool IsParameter { get; }

    public SafeTensorType Type { get; }

    /// <summary>
    /// Name of the initializer; empty where the graph computes the value from constants, or has none.
    /// </summary>
    public string Initializer => source.Name;

    /// <summary>Shape of the initializer.</summary>
    public IReadOnlyList<long> SourceShape => source.Dims;

    /// <summary>Whether two tensors are the same values in the same form.</summary>
    public bool IsSame(TorchTensor other) =>
        ReferenceEquals(source, other.source) && transposed == other.transposed && Shape.SequenceEqual(other.Shape);

    /// <summary>The values in torch's form, row-major, little-endian.</summary>
    public ReadOnlyMemory<byte> Data()
    {
        if (Type == SafeTensorType.I64)
            return TensorData.Longs("", TensorData.ToLongs(source), [.. source.Dims]).RawData.Memory;
        if (!transposed && source.HasRawData && TensorData.ByteLength(source) == source.RawData.Length)
            return source.RawData.Memory;
        float[] values = TensorData.ToFloats(source);
        return TensorData
            .Floats("", transposed ? Transposed(values, source.Dims[0], source.Dims[1]) : values, [.. Shape])
            .RawData.Memory;
    }

    /// <summary>The initializer with new values.</summary>
    /// <param name="values">Values of any real type.</param>
    /// <param name="asSource">Whether they are in the initializer's form already.</param>
    public TensorProto Restored(SafeTensor values, bool asSource)
    {
        if (Type == SafeTensorType.I64)
        {
            if (values.Type != SafeTensorType.I64)
                throw new GraphException($"'{Name}' is {values.Type}; I64 was expected.");
            long[] numbers = new long[values.Data.Length / sizeof(long)];
            for (int i = 0; i < numbers.Length; i++)
                numbers[i] = BinaryPrimitives.ReadInt64LittleEndian(values.Data.Span[(i * sizeof(long))..]);
            return TensorData.Longs(source.Name, numbers, [.. source.Dims]);
        }

        float[] floats = values.ToFloats();
        return TensorData.Floats(
            source.Name,
            transposed && !asSource ? Transposed(floats, source.Dims[1], source.Dims[0]) : floats,
            [.. source.Dims]
        );
    }

    private static float[] Transposed(float[] values, long rows, long columns)
    {
        float[] result = new float[values.Length];
        for (long r = 0; r < rows; r++)
        for (long c = 0; c < columns; c++)
            result[c * rows + r] = values[r * columns + c];
        return result;
    }
}

/// <summary>One line of a forward: a call of a module or of a torch function.</summary>
/// <param name="Function">Name of the function in torch; empty for the call of a module.</param>
/// <param name="Module">The module called, or null.</param>
/// <param name="Arguments">Arguments in the order of torch's schema.</param>
/// <param name="Results">Names of the values it makes.</param>
internal sealed record TorchStep(
    string Function,
    TorchModule? Module,
    IReadOnlyList<TorchArgument> Arguments,
    IReadOnlyList<string> Results
)
{
    /// <summary>
    /// Functions that begin something new rather than end what came before: where a block ends, they stand after it.
    /// </summary>
    private static readonly HashSet<string> Dividers =
    [
        "max_pool2d",
        "avg_pool2d",
        "adaptive_avg_pool2d",
        "softmax",
        "log_softmax",
        "argmax",
        "flatten",
        "dropout",
    ];

    public bool Divides => Dividers.Contains(Function);

    /// <summary>Values it uses.</summary>
    public IEnumerable<string> Uses =>
        Arguments.SelectMany(a =>
            a switch
            {
                TorchArgument.Value value => [value.Name],
                TorchArgument.Values values => values.Names,
                _ => Enumerable.Empty<string>(),
            }
        );

    /// <summary>Modules whose tensors it uses, or that it calls.</summary>
    public IEnumerable<TorchModule> Modules =>
        Arguments.OfType<TorchArgument.Own>().Select(o => o.Module).Concat(Module is null ? [] : [Module]);
}

/// <summary>An argument of a step.</summary>
internal abstract record TorchArgument
{
    private TorchArgument() { }

    /// <summary>A value made before.</summary>
    public sealed record Value(string Name) : TorchArgument;

    /// <summary>A list of values.</summary>
    public sealed record Values(IReadOnlyList<string> Names) : TorchArgument;

    /// <summary>A tensor of a module.</summary>
    public sealed record Own(TorchModule Module, TorchTensor Tensor) : TorchArgument;

    public sealed record Integer(long Number) : TorchArgument;

    public sealed record Integers(IReadOnlyList<long> Numbers) : TorchArgument;

    public sealed record Real(double Number) : TorchArgument;

    public sealed record Flag(bool On) : TorchArgument;

    /// <summary>None.</summary>
    public sealed record Nothing : TorchArgument;

    /// <summary>Whether the module is in training mode.</summary>
    public sealed record Training : TorchArgument;
}

/// <summary>An argument of a <see cref="SharpCall"/>.</summary>
/// <param name="Name">Name of the parameter; empty for an argument by position.</param>
/// <param name="Text">The argument in C#.</param>
/// <param name="Role">What the number is, for example inChannels; empty where it cannot vary within a class.</param>
internal sealed record SharpArgument(string Name, string Text, string Role = "");

/// <summary>A call in C# whose numbers are known one by one, so that like calls can share a class.</summary>
/// <param name="Function">Name of the function.</param>
/// <param name="Arguments">Its arguments.</param>
internal sealed record SharpCall(string Function, params IReadOnlyList<SharpArgument> Arguments);
