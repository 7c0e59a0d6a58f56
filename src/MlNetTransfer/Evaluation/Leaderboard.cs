namespace MlNetTransfer.Evaluation;

/// <summary>A backbone, taps of it and a kind of head, judged by cross-validation on the images to train.</summary>
/// <param name="Backbone">Id of the backbone; of several side by side, theirs with '+' between.</param>
/// <param name="Taps">The taps whose features the head was fitted on.</param>
/// <param name="Head">The kind of head.</param>
/// <param name="Accuracy">Share of the rows held out that is predicted rightly, in [0, 1].</param>
/// <param name="LogLoss">Mean log-loss of those rows at the best temperature (nats).</param>
/// <param name="StandardError">Its standard error.</param>
/// <param name="Difference">Accuracy less that of the most accurate of the table, on the same rows; at most 0.</param>
/// <param name="DifferenceInterval">The 95 % interval of that difference [low, high], see
/// <see cref="PairedDifference"/>.</param>
/// <param name="Milliseconds">Decoding and featurising an image on one core of this machine, measured on images of the
/// run; of several networks the sum.</param>
/// <param name="Megabytes">Weights of the networks, in 10⁶ bytes.</param>
/// <param name="Taken">Whether the backbone was taken on the strength of this row.</param>
public sealed record LeaderboardRow(
    string Backbone,
    IReadOnlyList<string> Taps,
    string Head,
    double Accuracy,
    double LogLoss,
    double StandardError,
    double Difference,
    IReadOnlyList<double> DifferenceInterval,
    double Milliseconds,
    double Megabytes,
    bool Taken
);
