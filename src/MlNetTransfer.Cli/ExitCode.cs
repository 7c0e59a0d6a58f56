namespace MlNetTransfer.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCode
{
    /// <summary>Done.</summary>
    public const int Done = 0;

    /// <summary>Failed; the reason is on standard error.</summary>
    public const int Failed = 1;

    /// <summary>The command line was not understood.</summary>
    public const int Usage = 2;

    /// <summary>Done, but some images were rejected; the ledger is in the output.</summary>
    public const int SomeRejected = 3;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public const int Cancelled = 130;
}
