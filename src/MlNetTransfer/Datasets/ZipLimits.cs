namespace MlNetTransfer.Datasets;

/// <summary>What an untrusted archive may cost. Checked from its directory, before anything is inflated.</summary>
public sealed record ZipLimits
{
    /// <summary>Most entries, folders included; in [1, 10⁸]. Default 1 million.</summary>
    public int MaxEntries
    {
        get;
        init => field = Check.InRange(value, 1, 100_000_000);
    } = 1_000_000;

    /// <summary>
    /// Most bytes that all entries may inflate to together; in [1, 2⁶²]. Default 256 GiB. They are inflated one at a
    /// time, so this bounds time, not memory.
    /// </summary>
    public long MaxInflatedBytes
    {
        get;
        init => field = Check.InRange(value, 1, 1L << 62);
    } = 256L << 30;

    /// <summary>
    /// Most bytes that an entry of more than 1 MiB may inflate to per stored byte; in [1, 10⁶]. Default 200. Formats
    /// with compression of their own stay near 1; zip bombs come near 1032, the most that deflate can do. Large plain
    /// bitmaps may too: raise it to 1100 for those; the largest image still bounds the memory.
    /// </summary>
    public int MaxRatio
    {
        get;
        init => field = Check.InRange(value, 1, 1_000_000);
    } = 200;
}
