namespace MlNetTransfer.Jobs;

/// <summary>Whether a thing is as it should be.</summary>
public enum Verdict
{
    /// <summary>As it should be.</summary>
    Good,

    /// <summary>Not there, and not needed for the default job.</summary>
    Absent,

    /// <summary>Wrong; the fix says what to do.</summary>
    Wrong,
}
