using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Onnx.Weights;

namespace MlNetTransfer.Training;

/// <summary>A backbone with weights from a file instead of the pretrained ones.</summary>
internal static class InitialWeights
{
    private const int Listed = 5;

    /// <summary>
    /// What begins the names of the head's weights, of training rows kept to score unknown images, and of the blocks as
    /// they were before training, where both are asked.
    /// </summary>
    private static readonly string[] Others = ["head.", "unknown.", FineTuneRecipe.Before];

    /// <summary>
    /// The backbone with the file's weights, as a backbone of its own: with another digest, so that nothing of the
    /// first is taken for it.
    /// </summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Tensors that features may be taken from: what lies above is not needed.</param>
    /// <param name="file">An ONNX model such as model.onnx, or weights under the names of the ONNX file or of the
    /// export for torch: .safetensors, .pt, .pth, .dat. What lies above the taps, a head, is not looked at.</param>
    /// <param name="cacheFolder">Where the model is kept.</param>
    /// <exception cref="TransferException">The file's weights are not those of this architecture; the message lists the
    /// differences.</exception>
    public static Backbone Open(Backbone backbone, IReadOnlyList<string> taps, string file, string cacheFolder)
    {
        OnnxModel model = backbone.LoadModel().SeparateInitializers();
        var expected = ModelWeights
            .Of(model.CutAt(taps))
            .Where(IsFloat)
            .ToDictionary(i => i.Name, i => i.Dims.ToArray());
        byte[] bytes = With(model, expected, file, backbone.Card.Id).ToBytes();
        string digest = Convert.ToHexStringLower(SHA256.HashData(bytes)),
            path = Path.Combine(cacheFolder, $"{backbone.Card.Id}-from-{digest[..16]}.onnx");
        Directory.CreateDirectory(cacheFolder);
        AtomicFile.Write(path, stream => stream.Write(bytes));
        return new Backbone(backbone.Card, path, digest);
    }

    private static OnnxModel With(OnnxModel model, Dictionary<string, long[]> expected, string file, string id)
    {
        if (!File.Exists(file))
            throw new TransferException(
                $"The weights '{file}' do not exist. Give an .onnx, .safetensors, .pt, .pth or .dat file."
            );
        HashSet<string> known = [.. model.Initializers.Select(i => i.Name)];
        if (file.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase))
            return Same(
                OnnxModel
                    .Load(file)
                    .SeparateInitializers()
                    .Initializers.Where(i => IsFloat(i) && !IsOther(i.Name))
                    .ToDictionary(i => i.Name, i => (i.Dims.ToArray(), TensorData.ToFloats(i)))
            );
        NamedTensors given = TorchWeights.Read(file);
        Dictionary<string, SafeTensor> network = given
            .Tensors.Where(t => IsReal(t.Value.Type) && !IsOther(t.Key))
            .ToDictionary();
        if (!expected.Keys.All(network.ContainsKey))
            try
            {
                return WithTorch(model, expected.Keys, new NamedTensors(given.Source, network), file, id);
            }
            catch (GraphException)
            {
                // It has no names in torch: the differences are those of its own.
            }

        return Same(network.ToDictionary(t => t.Key, t => (t.Value.Shape.ToArray(), t.Value.ToFloats())));

        // A network may have a "head." of its own.
        bool IsOther(string name) =>
            !known.Contains(name) && Others.Any(part => name.StartsWith(part, StringComparison.Ordinal));

        OnnxModel Same(Dictionary<string, (long[] Shape, float[] Values)> found)
        {
            RequireSame(known, expected, found, file, id);
            return model.WithInitializers(expected.Keys.ToDictionary(n => n, n => found[n].Values));
        }
    }

    /// <summary>By the names that the network has in torch, as torchvision's state dictionaries do.</summary>
    private static OnnxModel WithTorch(
        OnnxModel model,
        IReadOnlyCollection<string> expected,
        NamedTensors given,
        string file,
        string id
    )
    {
        WeightsMismatch mismatch = model.CompareWeights(given, only: expected);
        return mismatch.IsEmpty ? model.WithWeights(given, only: expected) : throw Other(file, id, mismatch.ToString());
    }

    private static bool IsReal(SafeTensorType type) =>
        type is SafeTensorType.F32 or SafeTensorType.F16 or SafeTensorType.BF16 or SafeTensorType.F64;

    /// <summary>Writes the weights of a model, head included, as safetensors.</summary>
    /// <param name="model">The model, without the score of unknown images, whose numbers are no weights.</param>
    /// <param name="path">The file; replaced where it exists.</param>
    public static void Save(OnnxModel model, string path) =>
        new SafetensorsFile(
            model
                .SeparateInitializers()
                .Initializers.Where(IsFloat)
                .ToDictionary(i => i.Name, i => SafeTensor.Of(TensorData.ToFloats(i), [.. i.Dims])),
            model.Metadata
        ).Save(path);

    private static bool IsFloat(TensorProto tensor) => tensor.DataType == (int)TensorProto.Types.DataType.Float;

    /// <summary>Names of the network that lie above the taps may be there too.</summary>
    private static void RequireSame(
        HashSet<string> known,
        Dictionary<string, long[]> expected,
        Dictionary<string, (long[] Shape, float[] Values)> found,
        string file,
        string id
    )
    {
        string[] missing = [.. expected.Keys.Where(n => !found.ContainsKey(n)).Order(StringComparer.Ordinal)];
        string[] extra = [.. found.Keys.Where(name => !known.Contains(name)).Order(StringComparer.Ordinal)];
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
        throw Other(file, id, string.Join("; ", differences.Where(d => d.Length > 0)));
    }

    private static TransferException Other(string file, string id, string differences) =>
        new(
            $"The weights of '{file}' are not those of '{id}': {differences}. Name the backbone, and with --tap or "
                + "--taps the taps, that they were saved from."
        );

    private static string Some(string[] names, string what) =>
        names.Length == 0
            ? ""
            : $"{names.Length} {what}: {string.Join(", ", names.Take(Listed))}{(names.Length > Listed ? ", ..." : "")}";
}
