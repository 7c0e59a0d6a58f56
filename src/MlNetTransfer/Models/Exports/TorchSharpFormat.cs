using MlNetTransfer.Onnx.Torch;

namespace MlNetTransfer.Models.Exports;

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
                $"The class is named after the file: {e.Message} Give another --output, e.g. FlowerNet.dat.",
                e
            );
        }
    }
}
