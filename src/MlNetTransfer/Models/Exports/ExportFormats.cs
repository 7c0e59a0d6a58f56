using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

/// <summary>
/// A form that a trained model can be written in. Adding one is adding a class to <see cref="ExportFormats"/>.
/// </summary>
public interface IExportFormat
{
    /// <summary>Its name on the command line, lower-case.</summary>
    string Name { get; }

    /// <summary>What the file takes and what it is for; one sentence.</summary>
    string Description { get; }

    /// <summary>Name of the file where none is given.</summary>
    string FileName { get; }

    /// <summary>
    /// Largest difference in probability from the evaluated model at which a file is kept, unless the caller allows
    /// another.
    /// </summary>
    double Tolerance { get; }

    /// <summary>What is compared before a file is kept.</summary>
    ExportCheck Check => ExportCheck.File;

    /// <summary>
    /// Whether the conversion is fitted to images (<see cref="ExportRequest.Calibration"/>): the export is then checked
    /// on others.
    /// </summary>
    bool IsFitted => false;

    /// <summary>
    /// Whether it is code in a namespace (<see cref="ExportRequest.Namespace"/>). Default false.
    /// </summary>
    bool HasNamespace => false;

    /// <summary>Whether names can be chosen (<see cref="ExportRequest.Names"/>). Default false.</summary>
    bool HasNames => false;

    /// <summary>Whether it takes models of other content than images, such as texts. Default false.</summary>
    bool TakesAnyContent => false;

    /// <summary>Converts a model; nothing is written.</summary>
    /// <param name="request">The model and what is wanted.</param>
    /// <param name="progress">Told how far the work is.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <exception cref="TransferException">The model cannot be written in this form; the message names what stands in
    /// the way.</exception>
    /// <exception cref="Onnx.GraphException">An operator cannot be converted; the message names it.</exception>
    IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    );
}

/// <summary>The forms that a trained model can be written in.</summary>
public static class ExportFormats
{
    /// <summary>All formats, in the order in which they are listed.</summary>
    public static IReadOnlyList<IExportFormat> All { get; } =
    [
        new TensorFormat(),
        new PixelsFormat(),
        new HalfFormat(),
        new Int8Format(),
        new TorchScriptFormat(),
        new TorchSharpFormat(),
        new SafetensorsFormat(),
    ];

    /// <summary>The format of the given name.</summary>
    /// <exception cref="TransferException">There is none; the message lists all.</exception>
    public static IExportFormat Get(string name) =>
        All.FirstOrDefault(f => f.Name == name)
        ?? throw new TransferException(
            $"There is no export format '{name}'. Known: {string.Join(", ", All.Select(f => f.Name))}."
        );
}

/// <summary>The names that weights are written under.</summary>
public enum WeightNames
{
    /// <summary>Those of the ONNX file's initializers.</summary>
    Onnx,

    /// <summary>Those of the modules of an export for torch, such as "layer1.0.conv1.weight".</summary>
    Torch,
}

/// <summary>A converted model, ready to be written.</summary>
public interface IExport
{
    /// <summary>Writes the file, and files beside it whose names begin with its own.</summary>
    /// <param name="path">The file; it does not exist yet, its folder does.</param>
    /// <param name="record">How far the file agrees with the evaluated model; null for the file that this is measured
    /// on.</param>
    void Save(string path, ExportRecord? record);

    /// <summary>Reads a written file back, to find out what it says of images.</summary>
    /// <param name="path">What <see cref="Save"/> wrote.</param>
    IExportScorer Open(string path);
}

/// <summary>An export that is an ONNX file.</summary>
/// <param name="model">The converted model, metadata included.</param>
/// <param name="request">What it was made of.</param>
public sealed class OnnxExport(OnnxModel model, ExportRequest request) : IExport
{
    /// <summary>The converted model.</summary>
    public OnnxModel Model => model;

    /// <inheritdoc/>
    public void Save(string path, ExportRecord? record)
    {
        OnnxModel whole = record is null ? model : model.WithMetadata(ExportRecord.Key, record.ToJson());
        if (request.ExternalDataAbove is { } above)
            whole.SaveWithExternalData(path, above);
        else
            whole.SaveWithExternalData(path);
    }

    /// <inheritdoc/>
    public IExportScorer Open(string path) => new OnnxScorer(path, request.Metadata, request.Limits);
}

/// <summary>A trained model and what its export should be like.</summary>
public sealed record ExportRequest
{
    /// <summary>Makes a request.</summary>
    /// <param name="file">The model's file, named in errors.</param>
    /// <param name="model">The model; its metadata says what its labels and preprocessing are.</param>
    /// <exception cref="TransferException">The model is not one of this product, or has more than one input or no
    /// probabilities.</exception>
    public ExportRequest(string file, OnnxModel model)
    {
        (File, Model, Metadata) = ModelFile.Of(file, model);
        if (model.Metadata.TryGetValue(ExportRecord.Key, out string? earlier))
            throw new TransferException(
                $"'{file}' is an export itself ({ExportRecord.FromJson(file, earlier).Format}). Export the "
                    + $"model.onnx that it was made of."
            );
        if (Metadata.Encoder is ImageFormsEncoder several)
            _ = several.OfImages($"'{file}'");
        if (model.Inputs.Count != 1)
            throw new TransferException(
                $"'{file}' has {model.Inputs.Count} inputs ({string.Join(", ", model.Inputs.Select(i => i.Name))}); "
                    + $"exactly one was expected."
            );
        if (model.Outputs.All(o => o.Name != TransferModel.ProbabilitiesOutput))
            throw new TransferException(
                $"'{file}' has no output '{TransferModel.ProbabilitiesOutput}'; it has "
                    + $"{string.Join(", ", model.Outputs.Select(o => o.Name))}."
            );
        EncodedInput expected = Metadata.Encoder.Inputs.Single();
        if (
            model.DeclaredShape(Input) is not { } shape
            || !expected.Fits([.. shape.Dimensions.Select(d => (int)d.SizeOrMinusOne)])
        )
            throw new TransferException(
                $"Input '{Input}' of '{file}' is {model.DeclaredShape(Input)?.ToString() ?? "of no stated shape"}; "
                    + $"{expected.OrtType} [N, {string.Join(", ", expected.Shape)}] was expected, as its "
                    + $"{(Metadata.Encoder is ImageEncoder ? "preprocessing" : "encoder")} says."
            );
    }

    /// <summary>The model's file, named in errors.</summary>
    public string File { get; }

    /// <summary>The model.</summary>
    public OnnxModel Model { get; }

    /// <summary>What the file says of itself.</summary>
    public ModelMetadata Metadata { get; }

    /// <summary>
    /// Real images, labelled with the class that the model gives them, that the export will be checked on.
    /// </summary>
    public IReadOnlyList<DataItem> Images { get; init; } = [];

    /// <summary>
    /// Images that a format is fitted to, none of them among <see cref="Images"/>; empty where it is fitted to none.
    /// </summary>
    public IReadOnlyList<DataItem> Calibration { get; init; } = [];

    /// <summary>Namespace of code. Default null: none.</summary>
    public string? Namespace { get; init; }

    /// <summary>The names of weights. Default <see cref="WeightNames.Onnx"/>.</summary>
    public WeightNames Names { get; init; }

    /// <summary>How a model is quantised, and what it may lose by it.</summary>
    public Int8Options Quantization { get; init; } = new();

    /// <summary>Whether the model scores unknown images.</summary>
    internal bool ScoresUnknown => Model.Outputs.Any(o => o.Name == TransferModel.UnknownOutput);

    /// <summary>Name of the model's input.</summary>
    public string Input => Model.Inputs[0].Name;

    /// <summary>Whether the features are an output too, float32 [N × width]. Default false.</summary>
    public bool WithFeatures { get; init; }

    /// <summary>Whether the calibrated logits are an output too, float32 [N × classes]. Default false.</summary>
    public bool WithLogits { get; init; }

    /// <summary>Bytes of weights above which they lie beside the .onnx file; null for what one file can hold.</summary>
    public long? ExternalDataAbove { get; init; }

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();
}

/// <summary>A file that was written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Bytes">Its length.</param>
/// <param name="Sha256">SHA-256 of its content, hexadecimal.</param>
public sealed record ExportedFile(string Path, long Bytes, string Sha256);

/// <summary>
/// How far an exported file agrees with the evaluated model: what it was let through on. Kept in the file.
/// </summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Images">Real images compared.</param>
/// <param name="MaxDifference">Largest absolute difference of any probability.</param>
/// <param name="MeanDifference">Mean absolute difference of the probabilities.</param>
/// <param name="LabelFlips">Images whose likeliest class differs.</param>
/// <param name="Tolerance">Largest difference that was accepted.</param>
/// <param name="Override">Whether that was the caller's own and not the format's.</param>
/// <param name="Check">What was compared.</param>
/// <param name="CalibrationImages">Images that the format was fitted to, none of them among those compared; null where
/// it is fitted to none.</param>
public sealed record ExportRecord(
    string Format,
    int Images,
    double MaxDifference,
    double MeanDifference,
    int LabelFlips,
    double Tolerance,
    bool Override,
    ExportCheck Check,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] int? CalibrationImages = null
)
{
    /// <summary>The key in the file's metadata.</summary>
    public const string Key = "mlnet_transfer.parity";

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>
    /// Largest difference of the scores of unknown images, as a share of the score where that is above 1; null where
    /// the export gives none.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UnknownDifference { get; init; }

    /// <summary>The record as stored.</summary>
    public string ToJson() => JsonSerializer.Serialize(this, Json);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    /// <param name="file">The file, named in errors.</param>
    /// <param name="json">The entry.</param>
    /// <exception cref="TransferException">The entry cannot be understood.</exception>
    public static ExportRecord FromJson(string file, string json)
    {
        try
        {
            return JsonSerializer.Deserialize<ExportRecord>(json, Json) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new TransferException(
                $"Metadata '{Key}' of '{file}' cannot be read: {e.Message} The file is damaged or was edited; "
                    + $"export the model again.",
                e
            );
        }
    }
}
