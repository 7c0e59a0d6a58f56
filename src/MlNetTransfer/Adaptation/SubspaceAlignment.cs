using MlNetTransfer.Numerics;

namespace MlNetTransfer.Adaptation;

/// <summary>Subspace alignment: the principal directions of the source are turned onto those of the target.</summary>
/// <remarks>
/// z·P_s·(P_sᵀ·P_t)·P_tᵀ on features standardised domain by domain (Fernando, Habrard, Sebban and Tuytelaars,
/// Unsupervised visual domain adaptation using subspace alignment, ICCV 2013), then given the target's deviations and
/// means; tap by tap. P_t are the directions that hold nine tenths of the target's variance, P_s as many of the
/// source's. What was moved lies in the target's subspace, so that a classifier with an L2 penalty looks at nothing
/// else there.
/// </remarks>
internal static class SubspaceAlignment
{
    private const double Share = 0.9;

    public static AlignmentMethod Describe() =>
        new("Subspace", "subspace alignment: principal directions become the target's", Align);

    private static float[] Align(DomainPair pair)
    {
        DomainMoments from = DomainMoments.Of(pair.Source, pair.Width),
            to = DomainMoments.Of(pair.Target, pair.Width);
        float[] source = Standard(pair.Source, from),
            target = Standard(pair.Target, to),
            moved = new float[source.Length];
        foreach ((int start, int width) in pair.Blocks)
        {
            float[][] ends = ShrunkCovariance
                .Of(target, pair.TargetRows, pair.Width, start, width, pair.Parallel)
                .Directions(Share);
            float[][] starts = ShrunkCovariance
                .Of(source, pair.SourceRows, pair.Width, start, width, pair.Parallel)
                .Directions(1);
            starts = starts[..Math.Min(starts.Length, ends.Length)];
            // (P_sᵀ·P_t)·P_tᵀ: what becomes of each of the source's directions.
            float[][] turned = [.. starts.Select(direction => Turned(direction, ends))];
            Parallel.For(
                0,
                pair.SourceRows,
                pair.Parallel,
                row =>
                {
                    ReadOnlySpan<float> own = source.AsSpan(row * pair.Width + start, width);
                    Span<float> into = moved.AsSpan(row * pair.Width + start, width);
                    for (int k = 0; k < starts.Length; k++)
                        Simd.AddScaled(into, Simd.Dot(own, starts[k]), turned[k]);
                    for (int i = 0; i < width; i++)
                        into[i] = to.Raw(into[i], start + i);
                }
            );
        }

        return moved;
    }

    private static float[] Standard(float[] values, DomainMoments moments)
    {
        var standard = new float[values.Length];
        int width = moments.Mean.Length;
        for (int i = 0; i < values.Length; i++)
            standard[i] = moments.Standard(values[i], i % width);
        return standard;
    }

    private static float[] Turned(float[] direction, float[][] ends)
    {
        var sum = new float[direction.Length];
        foreach (float[] end in ends)
            Simd.AddScaled(sum, Simd.Dot(direction, end), end);
        return sum;
    }
}
