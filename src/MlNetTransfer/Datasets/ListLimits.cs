namespace MlNetTransfer.Datasets;

/// <summary>What an untrusted list of images may cost.</summary>
public sealed record ListLimits
{
    /// <summary>Most images in the list; in [1, 10⁹]. Default 10 million.</summary>
    public int MaxRows
    {
        get;
        init => field = Check.InRange(value, 1, 1_000_000_000);
    } = 10_000_000;

    /// <summary>Longest row in characters, newlines inside quotes included; in [1, 2³⁰]. Default 65,536.</summary>
    public int MaxRowLength
    {
        get;
        init => field = Check.InRange(value, 1, 1 << 30);
    } = 1 << 16;
}
