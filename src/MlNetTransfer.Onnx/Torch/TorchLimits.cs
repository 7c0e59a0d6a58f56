namespace MlNetTransfer.Onnx.Torch;

/// <summary>What an untrusted file of weights may cost. Immutable; checked before anything is allocated.</summary>
public sealed record TorchLimits
{
    /// <summary>Most bytes of all tensors together, as they are in memory; 1 or more. Default 4 GiB.</summary>
    public long MaxBytes
    {
        get;
        init => field = AtLeastOne(value, nameof(MaxBytes));
    } = 4L << 30;

    /// <summary>Most tensors, and most entries of an archive; 1 or more. Default 100,000.</summary>
    public int MaxTensors
    {
        get;
        init => field = (int)AtLeastOne(value, nameof(MaxTensors));
    } = 100_000;

    /// <summary>Longest description (pickle) in an archive, in bytes; 1 or more. Default 64 MiB.</summary>
    public int MaxDescription
    {
        get;
        init => field = (int)AtLeastOne(value, nameof(MaxDescription));
    } = 64 << 20;

    private static long AtLeastOne(long value, string name) =>
        value >= 1 ? value : throw new ArgumentOutOfRangeException(name, value, $"{name} must be at least 1.");
}
