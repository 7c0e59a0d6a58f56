using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// A model as ONNX Runtime simplifies it before it chooses kernels: constants folded, batch normalisation and padding
/// inside convolutions, standard operators only.
/// </summary>
internal static class OptimizedGraph
{
    /// <param name="model">The model.</param>
    /// <param name="opset">Least operator set of the result.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot load the model.</exception>
    public static OnnxModel Of(OnnxModel model, int opset)
    {
        OnnxModel upgraded = OperatorSetUpgrade.To(model, opset);
        string file = Path.Combine(Path.GetTempPath(), $"{Path.GetRandomFileName()}.onnx");
        try
        {
            using (
                SessionOptions options = new()
                {
                    GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_BASIC,
                    OptimizedModelFilePath = file,
                    IntraOpNumThreads = 1,
                    LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
                }
            )
            using (new InferenceSession(upgraded.ToBytes(), options)) { }

            OnnxModel optimized = OnnxModel.Load(file);
            HashSet<string> domains =
            [
                .. optimized.Nodes.Select(n => n.Domain).Select(d => OperatorSets.IsDefault(d) ? "" : d),
                "",
            ];
            return optimized.With(proto =>
            {
                // ONNX Runtime imports every domain it knows; other runtimes do not know them.
                OnnxImports(proto, domains);
                (proto.IrVersion, proto.ProducerName, proto.ProducerVersion, proto.DocString) = (
                    model.Proto.IrVersion,
                    model.Proto.ProducerName,
                    model.Proto.ProducerVersion,
                    model.Proto.DocString
                );
                proto.MetadataProps.Clear();
                proto.MetadataProps.AddRange(model.Proto.MetadataProps.Select(e => e.Clone()));
                proto.Graph.ValueInfo.Clear();
            });
        }
        catch (OnnxRuntimeException cause)
        {
            throw new GraphException($"ONNX Runtime cannot load the model: {cause.Message}", cause);
        }
        finally
        {
            File.Delete(file);
        }
    }

    private static void OnnxImports(ModelProto proto, HashSet<string> domains)
    {
        OperatorSetIdProto[] kept =
        [
            .. proto.OpsetImport.Where(o => domains.Contains(OperatorSets.IsDefault(o.Domain) ? "" : o.Domain)),
        ];
        proto.OpsetImport.Clear();
        proto.OpsetImport.AddRange(kept);
    }
}
