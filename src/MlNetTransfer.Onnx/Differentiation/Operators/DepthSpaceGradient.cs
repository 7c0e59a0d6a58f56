namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Blocks of pixels moved into channels or back: dx = dy moved the other way.</summary>
internal sealed class DepthSpaceGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["DepthToSpace", "SpaceToDepth"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long block = node.Int("blocksize", 1);
        if (node.Operator == "SpaceToDepth")
            return
            [
                node.Graph.Node(
                    "DepthToSpace",
                    [node.OutputGradient()],
                    Attributes.Of("blocksize", block),
                    Attributes.Of("mode", "DCR")
                ),
            ];
        if (node.Text("mode", "DCR") == "DCR")
            return [node.Graph.Node("SpaceToDepth", [node.OutputGradient()], Attributes.Of("blocksize", block))];
        long[] x = node.InputShape(0);
        string blocks = node.Graph.Reshape(
            node.OutputGradient(),
            x[0],
            x[1] / (block * block),
            x[2],
            block,
            x[3],
            block
        );
        return [node.Graph.Reshape(node.Graph.Transpose(blocks, 0, 1, 3, 5, 2, 4), x)];
    }
}
