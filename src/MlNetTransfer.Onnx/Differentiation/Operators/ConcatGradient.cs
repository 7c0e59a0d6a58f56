namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>Tensors put together along an axis: the gradient of each is its part of dy.</summary>
internal sealed class ConcatGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Concat"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        string dy = node.OutputGradient();
        long axis = node.Int("axis", 0);
        int at = (int)(axis < 0 ? axis + node.OutputShape().Length : axis);
        var gradients = new Gradient?[node.InputCount];
        long start = 0;
        for (int i = 0; i < gradients.Length; i++)
        {
            long end = start + node.InputShape(i)[at];
            if (node.Needs(i))
                gradients[i] = node.Graph.Slice(dy, [at], [start], [end]);
            start = end;
        }

        return gradients;
    }
}
