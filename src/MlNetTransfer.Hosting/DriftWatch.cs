using Microsoft.Extensions.Logging;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Hosting;

/// <summary>How like the training images the images of late are.</summary>
/// <param name="Images">The last images that are looked at, up to 1,000.</param>
/// <param name="UnknownShare">Share of them that is unlike all training images.</param>
/// <param name="ExpectedShare">What that share is among images of the kind that the model was trained on.</param>
/// <param name="MedianScore">Median of how unlike they are; 1 is the threshold.</param>
/// <param name="Drifted">Whether the share is larger than expected beyond chance.</param>
public sealed record DriftStatus(
    int Images,
    double UnknownShare,
    double ExpectedShare,
    double MedianScore,
    bool Drifted
);

/// <summary>
/// Watches how far the features of the images that come are from those of the training images: the share beyond the
/// threshold, of the last 1,000. Thread-safe.
/// </summary>
/// <remarks>
/// The threshold was set so that a known share of images held out lies beyond it. The images have drifted where the
/// lower end of the 99.9 % interval of the share of late is above the upper end of the 95 % interval of that known
/// share, which rests on as many images as were held out (Wilson, both): the watch looks at every image, so chance must
/// be given little room.
/// </remarks>
/// <param name="model">Name of the model.</param>
/// <param name="instruments">Told of every score and of the state.</param>
/// <param name="logger">Told when it changes.</param>
internal sealed class DriftWatch(string model, TransferInstruments instruments, ILogger logger)
{
    /// <summary>Fewest images that say anything.</summary>
    public const int Least = 100;

    private const int Window = 1000;
    private readonly Queue<float> scores = new();
    private readonly Lock gate = new();
    private UnknownImages? facts;
    private string? sha256;
    private int unknown;
    private bool drifted;

    /// <summary>What is known now; null before enough images have come.</summary>
    public DriftStatus? Status
    {
        get
        {
            lock (gate)
            {
                if (facts is null || scores.Count < Least)
                    return null;
                float[] sorted = [.. scores.Order()];
                return new DriftStatus(
                    scores.Count,
                    (double)unknown / scores.Count,
                    1 - facts.Kept,
                    sorted[sorted.Length / 2],
                    drifted
                );
            }
        }
    }

    /// <summary>Counts an image.</summary>
    /// <param name="prediction">What the model said of it.</param>
    /// <param name="served">SHA-256 of the model file that is served now; null where none is.</param>
    public void Add(TransferPrediction prediction, string? served)
    {
        int change = 0;
        DriftStatus? began = null;
        bool ended = false;
        lock (gate)
        {
            if (sha256 != served)
            {
                // Another model measures with another rule, or not at all.
                scores.Clear();
                (unknown, sha256, facts) = (0, served, null);
                change = drifted ? -1 : 0;
                drifted = false;
            }

            if (prediction.Model.Sha256 == served && prediction is { UnknownFacts: { } known, UnknownScore: { } score })
            {
                instruments.Unknown(model, score);
                facts = known;
                scores.Enqueue(score);
                unknown += score > 1 ? 1 : 0;
                if (scores.Count > Window)
                    unknown -= scores.Dequeue() > 1 ? 1 : 0;
                bool now = scores.Count >= Least && IsBeyondChance(unknown, scores.Count, known);
                if (now != drifted)
                {
                    drifted = now;
                    change += now ? 1 : -1;
                    (began, ended) = (now ? Status : null, !now);
                }
            }

            if (change != 0)
                instruments.Drifted(model, change);
        }

        if (began is not null)
            Log.Drifted(logger, model, began.UnknownShare, began.Images, began.ExpectedShare);
        else if (ended)
            Log.NotDrifted(logger, model);
    }

    /// <summary>Whether more images are unlike all training images than those held out were.</summary>
    internal static bool IsBeyondChance(int unknown, int images, UnknownImages of) =>
        WilsonInterval.Of(unknown, images, 0.999).Low
        > WilsonInterval.Of((int)Math.Round((1 - of.Kept) * of.Images), of.Images).High;
}
