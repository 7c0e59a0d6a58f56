namespace MlNetTransfer.Backbones;

/// <summary>What a download may cost. Immutable.</summary>
public sealed record DownloadLimits
{
    /// <summary>Largest file in bytes; in [1, 2³¹-1]. Default 2 GiB - 1 MiB, the largest ONNX file.</summary>
    public int MaxBytes
    {
        get;
        init => field = Check.InRange(value, 1, int.MaxValue);
    } = int.MaxValue - (1 << 20);

    /// <summary>Longest time without an answer or a byte, in (0 s, 1 h]. Default 30 s.</summary>
    public TimeSpan Stall
    {
        get;
        init =>
            field =
                value > TimeSpan.Zero && value <= TimeSpan.FromHours(1)
                    ? value
                    : throw new ArgumentOutOfRangeException(
                        nameof(Stall),
                        value,
                        "Stall must be above 0 and at most an hour."
                    );
    } = TimeSpan.FromSeconds(30);

    /// <summary>Most redirects followed; in [0, 20]. Default 5.</summary>
    public int MaxRedirects
    {
        get;
        init => field = Check.InRange(value, 0, 20);
    } = 5;
}
