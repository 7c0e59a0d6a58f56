using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

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
