using System.Globalization;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>The file of a model that is to be added.</summary>
/// <param name="File">Its path.</param>
/// <param name="Name">Where it comes from, for the card: the file's name, or the address without user, password and
/// query.</param>
/// <param name="Sha256">Its SHA-256, lower-case.</param>
/// <param name="Fetched">It was downloaded to <paramref name="File"/> and may be removed.</param>
internal sealed record ModelSource(string File, string Name, string Sha256, bool Fetched)
{
    private const string TfjsFile = "model.json";

    // What people have besides ONNX and TF.js, and the one command that makes ONNX of it.
    private static readonly (string Ending, string What, string Command)[] Others =
    [
        (".h5", "a Keras model", "python -m tf2onnx.convert --keras {0} --output model.onnx"),
        (
            ".keras",
            "a Keras model",
            "python -c \"import keras; keras.models.load_model('{0}').export('model.onnx', format='onnx')\""
        ),
        (".pb", "a TensorFlow model", "python -m tf2onnx.convert --saved-model {1} --output model.onnx"),
        (".tflite", "a TensorFlow Lite model", "python -m tf2onnx.convert --tflite {0} --output model.onnx"),
        (".pt", "a PyTorch file", Torch),
        (".pth", "a PyTorch file", Torch),
        (
            ".params",
            "an MXNet file",
            "python -c \"import mxnet; mxnet.onnx.export_model('{1}/model-symbol.json', '{0}', [(1, 3, 224, 224)], "
                + "'float32', 'model.onnx')\""
        ),
        (
            ".model",
            "a CNTK model",
            "python -c \"import cntk; cntk.Function.load('{0}').save('model.onnx', cntk.ModelFormat.ONNX)\""
        ),
        (
            ".dnn",
            "a CNTK model",
            "python -c \"import cntk; cntk.Function.load('{0}').save('model.onnx', cntk.ModelFormat.ONNX)\""
        ),
    ];

    private const string Torch =
        "python -c \"import torch; torch.onnx.export(torch.load('{0}').eval(), torch.zeros(1, 3, 224, 224), "
        + "'model.onnx')\"";

    /// <summary>The folder whose other files may say more of the model; null for a download.</summary>
    public string? Folder => Fetched ? null : Path.GetDirectoryName(Path.GetFullPath(File));

    /// <summary>Reads the model.</summary>
    /// <param name="backbone">What the user asked for.</param>
    /// <param name="beside">What lies beside it states; the size, where a TF.js model leaves it open.</param>
    public OnnxModel Load(NewBackbone backbone, IReadOnlyList<PreprocessingStatement> beside)
    {
        if (Path.GetExtension(File) != ".json")
            return OnnxModel.Load(File, backbone.ModelLimits);
        int? size = beside.Aggregate(backbone.Inspection.Preprocessing, (parts, s) => parts.Or(s.Parts)).Height;
        return Tfjs.TfjsImporter.Import(File, size: size);
    }

    /// <exception cref="TransferException">It is a model of another form; the message has the command that converts
    /// it.</exception>
    private static void RequireKnownForm(string file)
    {
        string folder =
            Directory.Exists(file) ? file
            : Path.GetDirectoryName(file) is { Length: > 0 } f ? f
            : ".";
        string saved = Directory.Exists(file) ? Path.Combine(file, "saved_model.pb") : file;
        if (Directory.Exists(file) && !System.IO.File.Exists(saved))
            return;
        (string Ending, string What, string Command) other = Array.Find(
            Others,
            o => saved.EndsWith(o.Ending, StringComparison.OrdinalIgnoreCase)
        );
        if (other.Ending is not null)
            throw new TransferException(
                $"{file} is {other.What}; ONNX or TensorFlow.js was expected. Convert it once, then add model.onnx: "
                    + string.Format(CultureInfo.InvariantCulture, other.Command, file, folder)
            );
    }

    /// <summary>The file of a folder: model.json, or its only .onnx file.</summary>
    private static string InFolder(string source)
    {
        if (!Directory.Exists(source))
            return source;
        string tfjs = Path.Combine(source, TfjsFile);
        if (System.IO.File.Exists(tfjs))
            return tfjs;
        string[] onnx = Directory.GetFiles(source, "*.onnx");
        return onnx.Length == 1
            ? onnx[0]
            : throw new TransferException(
                $"{source} is a folder with "
                    + $"{(onnx.Length == 0 ? "neither model.json nor an .onnx file" : $"{onnx.Length} .onnx files")}. "
                    + "Give the model file, or a folder with one TensorFlow.js model (model.json and its weights)."
            );
    }

    public static ModelSource Get(
        NewBackbone backbone,
        string downloadTo,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) =>
        backbone.Source.Contains("://", StringComparison.Ordinal)
            ? Download(backbone, downloadTo, progress, cancellation)
            : Local(backbone);

    private static ModelSource Download(
        NewBackbone backbone,
        string file,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (
            !Uri.TryCreate(backbone.Source, UriKind.Absolute, out Uri? address)
            || (address.Scheme != Uri.UriSchemeHttp && address.Scheme != Uri.UriSchemeHttps)
        )
            throw new TransferException(
                $"'{backbone.Source}' is not an http or https address. For a file of this machine give its path."
            );
        string sha256 =
            backbone.Sha256
            ?? throw new TransferException(
                $"{ModelDownload.Shown(address)}: a model from an address needs the SHA-256 that its publisher "
                    + $"states: --sha256 (Sha256). Without it nobody can tell what arrives."
            );
        ModelDownload.Fetch(address, sha256, file, backbone.DownloadLimits, progress, cancellation);
        return new ModelSource(file, ModelDownload.Shown(address), sha256, Fetched: true);
    }

    private static ModelSource Local(NewBackbone backbone)
    {
        try
        {
            RequireKnownForm(backbone.Source);
            string file = InFolder(backbone.Source);
            string found = FileDigest.Of(file);
            if (backbone.Sha256 is { } expected && found != expected)
                throw new TransferException(
                    $"{file} has SHA-256 {found}; {expected} was asked for. It is another file, or was " + $"changed."
                );
            string name = Path.GetFileName(file) == TfjsFile ? NameOfFolder(file) : Path.GetFileName(file);
            return new ModelSource(file, name, found, Fetched: false);
        }
        catch (Exception cause)
            when (cause is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new TransferException(
                $"{backbone.Source} could not be read ({cause.Message}). Give the path of an .onnx file or of a "
                    + "TensorFlow.js folder, or an http or https address.",
                cause
            );
        }
    }

    private static string NameOfFolder(string file) =>
        $"{Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(file)))}/{TfjsFile}";
}
