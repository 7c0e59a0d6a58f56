using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Training;

/// <summary>
/// Values of trained weights, and running statistics that were updated, by the name of the initializer. Nobody writes
/// to the arrays.
/// </summary>
/// <param name="Values">Values, row-major.</param>
internal sealed record NetworkWeights(IReadOnlyDictionary<string, float[]> Values)
{
    /// <summary>These weights, with others in place of those they name.</summary>
    public NetworkWeights With(IReadOnlyDictionary<string, float[]> others)
    {
        Dictionary<string, float[]> all = new(Values);
        foreach ((string name, float[] value) in others)
            all[name] = value;
        return new NetworkWeights(all);
    }

    /// <summary>(1 - share) · others + share · these, for every weight of these.</summary>
    /// <param name="others">Weights with all names of these.</param>
    /// <param name="share">In [0, 1].</param>
    public NetworkWeights Mixed(NetworkWeights others, float share)
    {
        Dictionary<string, float[]> all = [];
        foreach ((string name, float[] values) in Values)
        {
            float[] from = others.Values[name];
            all[name] = [.. values.Select((v, i) => from[i] + share * (v - from[i]))];
        }

        return new NetworkWeights(all);
    }
}

/// <summary>Which initializers are weights: found from the operators that use them, not from names.</summary>
/// <remarks>
/// Kernels, matrices and biases of layers, scales and shifts of normalisations, slopes, and constants of more than one
/// element that are added to or multiply what a layer has made. Running statistics, sizes and scalars of activation
/// functions are none.
/// </remarks>
internal static class TrainableWeights
{
    /// <summary>Weighted operators: those whose second input makes a layer of them.</summary>
    public static bool IsLayer(NodeProto node) =>
        node.OpType is "Conv" or "ConvTranspose" or "Gemm" or "MatMul" or "FusedConv" or "FusedGemm" or "FusedMatMul";

    /// <summary>Names of the weights that a node uses.</summary>
    /// <param name="node">The node.</param>
    /// <param name="initializers">The float32 initializers of the model by name.</param>
    /// <param name="afterLayer">Whether a layer comes before the node: constants before that are preprocessing.</param>
    public static IEnumerable<string> Of(
        NodeProto node,
        IReadOnlyDictionary<string, TensorProto> initializers,
        bool afterLayer
    )
    {
        for (int i = 0; i < node.Input.Count; i++)
            if (
                initializers.TryGetValue(node.Input[i], out TensorProto? tensor)
                && IsWeight(node.OpType, i, tensor, afterLayer)
            )
                yield return tensor.Name;
    }

    /// <summary>
    /// The float32 initializers by name, but those that serve as something else too: exporters keep equal tensors once,
    /// be they weights or statistics.
    /// </summary>
    public static Dictionary<string, TensorProto> Candidates(OnnxModel model)
    {
        Dictionary<string, TensorProto> found = model
            .Initializers.Where(i => i.DataType == (int)TensorProto.Types.DataType.Float)
            .ToDictionary(i => i.Name);
        foreach (NodeProto node in model.Nodes)
            for (int i = 0; i < node.Input.Count; i++)
                if (
                    found.TryGetValue(node.Input[i], out TensorProto? tensor)
                    && !IsWeight(node.OpType, i, tensor, afterLayer: true)
                )
                    found.Remove(node.Input[i]);
        return found;
    }

    private static bool IsWeight(string type, int input, TensorProto tensor, bool afterLayer) =>
        type switch
        {
            "Conv" or "ConvTranspose" or "FusedConv" => input is 1 or 2,
            "Gemm" or "FusedGemm" => input is 1 or 2,
            "MatMul" or "FusedMatMul" => true,
            "BatchNormalization" or "LayerNormalization" or "InstanceNormalization" or "GroupNormalization" => input
                is 1
                    or 2,
            "PRelu" => input is 1,
            "Add" or "Mul" or "Sub" or "Div" => afterLayer && tensor.Dims.Aggregate(1L, (a, b) => a * b) > 1,
            _ => false,
        };
}

/// <summary>A backbone with weights from a file instead of the pretrained ones.</summary>
internal static class InitialWeights
{
    private const int Listed = 5;

    /// <summary>What begins the names of the head's weights, and of training rows kept to score unknown
    /// images.</summary>
    private static readonly string[] Above = ["head.", "unknown."];

    /// <summary>
    /// The backbone with the file's weights, as a backbone of its own: with another digest, so that nothing of the
    /// first is taken for it.
    /// </summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Tensors that features may be taken from: what lies above is not needed.</param>
    /// <param name="file">A .safetensors, or an ONNX model such as model.onnx. A head in it is not looked at.</param>
    /// <param name="cacheFolder">Where the model is kept.</param>
    /// <exception cref="TransferException">The file's weights are not those of this architecture; the message lists the
    /// differences.</exception>
    public static Backbone Open(Backbone backbone, IReadOnlyList<string> taps, string file, string cacheFolder)
    {
        OnnxModel model = backbone.LoadModel();
        Dictionary<string, (long[] Shape, float[] Values)> found = Read(file);
        Dictionary<string, long[]> expected = model
            .CutAt(taps)
            .Initializers.Where(IsFloat)
            .ToDictionary(i => i.Name, i => i.Dims.ToArray());
        RequireSame(expected, found, file, backbone.Card.Id);
        byte[] bytes = model.WithInitializers(expected.Keys.ToDictionary(n => n, n => found[n].Values)).ToBytes();
        string digest = Convert.ToHexStringLower(SHA256.HashData(bytes)),
            path = Path.Combine(cacheFolder, $"{backbone.Card.Id}-from-{digest[..16]}.onnx");
        Directory.CreateDirectory(cacheFolder);
        AtomicFile.Write(path, stream => stream.Write(bytes));
        return new Backbone(backbone.Card, path, digest);
    }

    /// <summary>Writes the weights of a model, head included, as safetensors.</summary>
    /// <param name="model">The model, without the score of unknown images, whose numbers are no weights.</param>
    /// <param name="path">The file; replaced where it exists.</param>
    public static void Save(OnnxModel model, string path) =>
        new SafetensorsFile(
            model
                .Initializers.Where(IsFloat)
                .ToDictionary(i => i.Name, i => SafeTensor.Of(TensorData.ToFloats(i), [.. i.Dims])),
            model.Metadata
        ).Save(path);

    private static bool IsFloat(TensorProto tensor) => tensor.DataType == (int)TensorProto.Types.DataType.Float;

    private static Dictionary<string, (long[] Shape, float[] Values)> Read(string file)
    {
        if (!File.Exists(file))
            throw new TransferException($"The weights '{file}' do not exist. Give a .safetensors or .onnx file.");
        return file.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)
            ? SafetensorsFile
                .Load(file)
                .Tensors.Where(t =>
                    t.Value.Type
                        is SafeTensorType.F32
                            or SafeTensorType.F16
                            or SafeTensorType.BF16
                            or SafeTensorType.F64
                )
                .ToDictionary(t => t.Key, t => (t.Value.Shape.ToArray(), t.Value.ToFloats()))
            : OnnxModel
                .Load(file)
                .Initializers.Where(IsFloat)
                .ToDictionary(i => i.Name, i => (i.Dims.ToArray(), TensorData.ToFloats(i)));
    }

    private static void RequireSame(
        Dictionary<string, long[]> expected,
        Dictionary<string, (long[] Shape, float[] Values)> found,
        string file,
        string id
    )
    {
        string[] missing = [.. expected.Keys.Where(n => !found.ContainsKey(n)).Order(StringComparer.Ordinal)];
        string[] extra =
        [
            .. found
                .Keys.Where(name =>
                    !expected.ContainsKey(name) && !Above.Any(part => name.StartsWith(part, StringComparison.Ordinal))
                )
                .Order(StringComparer.Ordinal),
        ];
        string[] other =
        [
            .. expected
                .Where(e => found.TryGetValue(e.Key, out var f) && !f.Shape.SequenceEqual(e.Value))
                .OrderBy(e => e.Key, StringComparer.Ordinal)
                .Select(e =>
                    $"{e.Key} [{string.Join(", ", found[e.Key].Shape)}] instead of [{string.Join(", ", e.Value)}]"
                ),
        ];
        if (missing.Length + extra.Length + other.Length == 0)
            return;
        string[] differences = [Some(missing, "missing"), Some(extra, "not known"), Some(other, "of another shape")];
        throw new TransferException(
            $"The weights of '{file}' are not those of '{id}': "
                + $"{string.Join("; ", differences.Where(d => d.Length > 0))}. Name the backbone, and with --tap or "
                + $"--taps the taps, that they were saved from."
        );
    }

    private static string Some(string[] names, string what) =>
        names.Length == 0
            ? ""
            : $"{names.Length} {what}: {string.Join(", ", names.Take(Listed))}{(names.Length > Listed ? ", ..." : "")}";
}
