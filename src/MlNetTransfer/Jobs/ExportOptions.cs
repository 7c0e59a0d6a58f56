using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;

namespace MlNetTransfer.Jobs;

/// <summary>An export to make. Immutable; an invalid instance cannot be made.</summary>
public sealed record ExportOptions
{
    /// <summary>The model.onnx of a training run.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Name of the format; see <see cref="ExportFormats"/>.</summary>
    public required string Format
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Images to check the export on: files, folders, .zip archives and lists, as for <see cref="PredictJob"/>.
    /// </summary>
    public required IReadOnlyList<string> Images { get; init; }

    /// <summary>Most images to check on, evenly spread over those given; in [1, 100000]. Default 64.</summary>
    public int MaxImages
    {
        get;
        init => field = Check.InRange(value, 1, 100_000);
    } = ModelWriter.ParityImages;

    /// <summary>
    /// Images that a format is fitted to (int8); at most <see cref="Int8Options.CalibrationImages"/> are used, evenly
    /// spread. Where none are given, <see cref="Images"/> are divided, class by class, by the seed of
    /// <see cref="Quantization"/>: half of them or <see cref="MaxImages"/>, if that is less, check the export, and it
    /// is fitted to the others.
    /// </summary>
    public IReadOnlyList<string> CalibrationImages { get; init; } = [];

    /// <summary>How int8 is made, and what it may lose.</summary>
    public Int8Options Quantization { get; init; } = new();

    /// <summary>The file to write; null for the format's name beside the model.</summary>
    public string? Output { get; init; }

    /// <summary>Whether files that are there may be replaced. Default false.</summary>
    public bool Overwrite { get; init; }

    /// <summary>Largest difference in probability to accept, in [0, 1]; null for the format's own.</summary>
    public double? AllowDrift
    {
        get;
        init => field = value is { } drift ? Check.InRange(drift, 0, 1) : null;
    }

    /// <summary>Whether an ONNX export gives the features too. Default false.</summary>
    public bool WithFeatures { get; init; }

    /// <summary>Whether an ONNX export gives the calibrated logits too. Default false.</summary>
    public bool WithLogits { get; init; }

    /// <summary>
    /// Bytes of weights above which they lie beside an .onnx file, 0 or more; null for what one file can hold.
    /// </summary>
    public long? ExternalDataAbove
    {
        get;
        init =>
            field = value is null or >= 0
                ? value
                : throw new ArgumentOutOfRangeException(nameof(ExternalDataAbove), value, "Bytes must be 0 or more.");
    }

    /// <summary>What an image may cost.</summary>
    public ImageLimits Limits { get; init; } = new();

    /// <summary>Images scored at the same time, in [1, 1024]; no result depends on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024);
    } = Environment.ProcessorCount;
}
