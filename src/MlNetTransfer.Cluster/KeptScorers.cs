using MlNetTransfer.Scoring;

namespace MlNetTransfer.Cluster;

/// <summary>
/// Models that stay open between two shards of a job: opening one takes as long as a hundred images. Those of another
/// job, and those that were not needed for a while, are let go of. Thread-safe.
/// </summary>
internal static class KeptScorers
{
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(30);
    private static readonly Lock Gate = new();
    private static readonly List<SegmentScorer> Idle = [];
    private static readonly Timer Clearing = new(_ => Clear());
    private static string? owner;

    /// <summary>A scorer that goes back here when it is disposed, unless it failed.</summary>
    /// <param name="key">Names the job and all else that the scorer depends on.</param>
    /// <param name="open">Opens one where none is idle.</param>
    public static SegmentScorer Take(string key, Func<SegmentScorer> open)
    {
        lock (Gate)
        {
            if (owner != key)
                Clear();
            owner = key;
            if (Idle.Count > 0)
            {
                SegmentScorer kept = Idle[^1];
                Idle.RemoveAt(Idle.Count - 1);
                return new Lent(key, kept);
            }
        }

        return new Lent(key, open());
    }

    private static void Clear()
    {
        lock (Gate)
        {
            Idle.ForEach(scorer => scorer.Dispose());
            Idle.Clear();
        }
    }

    private static void Return(string key, SegmentScorer scorer)
    {
        lock (Gate)
        {
            if (owner == key)
            {
                Idle.Add(scorer);
                Clearing.Change(Longest, Timeout.InfiniteTimeSpan);
                return;
            }
        }

        scorer.Dispose();
    }

    private sealed class Lent(string key, SegmentScorer scorer) : SegmentScorer
    {
        private bool isFaulty,
            isReturned;

        public override string Identity => scorer.Identity;

        public override string ModelSha256 => scorer.ModelSha256;

        public override IReadOnlyList<ScoreColumn> Columns => scorer.Columns;

        public override double? Saved => scorer.Saved;

        public override object?[][] Score(
            IReadOnlyList<ScoreInput> segment,
            IProgress<JobProgress>? progress,
            CancellationToken cancellation
        )
        {
            try
            {
                return scorer.Score(segment, progress, cancellation);
            }
            catch
            {
                isFaulty = true;
                throw;
            }
        }

        public override void Dispose()
        {
            if (isReturned)
                return;
            isReturned = true;
            if (isFaulty)
                scorer.Dispose();
            else
                Return(key, scorer);
            base.Dispose();
        }
    }
}
