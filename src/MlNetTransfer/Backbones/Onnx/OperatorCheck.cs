using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Refuses operators that neither ONNX nor ONNX Runtime defines, before ONNX Runtime does so in its own words.
/// </summary>
internal static class OperatorCheck
{
    /// <summary>Domains that ONNX Runtime implements.</summary>
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "com.microsoft",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
    };

    public static void Require(OnnxModel model)
    {
        ModelProto proto = model.Proto;
        ModelStructure.RequireBounded(proto, "The model");
        HashSet<(string Domain, string Name)> own = [.. proto.Functions.Select(f => (f.Domain, f.Name))];
        NodeProto? custom = proto
            .Graph.Node.Concat(proto.Functions.SelectMany(f => f.Node))
            .SelectMany(Subgraphs.NodesAnywhere)
            .FirstOrDefault(n => !Known.Contains(n.Domain) && !own.Contains((n.Domain, n.OpType)));
        if (custom is not null)
            throw new TransferException(
                $"The model has the operator '{custom.OpType}' of the domain '{custom.Domain}' "
                    + $"({NodeOrder.Describe(custom)}), which neither ONNX nor ONNX Runtime defines. Export the "
                    + $"model with ONNX's own operators."
            );
    }
}
