using MlNetTransfer.Graphs.Differentiation.Convolution;

namespace MlNetTransfer.Graphs.Differentiation.Operators;

/// <summary>Convolution over any number of axes, in all its forms: see <see cref="InputGradient"/> and <see cref="WeightGradient"/>; db is dY summed over images and positions.</summary>
internal sealed class ConvGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Conv"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        ConvGeometry geometry = ConvGeometry.Of(node);
        string dy = node.OutputGradient();
        return
        [
            node.Needs(0) ? InputGradient.Emit(node.Graph, geometry, dy, node.Input(1)) : null,
            node.Needs(1) ? WeightGradient.Emit(node.Graph, geometry, node.Input(0), dy) : null,
            node.Needs(2) ? node.Graph.ReduceSum(dy, [0, .. geometry.Per(i => i + 2L)]) : null,
        ];
    }
}
