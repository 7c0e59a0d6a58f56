using System.Buffers.Binary;
using System.Globalization;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Import;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>Brings weights that were trained elsewhere back into the model they were exported from.</summary>
public static class TorchImport
{
    private const string Counter = "num_batches_tracked";

    /// <summary>The model with other weights; operators, names and everything else stay.</summary>
    /// <param name="model">The model that was exported; not changed.</param>
    /// <param name="weights">Weights under the names of the export (<c>head.weight</c>), or of the model's
    /// initializers.</param>
    /// <param name="options">The options of the export; null for the defaults.</param>
    /// <param name="only">The initializers that are replaced, and have to be among the weights; the others stay,
    /// whatever is said of them. Null for all.</param>
    /// <exception cref="GraphException">Names or shapes do not fit; the message lists the differences.</exception>
    public static OnnxModel WithWeights(
        this OnnxModel model,
        NamedTensors weights,
        TorchExportOptions? options = null,
        IReadOnlyCollection<string>? only = null
    )
    {
        Comparison found = Compare(model, weights, options, only);
        if (!found.Mismatch.IsEmpty)
            throw new GraphException(
                $"The weights of {weights.Source} are not those of this model: {found.Mismatch}. Give the model that "
                    + $"was exported."
            );
        Dictionary<string, TensorProto> restored = [];
        foreach ((string name, TorchTensor tensor) in found.Expected)
            restored[tensor.Initializer] = tensor.Restored(weights.Tensors[name], found.ByInitializer);
        return SeparateInitializers
            .WithoutAliases(model)
            .With(proto =>
            {
                for (int i = 0; i < proto.Graph.Initializer.Count; i++)
                    if (restored.TryGetValue(proto.Graph.Initializer[i].Name, out TensorProto? values))
                        proto.Graph.Initializer[i] = values;
            });
    }

    /// <summary>How weights differ from a model in names and shapes.</summary>
    /// <param name="model">The model that was exported.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="options">The options of the export; null for the defaults.</param>
    /// <param name="only">The initializers that are asked for; null for all.</param>
    public static WeightsMismatch CompareWeights(
        this OnnxModel model,
        NamedTensors weights,
        TorchExportOptions? options = null,
        IReadOnlyCollection<string>? only = null
    ) => Compare(model, weights, options, only).Mismatch;

    /// <summary>The model's weights under the names of the export, as a state dictionary has them.</summary>
    /// <param name="model">The model: one float32 input.</param>
    /// <param name="options">What to export; null for the first output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch.</exception>
    public static IReadOnlyDictionary<string, SafeTensor> StateDictionary(
        this OnnxModel model,
        TorchExportOptions? options = null
    ) =>
        TorchExport
            .Program(model, options)
            .Tensors.ToDictionary(
                t => t.Path,
                t => new SafeTensor(t.Tensor.Type, t.Tensor.Shape, t.Tensor.Data()),
                StringComparer.Ordinal
            );

    private static Comparison Compare(
        OnnxModel model,
        NamedTensors weights,
        TorchExportOptions? options,
        IReadOnlyCollection<string>? only
    )
    {
        HashSet<string> initializers = [.. SeparateInitializers.WithoutAliases(model).Initializers.Select(i => i.Name)];
        (string Path, TorchTensor Tensor)[] all =
        [
            .. TorchExport.Program(model, options).Tensors.Where(t => initializers.Contains(t.Tensor.Initializer)),
        ];
        HashSet<string> wanted = only is null ? [.. all.Select(t => t.Tensor.Initializer)] : [.. only];
        bool byInitializer =
            all.Count(t => weights.Tensors.ContainsKey(t.Tensor.Initializer))
            > all.Count(t => weights.Tensors.ContainsKey(t.Path));
        Dictionary<string, TorchTensor> expected = all.Where(t => wanted.Contains(t.Tensor.Initializer))
            .ToDictionary(t => byInitializer ? t.Tensor.Initializer : t.Path, t => t.Tensor, StringComparer.Ordinal);
        Dictionary<string, IReadOnlyList<long>> shapes = expected.ToDictionary(
            e => e.Key,
            e => byInitializer ? e.Value.SourceShape : e.Value.Shape
        );
        // What is there and was not asked for is no difference.
        HashSet<string> passedOver = only is null ? [] : [.. initializers, .. all.Select(t => t.Path)];
        HashSet<string> computed = [.. all.Select(t => t.Tensor.Initializer)];
        string[] missing =
        [
            .. shapes.Where(e => !weights.Tensors.ContainsKey(e.Key)).Select(e => Describe(e.Key, e.Value)),
            .. wanted.Where(name => !computed.Contains(name)).Order(StringComparer.Ordinal),
        ];
        string[] unknown =
        [
            .. weights
                .Tensors.Where(w =>
                    !shapes.ContainsKey(w.Key) && !passedOver.Contains(w.Key) && w.Key.Split('.')[^1] != Counter
                )
                .Select(w => Describe(w.Key, w.Value.Shape)),
        ];
        string[] different =
        [
            .. shapes
                .Where(e =>
                    weights.Tensors.TryGetValue(e.Key, out SafeTensor? given) && !given.Shape.SequenceEqual(e.Value)
                )
                .Select(e =>
                    $"{Describe(e.Key, weights.Tensors[e.Key].Shape)} instead of [{string.Join(", ", e.Value)}]"
                ),
        ];
        return new Comparison(expected, byInitializer, new WeightsMismatch(missing, unknown, different));
    }

    private static string Describe(string name, IReadOnlyList<long> shape) => $"{name} [{string.Join(", ", shape)}]";

    /// <summary>How weights and a model fit.</summary>
    /// <param name="Expected">What is asked for, by the name that the weights have it under.</param>
    /// <param name="ByInitializer">Whether these are the names of initializers.</param>
    /// <param name="Mismatch">What does not fit.</param>
    private sealed record Comparison(
        IReadOnlyDictionary<string, TorchTensor> Expected,
        bool ByInitializer,
        WeightsMismatch Mismatch
    );
}

/// <summary>What an untrusted file of weights may cost. Immutable; checked before anything is allocated.</summary>
public sealed record TorchLimits
{
    /// <summary>Most bytes of all tensors together, as they are in memory; 1 or more. Default 4 GiB.</summary>
    public long MaxBytes
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxBytes));
    } = 4L << 30;

    /// <summary>Most tensors, and most entries of an archive; 1 or more. Default 100,000.</summary>
    public int MaxTensors
    {
        get;
        init => field = (int)AtLeastOne(value, nameof(MaxTensors));
    } = 100_000;

    /// <summary>Longest description (pickle) in an archive, in bytes; 1 or more. Default 64 MiB.</summary>
    public int MaxDescription
    {
        get;
        init => field = (int)AtLeastOne(value, nameof(MaxDescription));
    } = 64 << 20;

    private static long AtLeastOne(long value, string name) =>
        value >= 1 ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
}

/// <summary>How weights and a model differ in names and shapes.</summary>
/// <param name="Missing">What the model has and the weights lack, for example "layer1.0.conv1.weight [64, 64, 3,
/// 3]".</param>
/// <param name="Unknown">What the weights have and the model lacks.</param>
/// <param name="Different">What both have, in different shapes.</param>
public sealed record WeightsMismatch(
    IReadOnlyList<string> Missing,
    IReadOnlyList<string> Unknown,
    IReadOnlyList<string> Different
)
{
    private const int Most = 10;

    /// <summary>Whether nothing differs.</summary>
    public bool IsEmpty => Missing.Count + Unknown.Count + Different.Count == 0;

    /// <summary>The differences, the first ten of each kind.</summary>
    public override string ToString() =>
        string.Join(
            "; ",
            new[] { ("missing", Missing), ("not in the model", Unknown), ("of another shape", Different) }
                .Where(k => k.Item2.Count > 0)
                .Select(k => List(k.Item1, k.Item2))
        );

    private static string List(string kind, IReadOnlyList<string> names) =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"{names.Count} {kind}: {string.Join(", ", names.Take(Most))}{(names.Count > Most ? ", ..." : "")}"
        );
}

/// <summary>
/// Reads weights that were trained elsewhere: TorchScript archives and state dictionaries of PyTorch (.pt, .pth, as
/// written since PyTorch 1.6), state dictionaries of TorchSharp (.dat), and .safetensors.
/// </summary>
/// <remarks>
/// The kind is found from the content. A file is untrusted input: nothing in it is ever executed, and every length is
/// checked before it is believed.
/// </remarks>
public static class TorchWeights
{
    /// <summary>
    /// Above this the first eight bytes are no length of a .safetensors header, whether the file is whole or not.
    /// </summary>
    private const ulong LongestHeader = 100_000_000;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="limits">What it may cost; null for the defaults.</param>
    /// <exception cref="GraphException">The file cannot be read, is damaged, too costly, or holds what weights do not
    /// need; the message says what.</exception>
    public static NamedTensors Read(string path, TorchLimits? limits = null)
    {
        try
        {
            using FileStream stream = RegularFile.OpenRead(path, 1 << 16);
            return Read(stream, $"'{path}'", limits);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new GraphException($"'{path}' cannot be read: {cause.Message}", cause);
        }
    }

    /// <summary>Reads a stream.</summary>
    /// <param name="stream">The content; it must seek.</param>
    /// <param name="name">How it is called in messages.</param>
    /// <param name="limits">What it may cost; null for the defaults.</param>
    /// <exception cref="GraphException">The content is damaged, too costly, or holds what weights do not
    /// need.</exception>
    public static NamedTensors Read(Stream stream, string name, TorchLimits? limits = null)
    {
        limits ??= new TorchLimits();
        byte[] start = new byte[9];
        int read = stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false);
        stream.Position = 0;
        if (read >= 4 && start is [(byte)'P', (byte)'K', 3, 4, ..])
            return new NamedTensors(name, new ArchiveReader(stream, name, limits).Read());
        if (start is [0x80, 2 or 3 or 4 or 5, ..] && read > 2 && start[2] is 0x8A or (byte)'}' or (byte)'c' or 0x95)
            throw new GraphException(
                $"{name} is a bare pickle, as PyTorch wrote before 1.6. Load it in PyTorch and save its "
                    + $"state_dict() again."
            );
        if (read == 9 && start[8] == '{' && BinaryPrimitives.ReadUInt64LittleEndian(start) <= LongestHeader)
            return Safetensors(stream, name, limits);
        return new NamedTensors(name, DatReader.Read(stream, name, limits));
    }

    private static NamedTensors Safetensors(Stream stream, string name, TorchLimits limits)
    {
        if (stream.Length > Math.Min(limits.MaxBytes, Array.MaxLength))
            throw new GraphException(
                $"{name} has {stream.Length:N0} bytes; at most {Math.Min(limits.MaxBytes, Array.MaxLength):N0} are "
                    + $"read. Raise {nameof(TorchLimits)}.{nameof(TorchLimits.MaxBytes)}."
            );
        byte[] bytes = new byte[stream.Length];
        stream.ReadExactly(bytes);
        SafetensorsFile file = SafetensorsFile.Parse(bytes, name);
        return new NamedTensors(name, file.Tensors, file.Metadata);
    }
}

/// <summary>Weights by name, as a file gives them. Immutable.</summary>
/// <param name="source">Where they come from, for messages.</param>
/// <param name="tensors">The tensors by name.</param>
/// <param name="metadata">What the file says besides; null where its format has no such place.</param>
public sealed class NamedTensors(
    string source,
    IReadOnlyDictionary<string, SafeTensor> tensors,
    IReadOnlyDictionary<string, string>? metadata = null
)
{
    /// <summary>Where they come from, for messages.</summary>
    public string Source { get; } = source;

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafeTensor> Tensors { get; } = tensors;

    /// <summary>The metadata of a .safetensors; null for the formats of torch.</summary>
    public IReadOnlyDictionary<string, string>? Metadata { get; } = metadata;
}
