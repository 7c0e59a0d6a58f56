namespace MlNetTransfer.Heads;

/// <summary>What cross-validation on the training part found for a tap.</summary>
/// <param name="Tap">Name of the tap.</param>
/// <param name="Width">Features per image.</param>
/// <param name="LogLoss">Held-out log-loss of a softmax head at its best penalty, in nats.</param>
/// <param name="StandardError">Standard error of <paramref name="LogLoss"/>, in nats.</param>
/// <param name="Accuracy">Held-out accuracy at that penalty, in [0, 1].</param>
public sealed record TapTrial(string Tap, int Width, double LogLoss, double StandardError, double Accuracy)
{
    /// <summary>Stands for all taps, with the features selected across them, in place of a name.</summary>
    public const string AllTogether = "all together";

    /// <summary>Stands for the last three taps under a kernel head, in place of a name.</summary>
    public const string LastTogether = "last taps together";
}
