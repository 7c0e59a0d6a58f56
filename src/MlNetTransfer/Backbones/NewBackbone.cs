using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>A backbone that was added.</summary>
/// <param name="Card">Its card.</param>
/// <param name="Evidence">What speaks for one preprocessing or another; null where nothing does.</param>
/// <param name="Warning">Why its preprocessing is probably wrong; null where nothing speaks against it.</param>
public sealed record AddedBackbone(BackboneCard Card, PreprocessingEvidence? Evidence, string? Warning);

/// <summary>A model that is to become one of the user's backbones. Immutable.</summary>
public sealed record NewBackbone
{
    /// <summary>
    /// Path of an .onnx file, of a TensorFlow.js model (model.json, or the folder that has it with its weights, as
    /// Teachable Machine exports it), or an http or https address of an .onnx file.
    /// </summary>
    public required string Source
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Id for the new card; lower-case letters, digits, '_', '-' and '.', not yet taken.</summary>
    public required string Id
    {
        get;
        init => field = BackboneCard.CheckId(value);
    }

    /// <summary>Name for people. Default null: the id.</summary>
    public string? Name { get; init; }

    /// <summary>
    /// SHA-256 that the file must have, 64 hexadecimal digits; needed for an address. Default null: not checked.
    /// </summary>
    public string? Sha256
    {
        get;
        init => field = value is null ? null : BackboneFile.CheckSha256(value.ToLowerInvariant());
    }

    /// <summary>
    /// What there is to know of a model of texts. Default null: it is a model of images, see <see cref="Inspection"/>.
    /// </summary>
    public TextInspectionOptions? Text { get; init; }

    /// <summary>What the graph may not state: size, preprocessing, output.</summary>
    public OnnxInspectionOptions Inspection { get; init; } = new();

    /// <summary>
    /// Weights to take in place of the file's: a state dictionary of PyTorch (.pt, .pth), of TorchSharp (.dat) or a
    /// .safetensors, under the names of the module that was exported, such as torchvision's, or of the file's
    /// initializers. Default null: the file's own.
    /// </summary>
    public string? Weights
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// Names of the classes in the order of the output. Default null: those in the file's metadata, else none.
    /// </summary>
    public IReadOnlyList<string>? Labels { get; init; }

    /// <summary>
    /// Name of the tap taken where none is chosen. Default null: the last one, what the classifier takes.
    /// </summary>
    public string? DefaultTap { get; init; }

    /// <summary>Licence of the weights. Default "unknown".</summary>
    public string License
    {
        get;
        init => field = Check.NotEmpty(value);
    } = "unknown";

    /// <summary>What the model file may cost.</summary>
    public OnnxLimits ModelLimits { get; init; } = new();

    /// <summary>What a download may cost.</summary>
    public DownloadLimits DownloadLimits { get; init; } = new();
}
