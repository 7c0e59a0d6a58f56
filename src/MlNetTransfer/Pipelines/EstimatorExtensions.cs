namespace MlNetTransfer.Pipelines;

/// <summary>Makes chains of single steps.</summary>
public static class EstimatorExtensions
{
    /// <summary>A chain of two steps.</summary>
    /// <param name="first">The first step, or a chain.</param>
    /// <param name="next">The next step.</param>
    public static EstimatorChain<TNew> Append<TNew>(this IEstimator<ITransformer> first, IEstimator<TNew> next)
        where TNew : class, ITransformer
    {
        ArgumentNullException.ThrowIfNull(first);
        ArgumentNullException.ThrowIfNull(next);
        return new EstimatorChain<TNew>([first, next]);
    }
}
