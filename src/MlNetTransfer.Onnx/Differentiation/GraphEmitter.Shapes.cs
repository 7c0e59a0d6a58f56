namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>Element-wise helpers, zeros and pads. Each returns the name of its output.</summary>
internal sealed partial class GraphEmitter
{
    public string Exp(string a) => Node("Exp", [a]);

    /// <summary>1 - a.</summary>
    public string OneMinus(string a) => Sub(Scalar(1), a);

    /// <summary>1 where a equals b, else 0.</summary>
    public string IsEqual(string a, string b) => Node("Cast", [Node("Equal", [a, b])], Attributes.Of("to", 1));

    /// <summary>
    /// Zeros before (pads[..rank]) and after (pads[rank..]) each axis; a negative number cuts elements off.
    /// </summary>
    public string Pad(string a, params ReadOnlySpan<long> pads) =>
        pads.ContainsAnyExcept(0L) ? Node("Pad", [a, Longs(pads)]) : a;

    /// <summary>Zeros before and after one axis; a negative number cuts elements off.</summary>
    public string PadAxis(string a, int rank, int axis, long before, long after)
    {
        long[] pads = new long[2 * rank];
        (pads[axis], pads[rank + axis]) = (before, after);
        return Pad(a, pads);
    }

    /// <summary>
    /// Zeros that the runtime does not know beforehand: a constant of that size would be stored in the graph.
    /// </summary>
    /// <param name="any">A float tensor of at least one element, of any values.</param>
    /// <param name="shape">Shape of the zeros.</param>
    public string Zeros(string any, params ReadOnlySpan<long> shape)
    {
        string element = Slice(Reshape(any, -1), [0], [0], [1]);
        return Expand(Node("Cast", [Node("Less", [element, element])], Attributes.Of("to", 1)), shape);
    }
}
