using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace MlNetTransfer.Cluster;

/// <summary>
/// What workers tell OpenTelemetry: an activity for each run of a shard, and counts. Quartz has instruments of its own
/// beside them, of scheduling.
/// </summary>
internal static class ClusterTelemetry
{
    public const string Name = "MlNetTransfer.Cluster";

    private static readonly Meter Meter = new(Name, ProductVersion.OfPackage);

    public static ActivitySource Source { get; } = new(Name, ProductVersion.OfPackage);

    /// <summary>Rows that were committed.</summary>
    public static Counter<long> Rows { get; } =
        Meter.CreateCounter<long>("mlnet_transfer.cluster.rows", "{row}", "Rows that were committed.");

    /// <summary>Rows with an error instead of a prediction.</summary>
    public static Counter<long> Rejected { get; } =
        Meter.CreateCounter<long>("mlnet_transfer.cluster.rejected", "{row}", "Rows that have an error.");

    /// <summary>Runs of shards by how they ended: done, failed, parked, handed_back, cancelled.</summary>
    public static Counter<long> Runs { get; } =
        Meter.CreateCounter<long>("mlnet_transfer.cluster.shard.runs", "{run}", "Runs of shards, by outcome.");

    /// <summary>Seconds that a run of a shard took.</summary>
    public static Histogram<double> Seconds { get; } =
        Meter.CreateHistogram<double>("mlnet_transfer.cluster.shard.duration", "s", "Time that runs of shards took.");

    /// <summary>A run of a shard has ended.</summary>
    public static void Ended(Activity? activity, JobRecord job, string outcome, TimeSpan took, ShardProgress progress)
    {
        var tags = new TagList { { "job.kind", job.Kind }, { "outcome", outcome } };
        Runs.Add(1, tags);
        Seconds.Record(took.TotalSeconds, tags);
        activity?.SetTag("outcome", outcome);
        activity?.SetTag("rows", progress.Rows);
        activity?.SetTag("rejected", progress.Rejected);
        if (outcome is "failed" or "parked")
            activity?.SetStatus(ActivityStatusCode.Error);
    }
}
