namespace MlNetTransfer.Adaptation;

/// <summary>Gives every source feature the target's mean and deviation.</summary>
/// <remarks>
/// (x - m_s) / σ_s · σ_t + m_t, feature by feature: what adaptive batch normalisation does to the layers of a network
/// (Li, Wang, Shi, Hou and Liu, Adaptive Batch Normalization for practical domain adaptation, Pattern Recognition 80,
/// 2018), done to bottleneck features. A feature that is constant in the source becomes the target's mean.
/// </remarks>
internal static class Standardization
{
    public static AlignmentMethod Describe() =>
        new("Standardize", "mean and deviation of every feature become the target's", Align);

    /// <summary>The source's rows with the target's moments [source × width].</summary>
    public static float[] Align(DomainPair pair)
    {
        DomainMoments from = DomainMoments.Of(pair.Source, pair.Width),
            to = DomainMoments.Of(pair.Target, pair.Width);
        var moved = new float[pair.Source.Length];
        for (int i = 0; i < moved.Length; i++)
            moved[i] = to.Raw(from.Standard(pair.Source[i], i % pair.Width), i % pair.Width);
        return moved;
    }
}
