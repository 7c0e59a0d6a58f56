using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch;

namespace MlNetTransfer.Models.Exports;

/// <summary>An export for torch: its files, and what they cannot say of themselves in a .json beside them.</summary>
/// <param name="request">What it is made of.</param>
/// <param name="format">Name of the format.</param>
/// <param name="options">What is exported.</param>
/// <param name="write">Writes the files.</param>
internal sealed class TorchExport(
    ExportRequest request,
    string format,
    TorchExportOptions options,
    Action<string> write
) : IExport
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>Probabilities, or the logits where they were asked for.</summary>
    public static TorchExportOptions OptionsOf(ExportRequest request) =>
        request.WithFeatures
            ? throw new TransferException(
                "An export for torch gives one output: the probabilities, or with --logits the logits. Leave "
                    + "--features out."
            )
            : new TorchExportOptions
            {
                Namespace = request.Namespace,
                Output = request.WithLogits
                    ? ExportGraph.LogitsOf(request.File, request.Model)
                    : TransferModel.ProbabilitiesOutput,
            };

    public void Save(string path, ExportRecord? record)
    {
        write(path);
        if (record is null)
            return;
        var facts = new
        {
            Format = format,
            Input = $"{request.Input}: float32 [N, 3, {request.Metadata.Preprocessing.Shape.Height}, "
                + $"{request.Metadata.Preprocessing.Shape.Width}] after the preprocessing",
            Output = request.WithLogits ? ExportGraph.LogitsOutput : TransferModel.ProbabilitiesOutput,
            LeftOut = request.ScoresUnknown ? [TransferModel.UnknownOutput] : Array.Empty<string>(),
            Metadata = WithoutUnknown(request.Metadata).ToEntries().ToDictionary(),
            Parity = record,
        };
        AtomicFile.Write(path + ".json", stream => JsonSerializer.Serialize(stream, facts, Json));
    }

    public IExportScorer Open(string path) =>
        new OnnxScorer(
            request.Model.WithWeights(TorchWeights.Read(path), options).CutAt(TransferModel.ProbabilitiesOutput),
            request.Metadata,
            request.Limits
        );

    /// <summary>An export for torch gives one output, so it scores no unknown images.</summary>
    private static ModelMetadata WithoutUnknown(ModelMetadata metadata) =>
        metadata.Reliability is { } reliability
            ? metadata with
            {
                Reliability = reliability with { Unknown = null },
            }
            : metadata;
}

/// <summary>A TorchScript archive.</summary>
public sealed class TorchScriptFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "torchscript";

    /// <inheritdoc/>
    public string Description =>
        "TorchScript for torch.jit.load of PyTorch and TorchSharp, with classes and preprocessing in a .json beside "
        + "it; --logits: to train on.";

    /// <inheritdoc/>
    public string FileName => "model.pt";

    /// <summary>
    /// The weights are the same float32; what is checked are those read back from the archive, in the graph that they
    /// were made of.
    /// </summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public ExportCheck Check => ExportCheck.Weights;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        TorchExportOptions options = TorchExport.OptionsOf(request);
        // Before any file: an operator without a counterpart is named here.
        TorchScript.Write(request.Model, Stream.Null, options);
        return new TorchExport(request, Name, options, path => TorchScript.Write(request.Model, path, options));
    }
}

/// <summary>A C# class for TorchSharp and its state dictionary.</summary>
public sealed class TorchSharpFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "torchsharp";

    /// <inheritdoc/>
    public string Description =>
        "a state dictionary (.dat) and the C# class that loads it in TorchSharp, named after the file; classes and "
        + "preprocessing in a .json beside them.";

    /// <inheritdoc/>
    public string FileName => "ImageClassifier.dat";

    /// <inheritdoc/>
    public bool HasNamespace => true;

    /// <summary>
    /// The weights are the same float32; what is checked are those read back, in the graph that they were made of.
    /// </summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public ExportCheck Check => ExportCheck.Weights;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        TorchExportOptions options = TorchExport.OptionsOf(request);
        TorchSharpExport.WriteState(request.Model, Stream.Null, options);
        return new TorchExport(request, Name, options, path => Write(request, path, options));
    }

    private static void Write(ExportRequest request, string path, TorchExportOptions options)
    {
        if (Path.GetExtension(path) != ".dat")
            throw new TransferException(
                $"'{Path.GetFileName(path)}' must end in .dat, as the state dictionaries of TorchSharp do."
            );
        try
        {
            TorchSharpExport.Write(
                request.Model,
                Path.GetDirectoryName(path)!,
                Path.GetFileNameWithoutExtension(path),
                options
            );
        }
        catch (ArgumentException e)
        {
            throw new TransferException(
                $"{e.Message} The class is named after the file, --output, e.g. FlowerNet.dat; --namespace is e.g. "
                    + "Acme.Vision.",
                e
            );
        }
    }
}
