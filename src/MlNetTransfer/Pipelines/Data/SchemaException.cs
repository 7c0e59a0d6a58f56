namespace MlNetTransfer.Pipelines;

/// <summary>A step of a chain and the data do not fit. Found before any image is read.</summary>
/// <param name="message">Which step, which column, what was found, what was expected, and the fix.</param>
/// <param name="inner">The cause, where there is one.</param>
public sealed class SchemaException(string message, Exception? inner = null) : TransferException(message, inner);
