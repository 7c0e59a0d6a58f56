using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Pipelines;

/// <summary>What the steps of a context share.</summary>
/// <param name="seed">Seed of every draw.</param>
/// <param name="options">The context's options.</param>
/// <param name="catalog">The backbones.</param>
internal sealed class PipelineEnvironment(int seed, TransferContextOptions options, BackboneCatalog catalog)
{
    private readonly BackboneStore store = new(catalog, Path.Combine(options.CacheFolder, "backbones"));

    public int Seed => seed;

    public TransferContextOptions Options => options;

    public BackboneCatalog Catalog => catalog;

    public ExecutionPlan Plan => ExecutionPlan.For(options.Device, options.Workers);

    public string? FeatureFolder => options.CacheFeatures ? Path.Combine(options.CacheFolder, "features") : null;

    public Backbone Open(string backbone, CancellationToken cancellation) => store.Open(backbone, cancellation);

    /// <summary>The batch without the rows that have a reason; an error where nobody asked to be told of such rows.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="step">The step that cannot use them.</param>
    /// <param name="reasons">Why a row cannot be used [rows]; null where it can.</param>
    /// <param name="name">How a row is called.</param>
    /// <exception cref="TransferException">A row cannot be used.</exception>
    public DataBatch Without(DataBatch batch, string step, IReadOnlyList<string?> reasons, Func<int, string> name)
    {
        int[] kept = [.. Enumerable.Range(0, batch.Rows).Where(i => reasons[i] is null)];
        if (kept.Length == batch.Rows) return batch;
        for (int i = 0; i < batch.Rows; i++)
        {
            if (reasons[i] is not { } reason) continue;
            if (options.OnRejected is not { } told)
                throw new TransferException($"{step}: {name(i)} (row {batch.RowNumbers[i]}) cannot be used: {reason}. Mend it, or set {nameof(TransferContextOptions)}.{nameof(TransferContextOptions.OnRejected)} to be told of such rows and go on without them.");
            told(new RejectedImage(name(i), reason));
        }

        return batch.Select(kept);
    }
}
