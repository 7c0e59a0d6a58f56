namespace MlNetTransfer.Onnx.Quantization;

/// <summary>
/// The threshold at which a clipped and quantised distribution diverges least from the one seen: S. Migacz, 8-bit
/// Inference with TensorRT, 2017.
/// </summary>
/// <remarks>
/// The reference P is the first i bins with all that lies beyond added to the last; the candidate Q is the same bins
/// without it, put into <see cref="Levels"/> groups, each group's count spread evenly over those of its bins that are
/// not empty. The i with the least KL(P ‖ Q) is taken, of equal ones the smallest; the threshold is the upper edge of
/// its last bin. Exact zeros are left out, since every quantisation keeps them. Tensors with values of both signs are
/// judged by their size. Where Q is empty and P is not, which happens in the last bin only, i is passed over. Sums over
/// groups are kept, so that a tensor costs O(bins · levels).
/// </remarks>
internal static class EntropyThreshold
{
    /// <summary>Levels on one side of zero for tensors of both signs; those of one sign have twice as many.</summary>
    public const int Levels = 128;

    public static ValueRange Range(ValueHistogram values)
    {
        ValueRange all = values.Range;
        bool both = all.Low < 0 && all.High > 0;
        double threshold = Threshold(Sizes(values), both ? Levels : 2 * Levels) * values.Width;
        return new ValueRange((float)Math.Max(all.Low, -threshold), (float)Math.Min(all.High, threshold));
    }

    /// <summary>Counts by size [bins], the last of them not empty.</summary>
    private static long[] Sizes(ValueHistogram values)
    {
        const int Side = ValueHistogram.Side;
        var sizes = new long[Side];
        for (int i = 0; i < Side; i++)
            sizes[i] = values.Counts[Side + i] + values.Counts[Side - 1 - i];
        return sizes[..(Array.FindLastIndex(sizes, c => c > 0) + 1)];
    }

    /// <summary>The number of bins that are kept.</summary>
    /// <param name="counts">Counts by size [bins], the last not empty.</param>
    /// <param name="levels">Levels that the kept bins are put into.</param>
    public static int Threshold(ReadOnlySpan<long> counts, int levels)
    {
        if (counts.Length <= levels)
            return counts.Length;
        var sum = new long[counts.Length + 1];
        var filled = new int[counts.Length + 1];
        var information = new double[counts.Length + 1];
        for (int i = 0; i < counts.Length; i++)
        {
            sum[i + 1] = sum[i] + counts[i];
            filled[i + 1] = filled[i] + (counts[i] > 0 ? 1 : 0);
            information[i + 1] = information[i] + XLogX(counts[i]);
        }

        (int best, double least) = (counts.Length, double.PositiveInfinity);
        for (int kept = levels; kept <= counts.Length; kept++)
        {
            if (Divergence(counts, sum, filled, information, kept, levels) is var divergence && divergence < least)
                (best, least) = (kept, divergence);
        }

        return best;
    }

    /// <summary>KL(P ‖ Q) = Σ p·ln p - Σ p·ln q over the kept bins, where q is one number per group.</summary>
    private static double Divergence(
        ReadOnlySpan<long> counts,
        long[] sum,
        int[] filled,
        double[] information,
        int kept,
        int levels
    )
    {
        long total = sum[^1],
            inside = sum[kept],
            beyond = total - inside,
            last = counts[kept - 1];
        if (inside == 0 || (beyond > 0 && last == 0))
            return double.PositiveInfinity;
        double own = information[kept] - XLogX(last) + XLogX(last + beyond),
            cross = 0;
        for (int level = 0, start = 0; level < levels; level++)
        {
            int end = (int)((long)(level + 1) * kept / levels);
            long mass = sum[end] - sum[start];
            if (mass > 0)
                cross += (mass + (end == kept ? beyond : 0)) * Math.Log((double)mass / (filled[end] - filled[start]));
            start = end;
        }

        // With p = P / total and q = Q / inside.
        return (own - cross) / total + Math.Log((double)inside / total);
    }

    private static double XLogX(double x) => x > 0 ? x * Math.Log(x) : 0;
}
