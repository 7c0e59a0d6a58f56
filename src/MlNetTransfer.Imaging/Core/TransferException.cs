namespace MlNetTransfer;

/// <summary>
/// Something the user can mend: the message names the thing, the value found, the value expected and the fix.
/// </summary>
/// <param name="message">What is wrong and how to mend it; fit to be printed as it is.</param>
/// <param name="inner">The cause, where there is one.</param>
public class TransferException(string message, Exception? inner = null) : Exception(message, inner);
