namespace MlNetTransfer.Training;

/// <summary>
/// A learning-rate range test: steps whose rate rises from very small to very large, and what the loss does meanwhile.
/// </summary>
/// <remarks>
/// L. N. Smith, Cyclical Learning Rates for Training Neural Networks, WACV 2017. The rate of step i of n is
/// lowest·(highest / lowest)^(i / (n - 1)); losses are smoothed by an exponential average without the bias of its
/// start; the test ends once a smoothed loss is four times the lowest, or no number. Suggested is the rate at which the
/// smoothed loss falls fastest along the logarithm of the rate.
/// </remarks>
/// <param name="lowest">Rate of the first step, of the top block.</param>
/// <param name="highest">Rate of the last step.</param>
/// <param name="steps">Number of steps, at least 10.</param>
internal sealed class RateSweep(double lowest, double highest, int steps)
{
    private const double Smoothing = 0.9,
        Diverged = 4;

    private readonly List<RatePoint> points = [];
    private double average;

    /// <summary>The steps done.</summary>
    public IReadOnlyList<RatePoint> Points => points;

    /// <summary>Number of steps at most.</summary>
    public int Steps => steps;

    /// <summary>Whether there is nothing left to do.</summary>
    public bool IsDone { get; private set; }

    /// <summary>The rate of a step, from 0.</summary>
    public double Rate(long step) => lowest * Math.Pow(highest / lowest, (double)step / (steps - 1));

    /// <summary>Adds the loss of the next step.</summary>
    public void Add(double loss)
    {
        int step = points.Count;
        if (!double.IsFinite(loss))
        {
            IsDone = true;
            return;
        }

        average = Smoothing * average + (1 - Smoothing) * loss;
        double smoothed = average / (1 - Math.Pow(Smoothing, step + 1));
        points.Add(new RatePoint(Rate(step), loss, smoothed));
        IsDone = points.Count == steps || smoothed > Diverged * points.Min(point => point.Smoothed);
    }

    /// <summary>
    /// The place of the point where the smoothed loss falls fastest, over a tenth of the points at a time; null where
    /// it falls nowhere before it is lowest.
    /// </summary>
    public static int? Steepest(IReadOnlyList<RatePoint> points)
    {
        int half = Math.Max(1, points.Count / 20),
            lowest = Enumerable.Range(0, points.Count).MinBy(i => points[i].Smoothed);
        (int? place, double slope) best = (null, 0);
        for (int i = half; i + half < points.Count && i <= lowest; i++)
        {
            double slope =
                (points[i + half].Smoothed - points[i - half].Smoothed)
                / Math.Log(points[i + half].Rate / points[i - half].Rate);
            if (slope < best.slope)
                best = (i, slope);
        }

        return best.place;
    }
}

/// <summary>A step of a learning-rate range test.</summary>
/// <param name="Rate">Learning rate of the top block.</param>
/// <param name="Loss">Training loss of the step's images, before the step (nats).</param>
/// <param name="Smoothed">The loss, smoothed over the steps before.</param>
public sealed record RatePoint(double Rate, double Loss, double Smoothed);
