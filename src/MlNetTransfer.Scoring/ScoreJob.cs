using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Scoring.Remote;

namespace MlNetTransfer.Scoring;

/// <summary>
/// Scores a batch of images of any size: every input becomes exactly one row of the output, a prediction or an error,
/// however often the program is killed in between. The same options go on where an interrupted run stopped.
/// </summary>
/// <remarks>
/// Inputs are read, scored and written a segment at a time, some seconds of work each; the next one is scored while the
/// last one is written. A segment is there whole or not at all, with a note of how far the batch is, so that memory
/// does not grow with the batch and a kill costs a segment's time. Rows stand in the order of the inputs.
/// </remarks>
/// <param name="options">The batch.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
/// <param name="standardInput">Where "-" reads paths from; null for the console's.</param>
public sealed class ScoreJob(ScoreOptions options, JobServices? services = null, TextReader? standardInput = null)
    : IJob<ScoreSummary>
{
    /// <summary>How the work is called in progress reports.</summary>
    internal const string Stage = "Scoring";

    private const int Named = 10;
    private readonly TimeProvider clock = services?.Clock ?? TimeProvider.System;
    private readonly List<RejectedItem> rejected = [];

    /// <summary>Opens the inputs, where they are not what the options name.</summary>
    internal Func<ScoreSource>? Source { get; init; }

    /// <summary>
    /// Opens what scores them, where it is not what the options name, by the columns that the inputs bring along.
    /// </summary>
    internal Func<IReadOnlyList<string>, SegmentScorer>? Scorer { get; init; }

    /// <summary>Told how far the batch is, once at its start and after each commit, from any thread.</summary>
    internal Action<ScoreState>? Committed { get; init; }

    /// <summary>
    /// Whether somebody else answers for the whole: what is complete is then complete, whatever became of the input.
    /// </summary>
    internal bool IsPart { get; init; }

    /// <summary>Ends the run behind the segment that is being scored, which is still committed.</summary>
    internal CancellationToken Drain { get; init; }

    /// <summary>Runs the batch.</summary>
    /// <param name="progress">Told how far it is, from any thread.</param>
    /// <param name="cancellation">Ends it between two images: all that was committed stays, and the next run goes on
    /// there.</param>
    /// <exception cref="TransferException">Model, input or output is not as it has to be, or there are more errors than
    /// are allowed; the message names it and the fix.</exception>
    public ScoreSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = clock.GetTimestamp();
        WorkPlace work = WorkPlace.Of(options);
        RequireWholeToRestart(options);
        using ScoreSink sink = ScoreSink.Of(
            options,
            work,
            message => progress?.Report(new JobProgress("Waiting for the database", 0, 0) { Detail = message }),
            clock
        );
        using ScoreSource source = OpenSource(work, standardInput ?? Console.In);
        using SegmentScorer scorer = OpenScorer(source.Columns);
        sink.RequireFor(options.Output, scorer.Columns);
        (ScoreState state, bool isComplete) = sink.Open(Identity(source, scorer), scorer.Columns, options.Restart);
        long before = state.Items;
        Committed?.Invoke(state);
        RequireFewErrors(state);
        if (isComplete)
            RequireUnchanged(work, source, state, progress, cancellation);
        else
        {
            (source as ManifestSource)?.Prepare(progress, cancellation);
            state = Score(scorer, source, sink, state, progress, cancellation);
            source.Dispose();
            sink.Complete(state, progress, cancellation);
            work.Remove();
        }

        TimeSpan took = clock.GetElapsedTime(started);
        return new ScoreSummary
        {
            Output = DatabaseAddress.Shown(options.Output),
            Rows = state.Items,
            Rejected = state.Rejected,
            FromBefore = before,
            FirstRejected = rejected,
            WasComplete = isComplete,
            ImagesPerSecond = (state.Items - before) / Math.Max(took.TotalSeconds, 1e-9),
            Seconds = took.TotalSeconds,
            ModelSha256 = scorer.ModelSha256,
            Saved = scorer.Saved,
        };
    }

    /// <summary>
    /// Opens model, input and output as a run does, and scores nothing: what is wrong with one of them is said now.
    /// </summary>
    /// <returns>Whether the output is complete already.</returns>
    /// <exception cref="TransferException">As of <see cref="Run"/>.</exception>
    internal bool Probe()
    {
        WorkPlace work = WorkPlace.Of(options);
        using ScoreSink sink = ScoreSink.Of(options, work, _ => { }, clock);
        using ScoreSource source = OpenSource(work, TextReader.Null);
        using SegmentScorer scorer = OpenScorer(source.Columns);
        sink.RequireFor(options.Output, scorer.Columns);
        return sink.Open(Identity(source, scorer), scorer.Columns, restart: false).IsComplete;
    }

    private ScoreSource OpenSource(WorkPlace work, TextReader input) =>
        Source?.Invoke() ?? ScoreSource.Open(options, work, input);

    private SegmentScorer OpenScorer(IReadOnlyList<string> passed) =>
        Scorer?.Invoke(passed) ?? SegmentScorer.Of(options, passed);

    private ScoreIdentity Identity(ScoreSource source, SegmentScorer scorer) =>
        new(
            scorer.Identity,
            source.Identity,
            string.Join(',', scorer.Columns.Select(column => column.Name)) + $" sets {options.Sets}",
            string.Join(' ', options.Shard?.ToString() ?? "all", options.Limit is { } limit ? $"first {limit}" : "")
                .Trim()
        );

    /// <summary>A table has the rows of all parts, and nobody can throw away his own alone.</summary>
    private static void RequireWholeToRestart(ScoreOptions options)
    {
        if (options.Restart && options.Shard is not null && DatabaseAddress.TryParse(options.Output, out _))
            throw new TransferException(
                "--restart would throw away the rows of all shards in the table. Give another --table, or drop "
                    + "the table and the rows of mlnet_transfer_batches that name it."
            );
    }

    /// <summary>Scores what is left; returns how far the batch then is.</summary>
    private ScoreState Score(
        SegmentScorer scorer,
        ScoreSource source,
        ScoreSink sink,
        ScoreState state,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var inputs = new ScoreQueue(source, options, state, stop.Token);
        using var remote = new RemoteImages(options.Hosts, options.Limits);
        var pace = new SegmentPace(options.RateLimit, clock);
        // Once: an archive counts its entries for it.
        long? total = inputs.Count;
        Task writing = Task.CompletedTask;
        Task<ScoreSegment> next = Ahead();
        try
        {
            while (next.GetAwaiter().GetResult() is { Inputs.Count: > 0 } segment)
            {
                Drain.ThrowIfCancellationRequested();
                next = Ahead();
                long began = clock.GetTimestamp();
                var told = new Within(progress, state, total, pace.PerSecond);
                object?[][] scored = scorer.Score(segment.Inputs, told, cancellation);
                state = segment.After(state, Note(scored));
                writing.GetAwaiter().GetResult();
                ScoreState after = state;
                writing = Task.Run(
                    () =>
                    {
                        sink.Commit(scored, after, cancellation);
                        Committed?.Invoke(after);
                    },
                    CancellationToken.None
                );
                RequireFewErrors(state);
                pace.Took(segment.Inputs.Count, clock.GetElapsedTime(began), cancellation);
            }
        }
        finally
        {
            // What was scored is written, whatever ends the loop; what is read ahead is let go of.
            stop.Cancel();
            ((IAsyncResult)next).AsyncWaitHandle.WaitOne();
            writing.GetAwaiter().GetResult();
        }

        return state;

        // Reads the next inputs, and fetches what is on the web, while these are scored.
        Task<ScoreSegment> Ahead()
        {
            int most = pace.Next;
            return Task.Run(
                () =>
                {
                    ScoreSegment taken = inputs.Take(most);
                    return taken with { Inputs = remote.Fetch(taken.Inputs, stop.Token) };
                },
                CancellationToken.None
            );
        }
    }

    /// <summary>As many as were there before count too: to run again is no way around the limit.</summary>
    private void RequireFewErrors(ScoreState state)
    {
        if (state.Rejected > (options.MaxErrors ?? long.MaxValue))
            throw new TransferException(
                $"{state.Rejected} of {state.Items} inputs were rejected, and --max-errors allows {options.MaxErrors}; "
                    + $"the first: {First()}. Their rows are kept: mend the cause and use --restart, or run "
                    + "again with a higher --max-errors, and it goes on."
            );
    }

    /// <summary>
    /// A complete output is of the input as it was; another one is not passed over in silence. Of databases and object
    /// storage only what is behind the last key is looked at.
    /// </summary>
    private void RequireUnchanged(
        WorkPlace work,
        ScoreSource source,
        ScoreState state,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        // Rows of ML.NET have their number in the identity, and are not computed again to be compared.
        if (Source is not null || IsPart)
            return;
        try
        {
            (source as ManifestSource)?.Prepare(progress, cancellation);
            using var inputs = new ScoreQueue(source, options, state, cancellation);
            if (inputs.Take(1) is { Inputs: [var more, ..] })
                throw new TransferException(
                    $"'{DatabaseAddress.Shown(options.Input)}' has more inputs than the {state.Items:N0} whose "
                        + $"rows are complete in the output; the next is '{more.Key}'. Give a list of the new ones and "
                        + "another output, or --restart to score all anew."
                );
        }
        finally
        {
            source.Dispose();
            work.Remove();
        }
    }

    private string First() =>
        rejected is [var first, ..] ? $"{first.File}: {first.Reason}" : "see the column 'error' of the output";

    /// <summary>Notes the first inputs that were rejected; returns how many were.</summary>
    private int Note(object?[][] rows)
    {
        object?[][] wrong = [.. rows.Where(row => SegmentScorer.Error(row) is not null)];
        rejected.AddRange(
            wrong
                .Take(Named - rejected.Count)
                .Select(row => new RejectedItem((string)row[0]!, (string)SegmentScorer.Error(row)!))
        );
        return wrong.Length;
    }

    /// <summary>A segment's progress as that of the batch.</summary>
    private sealed class Within(IProgress<JobProgress>? outer, ScoreState before, long? total, double? perSecond)
        : IProgress<JobProgress>
    {
        private readonly string? detail = perSecond is { } rate
            ? FormattableString.Invariant($"{rate:f0} a second, {before.Rejected} rejected")
            : null;

        public void Report(JobProgress value) =>
            outer?.Report(new JobProgress(Stage, before.Items + value.Done, total ?? 0) { Detail = detail });
    }
}
