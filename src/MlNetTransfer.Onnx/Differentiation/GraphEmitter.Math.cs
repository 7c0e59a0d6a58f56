namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>The operators that gradients are mostly made of. Each returns the name of its output.</summary>
internal sealed partial class GraphEmitter
{
    public string Add(string a, string b) => Node("Add", [a, b]);

    public string Sub(string a, string b) => Node("Sub", [a, b]);

    public string Mul(string a, string b) => Node("Mul", [a, b]);

    public string Mul(string a, float b) => Node("Mul", [a, Scalar(b)]);

    /// <summary>
    /// For a tensor of the given rank that ends in axes of size 1, such as a 1 x 1 kernel: the runtime multiplies it by
    /// a scalar of lower rank element by element (2.3 instead of 0.1 ms for 410,000).
    /// </summary>
    public string Mul(string a, float b, int rank) => Node("Mul", [a, Scalar(b, rank)]);

    public string Div(string a, string b) => Node("Div", [a, b]);

    public string Neg(string a) => Node("Neg", [a]);

    public string Reshape(string a, params ReadOnlySpan<long> shape) => Node("Reshape", [a, Longs(shape)]);

    public string Expand(string a, params ReadOnlySpan<long> shape) => Node("Expand", [a, Longs(shape)]);

    public string Transpose(string a, params ReadOnlySpan<long> permutation) =>
        Node("Transpose", [a], Attributes.Of("perm", permutation));

    /// <summary>Sum over axes, which stay with size 1 where <paramref name="keep"/>.</summary>
    public string ReduceSum(string a, ReadOnlySpan<long> axes, bool keep = false) =>
        Node("ReduceSum", [a, Longs(axes)], Attributes.Of("keepdims", keep ? 1 : 0));

    /// <summary>
    /// Part of a tensor from <paramref name="starts"/> to before <paramref name="ends"/> on the given axes.
    /// </summary>
    public string Slice(string a, ReadOnlySpan<long> axes, ReadOnlySpan<long> starts, ReadOnlySpan<long> ends) =>
        Node("Slice", [a, Longs(starts), Longs(ends), Longs(axes)]);

    /// <summary>Every step-th element.</summary>
    public string Slice(
        string a,
        ReadOnlySpan<long> axes,
        ReadOnlySpan<long> starts,
        ReadOnlySpan<long> ends,
        ReadOnlySpan<long> steps
    ) => Node("Slice", [a, Longs(starts), Longs(ends), Longs(axes), Longs(steps)]);

    public string Concat(IReadOnlyList<string> parts, long axis) =>
        parts.Count == 1 ? parts[0] : Node("Concat", parts, Attributes.Of("axis", axis));

    /// <summary>
    /// 1 where a is positive, else 0: HardSigmoid clips 2¹⁰⁰·a to [0, 1], at half the cost of Greater and Where. Values
    /// below 2⁻¹⁰⁰ count as themselves times 2¹⁰⁰; no activation is that small.
    /// </summary>
    public string IsPositive(string a) =>
        Node("HardSigmoid", [a], Attributes.Of("alpha", 1.2676506e30f), Attributes.Of("beta", 0f));
}
