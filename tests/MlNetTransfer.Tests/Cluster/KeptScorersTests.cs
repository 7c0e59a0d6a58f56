using MlNetTransfer.Cluster;
using MlNetTransfer.Scoring;

namespace MlNetTransfer.Tests.Cluster;

/// <summary>Models that stay open between two shards of a job.</summary>
[TestClass]
[DoNotParallelize]
public sealed class KeptScorersTests
{
    [TestMethod]
    public void Take_SameJobAgain_OpensNothing()
    {
        var opened = new List<Scorer>();
        SegmentScorer first = Take("one");
        first.Score([], null, CancellationToken.None);
        first.Dispose();
        first.Dispose();
        using (SegmentScorer again = Take("one"))
        using (SegmentScorer beside = Take("one"))
            Assert.HasCount(2, opened, "one of them was idle, and given back once");
        Take("other").Dispose();
        Assert.IsTrue(opened[0].IsDisposed && opened[1].IsDisposed, "those of another job are let go of");
        SegmentScorer faulty = Take("other");
        opened[2].Fails = true;
        Assert.ThrowsExactly<InvalidOperationException>(() => faulty.Score([], null, CancellationToken.None));
        faulty.Dispose();
        Assert.IsTrue(opened[2].IsDisposed, "what failed is not used again");
        Take("other").Dispose();
        Assert.HasCount(4, opened);

        SegmentScorer Take(string key) =>
            KeptScorers.Take(
                key,
                () =>
                {
                    opened.Add(new Scorer());
                    return opened[^1];
                }
            );
    }

    private sealed class Scorer : SegmentScorer
    {
        public bool IsDisposed { get; private set; }

        public bool Fails { get; set; }

        public override string Identity => "";

        public override string ModelSha256 => "";

        public override IReadOnlyList<ScoreColumn> Columns => [];

        public override object?[][] Score(
            IReadOnlyList<ScoreInput> segment,
            IProgress<JobProgress>? progress,
            CancellationToken cancellation
        ) => Fails ? throw new InvalidOperationException() : [];

        public override void Dispose()
        {
            IsDisposed = true;
            base.Dispose();
        }
    }
}
