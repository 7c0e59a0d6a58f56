namespace MlNetTransfer.Evaluation;

/// <summary>
/// Collects (confidence, right or wrong) into bins of equal width, ((m-1)/M, m/M], and sums their calibration gaps.
/// </summary>
internal sealed class CalibrationBins(int bins)
{
    private readonly double[] confidence = new double[bins];
    private readonly int[] correct = new int[bins];
    private int rows;

    /// <summary>Σ share · |accuracy - mean confidence| = Σ |correct - Σ confidence| / rows.</summary>
    public double Error => confidence.Zip(correct, (sum, hits) => Math.Abs(hits - sum)).Sum() / rows;

    public void Add(double probability, bool hit)
    {
        int bin = Math.Clamp((int)Math.Ceiling(probability * bins) - 1, 0, bins - 1);
        confidence[bin] += probability;
        if (hit)
            correct[bin]++;
        rows++;
    }
}
