namespace MlNetTransfer.Cli;

/// <summary>Why a command failed, for people and, with --json, for programs.</summary>
/// <param name="Code">A short word that does not change between versions: usage, failed, cancelled or
/// unexpected.</param>
/// <param name="Message">What is wrong.</param>
/// <param name="Fix">What to do about it; null where that is not known.</param>
internal sealed record Failure(string Code, string Message, string? Fix)
{
    /// <summary>
    /// Something the user can mend. The messages of this product end with the fix, where there is one.
    /// </summary>
    public static Failure Of(Exception cause)
    {
        string message = cause.Message.Trim();
        int end = message.LastIndexOf(". ", StringComparison.Ordinal);
        return new Failure(
            "failed",
            message,
            end > 0 && char.IsAsciiLetterUpper(message[end + 2]) ? message[(end + 2)..] : null
        );
    }
}

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

    /// <summary>Done, and a check found something; what, is in the output.</summary>
    public const int SomeFound = 4;

    /// <summary>Done, and a gate of the job does not hold; which, is in the output.</summary>
    public const int GateFailed = 5;

    /// <summary>Cancelled by Ctrl-C.</summary>
    public const int Cancelled = 130;
}

/// <summary>Options that parse one by one and do not go together.</summary>
/// <param name="message">Which, and what to do.</param>
internal sealed class UsageException(string message) : Exception(message);
