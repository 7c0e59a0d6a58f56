namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>x repeated along its axes: dx = Σ dy over the copies.</summary>
internal sealed class TileGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Tile"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            y = node.OutputShape();
        long[] copies = [.. x.Zip(y, (size, tiled) => new[] { tiled / size, size }).SelectMany(p => p)];
        string split = node.Graph.Reshape(node.OutputGradient(), copies);
        return [node.Graph.ReduceSum(split, [.. Enumerable.Range(0, x.Length).Select(i => 2L * i)])];
    }
}
