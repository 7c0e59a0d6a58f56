namespace MlNetTransfer.Heads;

/// <summary>
/// One factor on the logits that makes a head as sure as it is right: p_T ∝ p^(1/T), which moves no class past another.
/// </summary>
/// <remarks>
/// T minimises the mean log-loss of held-out rows (Guo et al., On Calibration of Modern Neural Networks, 2017). It
/// works on logits, so that classes whose probability rounds to 0 keep their order; a head without logits of its own
/// states what a probability of 0 counts as (<see cref="KNearestNeighboursHead.SmallestShare"/>). T is never so high
/// that, in the root mean square, the highest logit of a held-out row comes closer than 0.1 to the row's mean: where
/// nothing can be learnt the order of the classes still shows in float32 probabilities.
/// </remarks>
/// <param name="Temperature">T, in [1e-4, 1e4]: above 1 the head was too sure, below 1 not sure enough; 1 where no row
/// could be judged.</param>
/// <param name="LogLossBefore">Mean log-loss (nats) of the held-out rows at T = 1; NaN where there was none.</param>
/// <param name="LogLoss">Mean log-loss (nats) at <paramref name="Temperature"/>; NaN where there was none.</param>
/// <param name="Rows">Held-out rows that were judged.</param>
public sealed record TemperatureCalibration(double Temperature, double LogLossBefore, double LogLoss, int Rows)
{
    internal const double Lowest = 1e-4,
        Highest = 1e4;

    /// <summary>Fits T to held-out predictions; rows of a class that their head did not know do not count.</summary>
    public static TemperatureCalibration Fit(OutOfFoldPredictions predictions)
    {
        HeldOutLogits judged = predictions.Judged();
        if (judged.Rows == 0)
            return new TemperatureCalibration(1, double.NaN, double.NaN, 0);
        double scale = judged.Temper();
        return new TemperatureCalibration(
            1 / scale,
            judged.Judge(0, 1).LogLoss,
            judged.Judge(0, scale).LogLoss,
            judged.Rows
        );
    }

    /// <summary>
    /// The calibrated head: for a linear head a linear head with W/T and b/T, for others a
    /// <see cref="CalibratedHead"/>.
    /// </summary>
    public IHead Apply(IHead head)
    {
        if (Temperature == 1)
            return head;
        if (head is not ILinearHead linear)
            return new CalibratedHead(head, Temperature);
        float[] Scaled(ReadOnlyMemory<float> values) =>
            Array.ConvertAll(values.ToArray(), value => (float)(value / Temperature));
        return new LinearHead(head.ClassNames, head.Width, Scaled(linear.Weights), Scaled(linear.Bias));
    }
}
