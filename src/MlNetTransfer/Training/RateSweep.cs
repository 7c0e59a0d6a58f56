namespace MlNetTransfer.Training;

/// <summary>
/// A learning-rate range test: steps whose rate rises from very small to very large, and what the loss does meanwhile.
/// </summary>
/// <remarks>
/// L. N. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017. The rate of step i of n is
/// lowest·(highest / lowest)^(i / (n - 1)). A training starts from a head that is fitted already, so that its loss
/// falls by less than batches differ: therefore every batch is seen twice, first at rate 0, and what counts is the
/// change of its loss, smoothed by an exponential average without the bias of its start. The test ends once that is
/// above the mean loss of the start, or no number. Suggested is the rate at which the change falls fastest along the
/// logarithm of the rate.
/// </remarks>
/// <param name="lowest">Rate of the first step, of the top block.</param>
/// <param name="highest">Rate of the last step.</param>
/// <param name="steps">Number of steps, at least 10.</param>
internal sealed class RateSweep(double lowest, double highest, int steps)
{
    private const double Smoothing = 0.9;

    private readonly List<double> before = [];
    private readonly List<RatePoint> points = [];
    private double average;
    private bool broken;

    /// <summary>The steps done.</summary>
    public IReadOnlyList<RatePoint> Points => points;

    /// <summary>Number of steps at most.</summary>
    public int Steps => steps;

    /// <summary>Whether the losses of the start are known: the first of the two passes is over.</summary>
    public bool IsMeasured => before.Count == steps || broken;

    /// <summary>Whether there is nothing left to do.</summary>
    public bool IsDone =>
        broken || points.Count == steps || (points.Count > 0 && points[^1].Smoothed > before.Average());

    /// <summary>The rate of a step, from 0; 0 in the first pass.</summary>
    public double Rate(long step) => IsMeasured ? lowest * Math.Pow(highest / lowest, (double)step / (steps - 1)) : 0;

    /// <summary>Adds the loss of the next step of the pass.</summary>
    public void Add(double loss)
    {
        if (!double.IsFinite(loss))
        {
            broken = true;
            return;
        }

        if (!IsMeasured)
        {
            before.Add(loss);
            return;
        }

        int step = points.Count;
        average = Smoothing * average + (1 - Smoothing) * (loss - before[step]);
        points.Add(new RatePoint(Rate(step), loss, loss - before[step], average / (1 - Math.Pow(Smoothing, step + 1))));
    }

    /// <summary>
    /// The place of the point where the smoothed change falls fastest, over a tenth of the points at a time; null where
    /// it falls nowhere before it is lowest.
    /// </summary>
    public static int? Steepest(IReadOnlyList<RatePoint> points)
    {
        int half = Math.Max(1, points.Count / 20),
            lowest = Enumerable.Range(0, points.Count).MinBy(i => points[i].Smoothed);
        (int? Place, double Slope) best = (null, 0);
        for (int i = half; i + half < points.Count && i <= lowest; i++)
        {
            double slope =
                (points[i + half].Smoothed - points[i - half].Smoothed)
                / Math.Log(points[i + half].Rate / points[i - half].Rate);
            if (slope < best.Slope)
                best = (i, slope);
        }

        return points[lowest].Smoothed < 0 ? best.Place : null;
    }
}

/// <summary>A step of a learning-rate range test.</summary>
/// <param name="Rate">Learning rate of the top block.</param>
/// <param name="Loss">Training loss of the step's images, before the step (nats).</param>
/// <param name="Change">That less the loss of the same images at the start.</param>
/// <param name="Smoothed">The change, smoothed over the steps before.</param>
public sealed record RatePoint(double Rate, double Loss, double Change, double Smoothed);
