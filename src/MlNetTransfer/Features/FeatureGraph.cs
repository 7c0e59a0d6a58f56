using MlNetTransfer.Graphs;
using MlNetTransfer.Graphs.Onnx;

namespace MlNetTransfer.Features;

/// <summary>Cuts a backbone at a tap and pools it: image [N, 3, H, W] to <see cref="Output"/> [N × width].</summary>
public static class FeatureGraph
{
    /// <summary>Name of the graph's only output.</summary>
    public const string Output = "features";

    /// <summary>Builds the graph.</summary>
    /// <param name="backbone">The whole backbone; not changed.</param>
    /// <param name="tensor">The tensor to tap: a map [N, width, h, w], averaged over its positions, or a row [N, width].</param>
    /// <exception cref="TransferException">The tensor is neither a map nor a row.</exception>
    /// <exception cref="GraphException">The tensor does not exist.</exception>
    public static OnnxModel Build(OnnxModel backbone, string tensor)
    {
        TensorShape shape = TensorShapes.Of(backbone, [tensor])[tensor];
        OnnxModel cut = backbone.CutAt(tensor).WithFreeName(Output, ref tensor);
        string pooled = cut.UniqueName("pooled");
        IReadOnlyList<NodeProto> nodes = shape.Rank switch
        {
            4 =>
            [
                new NodeProto { OpType = "GlobalAveragePool", Name = pooled, Input = { tensor }, Output = { pooled } },
                new NodeProto { OpType = "Flatten", Name = Output, Input = { pooled }, Output = { Output }, Attribute = { Attributes.Of("axis", 1) } },
            ],
            2 => [new NodeProto { OpType = "Identity", Name = Output, Input = { tensor }, Output = { Output } }],
            _ => throw new TransferException($"Tensor '{tensor}' is {shape}; a tap must be a map [N, channels, height, width] or a row [N, width]. Choose another tensor."),
        };
        return cut.Append(nodes).CutAt(Output);
    }

    /// <summary>Frees a name that new nodes want, by renaming the tensor that has it.</summary>
    internal static OnnxModel WithFreeName(this OnnxModel model, string name, ref string follow)
    {
        string other = model.UniqueName(name);
        if (other == name) return model;
        if (follow == name) follow = other;
        return model.RenameTensor(name, other);
    }
}
