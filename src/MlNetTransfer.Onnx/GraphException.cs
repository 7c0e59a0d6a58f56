namespace MlNetTransfer.Onnx;

/// <summary>
/// A graph or its file is not what it has to be, in a way the user can mend: the message names the thing, what was
/// found, what was expected and the fix.
/// </summary>
/// <param name="message">What is wrong and how to mend it; fit to be printed as it is.</param>
/// <param name="inner">The cause, where there is one.</param>
public sealed class GraphException(string message, Exception? inner = null) : Exception(message, inner);
