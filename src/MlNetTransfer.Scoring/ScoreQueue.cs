using MlNetTransfer.Datasets;

namespace MlNetTransfer.Scoring;

/// <summary>
/// How many inputs make a segment: some seconds of work, so that a kill costs little and a commit less. What is
/// committed does not depend on it.
/// </summary>
/// <param name="limit">Inputs per second at most; null for any.</param>
/// <param name="clock">Measures the time.</param>
internal sealed class SegmentPace(double? limit, TimeProvider clock)
{
    private const double Seconds = 3;
    private const int First = 64,
        Most = 8192;
    private readonly long started = clock.GetTimestamp();
    private long taken;

    /// <summary>Inputs per second so far; null before the first segment.</summary>
    public double? PerSecond => taken == 0 ? null : taken / Math.Max(clock.GetElapsedTime(started).TotalSeconds, 1e-6);

    /// <summary>Inputs of the next segment at most.</summary>
    public int Next { get; private set; } = limit is { } rate ? Within(rate) : First;

    /// <summary>A segment is done: waits where that was too fast.</summary>
    public void Took(int count, TimeSpan time, CancellationToken cancellation)
    {
        taken += count;
        double rate = count / Math.Max(time.TotalSeconds, 1e-6);
        Next = (int)Math.Clamp(Math.Min(rate * Seconds, 4.0 * Next), 1, limit is { } most ? Within(most) : Most);
        if (limit is not { } allowed)
            return;
        TimeSpan early = TimeSpan.FromSeconds(taken / allowed) - clock.GetElapsedTime(started);
        if (early > TimeSpan.Zero)
            cancellation.WaitHandle.WaitOne(early);
        cancellation.ThrowIfCancellationRequested();
    }

    private static int Within(double rate) => (int)Math.Clamp(rate, 1, Most);
}

/// <summary>The inputs that are left: those of the part, behind those that are done.</summary>
internal sealed class ScoreQueue : IDisposable
{
    /// <summary>Bytes of images in memory that a segment has at most.</summary>
    private const long MostBytes = 64 << 20;

    /// <summary>What an image that is fetched is counted as, before its size is known.</summary>
    private const long BytesOfRemote = 256 << 10;

    private readonly IEnumerator<ScoreInput> inputs;
    private readonly ScoreSource source;
    private readonly ScoreOptions options;
    private readonly byte[] keys;
    private string? last;
    private long taken;

    /// <param name="source">The inputs.</param>
    /// <param name="options">The batch.</param>
    /// <param name="done">What is done.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="TransferException">The first inputs are not those that were scored.</exception>
    public ScoreQueue(ScoreSource source, ScoreOptions options, ScoreState done, CancellationToken cancellation)
    {
        (this.source, this.options, last, taken) = (source, options, done.Last, done.Items);
        keys = Convert.FromHexString(done.Keys);
        bool seeks = source.Seeks && done.Last is not null;
        inputs = source
            .Read(seeks ? done.Last : null, cancellation)
            .Where(input => options.Shard is not { } shard || shard.Has(KeyChain.Of(input.Key)))
            .GetEnumerator();
        if (seeks)
            return;
        byte[] found = Convert.FromHexString(KeyChain.Start);
        for (long i = 0; i < done.Items; i++)
        {
            if (!inputs.MoveNext())
                throw Changed($"it ends after {i:N0} of the {done.Items:N0} entries that were scored");
            KeyChain.Add(found, KeyChain.Of(inputs.Current.Key));
        }

        if (!found.AsSpan().SequenceEqual(keys))
            throw Changed($"its first {done.Items:N0} entries are not those that were scored");
    }

    /// <summary>How many inputs the batch has; null where that is not known.</summary>
    public long? Count
    {
        get
        {
            long? all = options.Shard is { } shard ? source.Count / shard.Count : source.Count;
            return options.Limit is { } limit ? Math.Min(limit, all ?? limit) : all;
        }
    }

    /// <summary>The next inputs; none at the end.</summary>
    /// <param name="most">How many at most.</param>
    public ScoreSegment Take(int most)
    {
        List<ScoreInput> segment = [];
        long bytes = 0;
        while (
            segment.Count < most && bytes < MostBytes && taken < (options.Limit ?? long.MaxValue) && inputs.MoveNext()
        )
        {
            ScoreInput input = inputs.Current;
            segment.Add(input);
            taken++;
            bytes +=
                input.IsRemote ? BytesOfRemote
                : input.Location is MemoryLocation held ? held.Bytes.Length
                : input.Bytes;
            KeyChain.Add(keys, KeyChain.Of(input.Key));
            last = input.Key;
        }

        return new ScoreSegment(segment, Convert.ToHexStringLower(keys), last);
    }

    /// <inheritdoc/>
    public void Dispose() => inputs.Dispose();

    private TransferException Changed(string how) =>
        new(
            $"The input '{DatabaseAddress.Shown(options.Input)}' has changed: {how}. Put it back as it was and run "
                + "again; or give --restart to begin anew, or another output for the new input."
        );
}

/// <summary>Inputs that are scored and written together.</summary>
/// <param name="Inputs">The inputs.</param>
/// <param name="Keys">A digest of all keys up to their end, hexadecimal.</param>
/// <param name="Last">Key of the last input up to there.</param>
internal sealed record ScoreSegment(IReadOnlyList<ScoreInput> Inputs, string Keys, string? Last)
{
    /// <summary>How far the batch is with them.</summary>
    public ScoreState After(ScoreState before, int rejected) =>
        new(before.Items + Inputs.Count, before.Rejected + rejected, Keys, Last, 0);
}
