namespace MlNetTransfer.Advice;

/// <summary>
/// What training the network gained or lost over a head on its frozen features where it was measured: what to expect
/// where nothing was tried.
/// </summary>
/// <remarks>
/// Made by the experiment <c>strategies</c>; docs/decisions/023-advice.md has the table. All tasks are of drawings or
/// small grey photographs, so the spread says more than the mean.
/// </remarks>
/// <param name="Task">Name of the task.</param>
/// <param name="TrainImages">Images trained on.</param>
/// <param name="Classes">Number of classes.</param>
/// <param name="Freeze">Share of the blocks that stayed frozen.</param>
/// <param name="Gain">Accuracy less the head's, on the same images, in [-1, 1].</param>
internal sealed record KnownGains(string Task, int TrainImages, int Classes, double Freeze, double Gain)
{
    private const double Near = 0.25;

    /// <summary>All that was measured.</summary>
    public static IReadOnlyList<KnownGains> All { get; } =
    [
        new("animals3", 15, 3, 0.8, -0.071),
        new("animals3", 15, 3, 0.4, -0.071),
        new("animals3", 15, 3, 0, -0.024),
        new("things6", 29, 6, 0.8, -0.125),
        new("things6", 29, 6, 0.4, -0.141),
        new("things6", 29, 6, 0, 0),
        new("signs7", 35, 7, 0.8, -0.029),
        new("signs7", 35, 7, 0.4, -0.036),
        new("signs7", 35, 7, 0, 0.043),
        new("stamps8", 40, 8, 0.8, 0.009),
        new("stamps8", 40, 8, 0.4, -0.009),
        new("stamps8", 40, 8, 0, 0.009),
        new("clipart10", 50, 10, 0.8, -0.030),
        new("clipart10", 50, 10, 0.4, -0.036),
        new("clipart10", 50, 10, 0, 0.006),
        new("fashion", 50, 10, 0.8, -0.060),
        new("fashion", 50, 10, 0.4, -0.135),
        new("fashion", 50, 10, 0, -0.185),
        new("animals3", 60, 3, 0.8, 0.048),
        new("animals3", 60, 3, 0.4, 0.024),
        new("animals3", 60, 3, 0, -0.071),
        new("things6", 119, 6, 0.8, -0.016),
        new("things6", 119, 6, 0.4, -0.047),
        new("things6", 119, 6, 0, -0.047),
        new("signs7", 140, 7, 0.8, -0.014),
        new("signs7", 140, 7, 0.4, -0.014),
        new("signs7", 140, 7, 0, -0.014),
        new("stamps8", 155, 8, 0.8, -0.035),
        new("stamps8", 155, 8, 0.4, -0.009),
        new("stamps8", 155, 8, 0, -0.026),
        new("clipart10", 198, 10, 0.8, 0.024),
        new("clipart10", 198, 10, 0.4, 0.036),
        new("clipart10", 198, 10, 0, 0.006),
        new("fashion", 200, 10, 0.8, -0.035),
        new("fashion", 200, 10, 0.4, -0.005),
    ];

    /// <summary>Mean and standard deviation of the gains where about as many blocks stayed frozen.</summary>
    /// <param name="freeze">Share of the blocks that stays frozen, in [0, 1].</param>
    public static (double Mean, double Deviation, int Count) At(double freeze)
    {
        double[] near = [.. All.Where(known => Math.Abs(known.Freeze - freeze) <= Near).Select(known => known.Gain)];
        if (near.Length == 0)
            near = [.. All.Select(known => known.Gain)];
        double mean = near.Average();
        return (mean, Math.Sqrt(near.Sum(gain => (gain - mean) * (gain - mean)) / (near.Length - 1)), near.Length);
    }
}
