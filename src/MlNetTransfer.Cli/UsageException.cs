namespace MlNetTransfer.Cli;

/// <summary>Options that parse one by one and do not go together.</summary>
/// <param name="message">Which, and what to do.</param>
internal sealed class UsageException(string message) : Exception(message);
