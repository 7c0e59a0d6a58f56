namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>
/// A TF.js model cannot be imported: it is damaged, or has a layer or operator that is not known yet.
/// </summary>
/// <param name="message">Names the file, the layer or node, what was found and what was expected.</param>
/// <param name="inner">The cause, where there is one.</param>
public sealed class TfjsException(string message, Exception? inner = null) : TransferException(message, inner);
