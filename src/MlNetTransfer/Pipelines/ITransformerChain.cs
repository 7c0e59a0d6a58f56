namespace MlNetTransfer.Pipelines;

/// <summary>A chain, whatever its last step is.</summary>
internal interface ITransformerChain
{
    /// <summary>All steps in order.</summary>
    IReadOnlyList<ITransformer> Steps { get; }
}
