using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

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
        (File, Model, Metadata) = (file, model, ModelMetadata.FromEntries(file, model.Metadata));
        if (model.Metadata.TryGetValue(ExportRecord.Key, out string? earlier))
            throw new TransferException(
                $"'{file}' is an export itself ({ExportRecord.FromJson(file, earlier).Format}). Export the "
                    + $"model.onnx that it was made of."
            );
        if (model.Inputs.Count != 1)
            throw new TransferException(
                $"'{file}' has {model.Inputs.Count} inputs ({string.Join(", ", model.Inputs.Select(i => i.Name))}); "
                    + $"exactly one, the image, was expected."
            );
        if (model.Outputs.All(o => o.Name != TransferModel.ProbabilitiesOutput))
            throw new TransferException(
                $"'{file}' has no output '{TransferModel.ProbabilitiesOutput}'; it has "
                    + $"{string.Join(", ", model.Outputs.Select(o => o.Name))}."
            );
        int size = Metadata.Preprocessing.Size;
        if (
            model.DeclaredShape(Input) is not { Dimensions: [_, { Size: 3 }, var height, var width] }
            || height.Size != size
            || width.Size != size
        )
            throw new TransferException(
                $"Input '{Input}' of '{file}' is {model.DeclaredShape(Input)?.ToString() ?? "of no stated shape"}; "
                    + $"Float [N, 3, {size}, {size}] was expected, as its preprocessing says."
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
    public IReadOnlyList<ImageItem> Images { get; init; } = [];

    /// <summary>
    /// Images that a format is fitted to, none of them among <see cref="Images"/>; empty where it is fitted to none.
    /// </summary>
    public IReadOnlyList<ImageItem> Calibration { get; init; } = [];

    /// <summary>How a model is quantised, and what it may lose by it.</summary>
    public Int8Options Quantization { get; init; } = new();

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
