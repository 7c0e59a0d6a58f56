namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>A constant of a TF.js model: a weight, already dequantised, or an integer argument.</summary>
/// <param name="Name">Name in the weights manifest.</param>
/// <param name="Shape">Dimensions in TensorFlow's order; empty for a scalar.</param>
/// <param name="Values">Values [product of Shape], row-major; integers up to 2²⁴ and booleans are exact.</param>
internal sealed record TfTensor(string Name, IReadOnlyList<long> Shape, float[] Values)
{
    public long[] ToIntegers() => [.. Values.Select(v => (long)v)];

    /// <summary>The tensor with its axes permuted: axis i of the result is axis order[i] of this one.</summary>
    public TfTensor Permute(params ReadOnlySpan<int> order)
    {
        int rank = Shape.Count;
        long[] strides = new long[rank];
        long stride = 1;
        for (int axis = rank - 1; axis >= 0; stride *= Shape[axis--])
            strides[axis] = stride;
        long[] shape = new long[rank];
        long[] step = new long[rank];
        for (int i = 0; i < rank; i++)
            (shape[i], step[i]) = (Shape[order[i]], strides[order[i]]);

        float[] result = new float[Values.Length];
        long[] index = new long[rank];
        long source = 0;
        for (int target = 0; target < result.Length; target++)
        {
            result[target] = Values[source];
            for (int axis = rank - 1; axis >= 0; axis--)
            {
                source += step[axis];
                if (++index[axis] < shape[axis])
                    break;
                source -= step[axis] * shape[axis];
                index[axis] = 0;
            }
        }

        return this with
        {
            Shape = shape,
            Values = result,
        };
    }

    /// <summary>The same values under another shape.</summary>
    public TfTensor Reshape(params long[] shape) => this with { Shape = shape };
}
