using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Pipelines;

/// <summary>The images of a batch, for steps that take images.</summary>
internal static class ImageColumn
{
    public const string Fix = "Append LoadImages before, or give images.";

    /// <summary>The batch without its rows that have no image, and the images of the others.</summary>
    public static (DataBatch Batch, ImageItem[] Items) Present(PipelineEnvironment environment, DataBatch batch, string step, string column)
    {
        ReadOnlySpan<ImageItem?> items = batch.Column<ImageItem?>(column);
        var reasons = new string?[items.Length];
        for (int i = 0; i < items.Length; i++) reasons[i] = items[i] is null ? "the image is null" : null;
        batch = environment.Without(batch, step, reasons, i => $"'{column}'");
        return (batch, batch.Column<ImageItem>(column).ToArray());
    }

    /// <summary>The batch without the rows that have a reason.</summary>
    public static DataBatch Without(PipelineEnvironment environment, DataBatch batch, string step, ImageItem[] items, string?[] reasons) =>
        environment.Without(batch, step, reasons, i => $"'{items[i].Name}'");

    /// <summary>The batch without the images that a graph rejected.</summary>
    public static DataBatch Accepted(PipelineEnvironment environment, DataBatch batch, string step, ImageItem[] items, ImageRows rows)
    {
        if (rows.Rejected.Count == 0) return batch;
        var reasons = new string?[items.Length];
        HashSet<int> accepted = [.. rows.Accepted];
        int next = 0;
        for (int i = 0; i < reasons.Length; i++) reasons[i] = accepted.Contains(i) ? null : rows.Rejected[next++].Reason;
        return Without(environment, batch, step, items, reasons);
    }
}
