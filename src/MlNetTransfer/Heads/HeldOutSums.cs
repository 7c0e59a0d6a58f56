namespace MlNetTransfer.Heads;

/// <summary>Sums over held-out rows, from which a penalty is judged.</summary>
internal readonly record struct HeldOutSums(double Weight, double SquaredWeight, double Loss, double WeightedLoss, double SquaredLoss, double Hits)
{
    public static HeldOutSums Of(double weight, double loss, bool hit) =>
        new(weight, weight * weight, weight * loss, weight * weight * loss, weight * weight * loss * loss, hit ? weight : 0);

    public static HeldOutSums operator +(HeldOutSums a, HeldOutSums b) =>
        new(a.Weight + b.Weight, a.SquaredWeight + b.SquaredWeight, a.Loss + b.Loss, a.WeightedLoss + b.WeightedLoss, a.SquaredLoss + b.SquaredLoss, a.Hits + b.Hits);

    /// <summary>Weighted mean of the losses, and its standard error √(Σ w²(loss - mean)²) / Σ w.</summary>
    public L2Trial Judge(double l2)
    {
        double mean = Loss / Weight, squares = SquaredLoss - 2 * mean * WeightedLoss + mean * mean * SquaredWeight;
        return new L2Trial(l2, mean, Hits / Weight, Math.Sqrt(Math.Max(0, squares)) / Weight);
    }
}
