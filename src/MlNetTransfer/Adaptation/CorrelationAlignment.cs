using MlNetTransfer.Numerics;

namespace MlNetTransfer.Adaptation;

/// <summary>Correlation alignment (CORAL): the source is whitened, then given the target's covariance.</summary>
/// <remarks>
/// C_t^½ · C_s^-½ · (x - m_s) + m_t (Sun, Feng and Saenko, Return of frustratingly easy domain adaptation, AAAI 2016),
/// tap by tap. Where the paper adds the identity to both covariances, they are shrunk here by Ledoit and Wolf's rule,
/// which suits features of any size and any number of rows; the means are moved as well. Cost: the eigenvectors of two
/// matrices of min(rows, width), and two products of a row with each.
/// </remarks>
internal static class CorrelationAlignment
{
    public static AlignmentMethod Describe() =>
        new("Coral", "correlation alignment: mean and covariance become the target's", Align);

    private static float[] Align(DomainPair pair)
    {
        var moved = new float[pair.Source.Length];
        foreach ((int start, int width) in pair.Blocks)
        {
            var from = ShrunkCovariance.Of(pair.Source, pair.SourceRows, pair.Width, start, width, pair.Parallel);
            var to = ShrunkCovariance.Of(pair.Target, pair.TargetRows, pair.Width, start, width, pair.Parallel);
            Parallel.For(
                0,
                pair.SourceRows,
                pair.Parallel,
                row =>
                {
                    float[] centred = new float[width],
                        white = new float[width];
                    ReadOnlySpan<float> own = pair.SourceRow(row).Slice(start, width);
                    Span<float> into = moved.AsSpan(row * pair.Width + start, width);
                    for (int i = 0; i < width; i++)
                        centred[i] = (float)(own[i] - from.Mean[i]);
                    from.Multiply(centred, -0.5, white);
                    to.Multiply(white, 0.5, into);
                    for (int i = 0; i < width; i++)
                        into[i] = (float)(into[i] + to.Mean[i]);
                }
            );
        }

        return moved;
    }
}
