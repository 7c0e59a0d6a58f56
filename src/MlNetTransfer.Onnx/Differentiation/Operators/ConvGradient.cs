using MlNetTransfer.Onnx.Differentiation.Convolution;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Convolution over any number of axes, in all its forms: see <see cref="WinogradConvolution"/>,
/// <see cref="InputGradient"/> and <see cref="WeightGradient"/>; db is dY summed over images and positions.
/// </summary>
internal sealed class ConvGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Conv"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        ConvGeometry geometry = ConvGeometry.Of(node);
        string dy = node.OutputGradient();
        string? bias = node.Needs(2) ? node.Graph.ReduceSum(dy, [0, .. geometry.Per(i => i + 2L)]) : null;
        // A constant kernel is laid out by the runtime beforehand, which is faster still.
        if (node.Needs(1) && WinogradConvolution.Fits(geometry) && WinogradConvolution.Pays(geometry))
            return [.. ByTiles(node, geometry, dy), bias];
        return
        [
            node.Needs(0) ? InputGradient.Emit(node.Graph, geometry, dy, node.Input(1)) : null,
            node.Needs(1) ? WeightGradient.Emit(node.Graph, geometry, node.Input(0), dy) : null,
            bias,
        ];
    }

    /// <summary>The convolution itself is computed by tiles too, since its gradients share what that takes.</summary>
    private static Gradient?[] ByTiles(BackwardNode node, ConvGeometry geometry, string dy)
    {
        GraphEmitter graph = node.Graph;
        WinogradConvolution tiles = new(graph, geometry);
        (string v, string u) = ("", "");
        node.Replace(output =>
        {
            (v, u) = (tiles.Input(node.Input(0)), tiles.Kernel(node.Input(1)));
            string y = tiles.Output(v, u);
            if (node.HasInput(2))
                graph.NodeNamed(output, "Add", [y, graph.Reshape(node.Input(2), -1, 1, 1)]);
            else
                graph.NodeNamed(output, "Identity", [y]);
        });
        string dz = tiles.OutputGradient(dy);
        return
        [
            node.Needs(0) ? tiles.InputGradient(dz, tiles.KernelIsLarge ? tiles.Kernel(node.Input(1)) : u) : null,
            tiles.KernelGradient(dz, v),
        ];
    }
}
