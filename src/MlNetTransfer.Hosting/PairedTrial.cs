using Microsoft.Extensions.Logging;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>How a candidate does beside a model, on the images that both have looked at.</summary>
/// <param name="Name">Name of the candidate.</param>
/// <param name="Images">Images that both have looked at.</param>
/// <param name="Agreed">Those to which both gave the same class.</param>
/// <param name="Agreement">95 % interval of the share of agreement (Wilson).</param>
/// <param name="ProbabilityDifference">By how much the probability of its class is higher with the candidate, on
/// average.</param>
/// <param name="DifferenceInterval">95 % interval of that, by the normal distribution of a mean.</param>
/// <param name="Skipped">Images that the candidate did not look at, since it had others to look at, or failed.</param>
public sealed record CandidateStatus(
    string Name,
    long Images,
    long Agreed,
    Interval Agreement,
    double ProbabilityDifference,
    Interval DifferenceInterval,
    long Skipped
);

/// <summary>
/// Two models on the same images: one answers, the other is asked afterwards, on a copy of the bytes and only while it
/// has nothing else to do. Thread-safe.
/// </summary>
internal sealed class PairedTrial
{
    private static readonly TimeSpan ReportEvery = TimeSpan.FromMinutes(1);

    private readonly HostedModel model,
        candidate;
    private readonly TransferModelOptions options;
    private readonly TransferInstruments instruments;
    private readonly TimeProvider clock;
    private readonly ILogger logger;
    private readonly Lock gate = new();
    private long requests,
        images,
        agreed,
        skipped,
        reported,
        reportedAt;
    private long? failedAt;
    private double sum,
        squares;

    public PairedTrial(
        HostedModel model,
        HostedModel candidate,
        TransferModelOptions options,
        TransferInstruments instruments,
        TimeProvider clock,
        ILogger logger
    )
    {
        (this.model, this.candidate, this.options) = (model, candidate, options);
        (this.instruments, this.clock, this.logger) = (instruments, clock, logger);
        reportedAt = clock.GetTimestamp();
    }

    /// <summary>What is known now.</summary>
    public CandidateStatus Status
    {
        get
        {
            lock (gate)
            {
                double mean = images == 0 ? 0 : sum / images,
                    variance = images < 2 ? 0 : Math.Max(0, (squares - images * mean * mean) / (images - 1)),
                    half = images == 0 ? 1 : 1.959964 * Math.Sqrt(variance / images);
                return new CandidateStatus(
                    candidate.Name,
                    images,
                    agreed,
                    images == 0 ? new Interval(0, 1) : WilsonInterval.Of((int)agreed, (int)images),
                    mean,
                    new Interval(mean - half, mean + half),
                    skipped
                );
            }
        }
    }

    /// <summary>
    /// Whether the candidate takes part in the next request: exactly in the share that was asked for.
    /// </summary>
    public bool Takes()
    {
        long n = Interlocked.Increment(ref requests);
        return Math.Floor(n * options.CandidateShare) > Math.Floor((n - 1) * options.CandidateShare);
    }

    /// <summary>Answers a request that the candidate takes part in.</summary>
    public async Task<TransferPrediction> PredictAsync(
        ReadOnlyMemory<byte> image,
        PredictionWishes wishes,
        CancellationToken cancellation
    )
    {
        (HostedModel? second, TransferPrediction answer) = await FirstAsync(image, wishes, cancellation)
            .ConfigureAwait(false);
        if (second is null || model.Waits || (second == candidate && !candidate.IsIdle))
            Skip();
        else
            // The caller's bytes are the caller's again after the answer.
            _ = CompareAsync(second, image.ToArray(), answer);
        return answer;
    }

    /// <summary>Writes what is known to the log.</summary>
    public void Report()
    {
        CandidateStatus status = Status;
        lock (gate)
        {
            if (images == reported)
                return;
            (reported, reportedAt) = (images, clock.GetTimestamp());
        }

        Log.Compared(
            logger,
            status.Name,
            model.Name,
            status.Images,
            (double)status.Agreed / status.Images,
            status.Agreement.Low,
            status.Agreement.High,
            status.ProbabilityDifference,
            status.DifferenceInterval.Low,
            status.DifferenceInterval.High,
            status.Skipped
        );
    }

    /// <summary>
    /// The answer, and who is to look at the image after it: the other one of the two, or nobody where it has failed.
    /// </summary>
    private async Task<(HostedModel? Second, TransferPrediction Answer)> FirstAsync(
        ReadOnlyMemory<byte> image,
        PredictionWishes wishes,
        CancellationToken cancellation
    )
    {
        Exception? failure = null;
        if (options.CandidateAnswers)
        {
            try
            {
                return (model, await candidate.AnswerAsync(image, null, wishes, cancellation).ConfigureAwait(false));
            }
            catch (Exception e) when (e is not OperationCanceledException and not ImageTooLargeException)
            {
                // Whoever sent the image must not suffer from a trial: it may be the candidate's fault that it has no
                // answer. An image that cannot be used is refused by the other model as well.
                failure = e;
            }
        }

        TransferPrediction answer = await model.AnswerAsync(image, null, wishes, cancellation).ConfigureAwait(false);
        if (failure is not null)
            Failed(failure);
        return (options.CandidateAnswers ? null : candidate, answer);
    }

    /// <summary>Says why the candidate had no answer, as often as the report is written at most.</summary>
    private void Failed(Exception failure)
    {
        lock (gate)
        {
            if (failedAt is { } at && clock.GetElapsedTime(at) < ReportEvery)
                return;
            failedAt = clock.GetTimestamp();
        }

        Log.CandidateFailed(logger, candidate.Name, failure.Message);
    }

    private async Task CompareAsync(HostedModel second, byte[] image, TransferPrediction first)
    {
        try
        {
            TransferPrediction other = await second
                .AnswerAsync(image, null, PredictionWishes.None, CancellationToken.None)
                .ConfigureAwait(false);
            (TransferPrediction own, TransferPrediction its) = second == candidate ? (first, other) : (other, first);
            Add(own.Label == its.Label, its.Probability - (double)own.Probability);
        }
        catch (Exception e) when (e is TransferException or ImageRejectedException)
        {
            Skip();
        }
    }

    private void Add(bool agrees, double difference)
    {
        instruments.Compared(model.Name, candidate.Name, agrees ? "true" : "false");
        bool isTime;
        lock (gate)
        {
            images++;
            agreed += agrees ? 1 : 0;
            sum += difference;
            squares += difference * difference;
            isTime = clock.GetElapsedTime(reportedAt) >= ReportEvery;
        }

        if (isTime)
            Report();
    }

    private void Skip()
    {
        instruments.Compared(model.Name, candidate.Name, "skipped");
        lock (gate)
            skipped++;
    }
}
