using MlNetTransfer.Onnx.Differentiation.Resampling;

namespace MlNetTransfer.Onnx.Differentiation.Operators;

/// <summary>
/// Resizing by nearest, linear or cubic interpolation, which is linear in x along each axis: y = M·x, so dx = Mᵀ·dy,
/// axis by axis.
/// </summary>
internal sealed class ResizeGradient : IOperatorGradient
{
    public IReadOnlyList<string> Operators => ["Resize"];

    public IReadOnlyList<Gradient?> Backward(BackwardNode node)
    {
        long[] x = node.InputShape(0),
            shape = node.OutputShape();
        ResizeAxis[] axes = ResizeAxes.Of(node);
        if (Array.TrueForAll(axes, a => a.Repeats))
            return [Repeated(node, x, shape)];
        string dx = node.OutputGradient();
        for (int axis = 0; axis < axes.Length; axis++)
        {
            if (axes[axis].IsIdentity)
                continue;
            dx = AxisMap.Apply(node.Graph, dx, shape, axis, axes[axis].Matrix(), x[axis]);
            shape[axis] = x[axis];
        }

        return [dx];
    }

    /// <summary>Every element repeated a whole number of times on each axis: the sum over the copies.</summary>
    private static string Repeated(BackwardNode node, long[] x, long[] y)
    {
        int[] larger = [.. Enumerable.Range(0, x.Length).Where(i => y[i] != x[i])];
        if (larger.Length == 0)
            return node.OutputGradient();
        List<long> split = [],
            copies = [];
        for (int i = 0; i < x.Length; i++)
        {
            split.Add(x[i]);
            if (y[i] == x[i])
                continue;
            copies.Add(split.Count);
            split.Add(y[i] / x[i]);
        }

        return node.Graph.ReduceSum(node.Graph.Reshape(node.OutputGradient(), [.. split]), [.. copies]);
    }
}
