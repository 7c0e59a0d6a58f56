using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Jobs;

/// <summary>
/// Finds out what is in an ONNX file: of a file of this product everything, of any other what its graph says. Of
/// weights alone (.pt, .pth, .dat, .safetensors) their names and shapes, and what the export said of them.
/// </summary>
/// <param name="path">The file.</param>
public sealed class InspectJob(string path)
{
    /// <summary>Runs the job.</summary>
    /// <exception cref="GraphException">The file cannot be read, or is no ONNX model and no weights.</exception>
    /// <exception cref="TransferException">It is a file of this product, and an entry of its metadata cannot be
    /// understood.</exception>
    public ModelReport Run() =>
        Path.GetExtension(path).ToUpperInvariant() is ".PT" or ".PTH" or ".DAT" or ".SAFETENSORS"
            ? new WeightsInspection(path).Run()
            : Graph();

    private ModelReport Graph()
    {
        OnnxModel model = OnnxModel.Load(path);
        ModelProto proto = model.ToProto();
        List<string> notes = [];
        long? cost = MultiplyAdds(model, notes);
        return ModelReport.Of(path, model.Metadata) with
        {
            Producer = $"{proto.ProducerName} {proto.ProducerVersion}".Trim(),
            IrVersion = proto.IrVersion,
            OperatorSets = proto
                .OpsetImport.GroupBy(o => o.Domain.Length == 0 ? "ai.onnx" : o.Domain)
                .ToDictionary(g => g.Key, g => g.Last().Version),
            Inputs = [.. model.Inputs.Select(i => Describe(model, i.Name))],
            Outputs = [.. model.Outputs.Select(o => Describe(model, o.Name))],
            Operators = model.OperatorCounts().ToDictionary(),
            Parameters = ModelCost.Parameters(model),
            WeightBytes = ModelCost.WeightBytes(model),
            MultiplyAdds = cost,
            Notes = notes,
        };
    }

    private static TensorReport Describe(OnnxModel model, string tensor) =>
        new(tensor, model.DeclaredShape(tensor)?.ToString() ?? "not stated");

    /// <summary>A graph that this runtime cannot load is still worth a look.</summary>
    private static long? MultiplyAdds(OnnxModel model, List<string> notes)
    {
        try
        {
            long? cost = ModelCost.MultiplyAdds(model);
            if (cost is null)
                notes.Add("Multiply-adds are not known: some shapes are open even for one image.");
            return cost;
        }
        catch (GraphException e)
        {
            notes.Add($"Multiply-adds are not known: {e.Message.ReplaceLineEndings(" ")}");
            return null;
        }
    }
}
