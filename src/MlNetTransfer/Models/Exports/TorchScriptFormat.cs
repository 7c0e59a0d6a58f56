using MlNetTransfer.Onnx.Torch;

namespace MlNetTransfer.Models.Exports;

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
