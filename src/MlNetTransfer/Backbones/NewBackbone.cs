using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones;

/// <summary>An ONNX model that is to become one of the user's backbones. Immutable.</summary>
public sealed record NewBackbone
{
    /// <summary>Path of an .onnx file, or an http or https address.</summary>
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

    /// <summary>What the graph may not state: size, preprocessing, output.</summary>
    public OnnxInspectionOptions Inspection { get; init; } = new();

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
