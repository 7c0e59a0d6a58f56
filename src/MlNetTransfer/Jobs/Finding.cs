namespace MlNetTransfer.Jobs;

/// <summary>One thing that was looked at.</summary>
/// <param name="Check">What was looked at.</param>
/// <param name="Verdict">Whether it is as it should be.</param>
/// <param name="Found">What was found.</param>
/// <param name="Fix">How to mend it; empty where nothing is wrong.</param>
public sealed record Finding(string Check, Verdict Verdict, string Found, string Fix = "");
