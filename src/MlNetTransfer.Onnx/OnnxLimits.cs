namespace MlNetTransfer.Onnx;

/// <summary>What an untrusted ONNX file may cost. Immutable; checked before and while the file is read.</summary>
public sealed record OnnxLimits
{
    /// <summary>Largest model file in bytes; in [1, 2³¹-1]. Default 2 GiB - 1 MiB: protobuf ends at 2 GiB.</summary>
    public int MaxBytes
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxBytes));
    } = int.MaxValue - (1 << 20);

    /// <summary>
    /// Largest sum of the external data in bytes, 1 or more. Default 16 GiB. One tensor has at most 2 GiB.
    /// </summary>
    public long MaxExternalBytes
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxExternalBytes));
    } = 1L << 34;

    /// <summary>Deepest nesting of protobuf messages; a subgraph costs three. In [1, 2³¹-1]. Default 100.</summary>
    public int MaxNesting
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxNesting));
    } = 100;

    private static T AtLeastOne<T>(T value, string name)
        where T : System.Numerics.INumber<T> =>
        value >= T.One ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
}
