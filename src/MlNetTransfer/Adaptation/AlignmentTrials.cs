using System.Numerics.Tensors;
using MlNetTransfer.Advice;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Adaptation;

/// <summary>Two domains, as a choice of an alignment sees them.</summary>
/// <param name="Source">Labelled rows with the features of all taps side by side.</param>
/// <param name="Target">Rows of the other domain; labels are not looked at.</param>
/// <param name="SourceDigests">SHA-256 of the source's images [rows × 32].</param>
/// <param name="TargetDigests">SHA-256 of the target's.</param>
/// <param name="Groups">Which features come from which tap.</param>
/// <param name="Judged">Places of the taps that the methods are judged on.</param>
internal sealed record TwoDomains(
    FeatureTable Source,
    FeatureTable Target,
    byte[] SourceDigests,
    byte[] TargetDigests,
    TapGroups Groups,
    IReadOnlyList<int> Judged
);

/// <summary>
/// Tries alignments, and takes the one that images without labels speak for: the highest mutual information of image
/// and class, if it is above that of the unmoved source by more than two standard errors.
/// </summary>
/// <remarks>
/// All are judged by one kind of classifier, logistic regression with the penalty and the scale of the logits that
/// cross-validation on the unmoved source gives: each with its own would be compared by how sure it is allowed to be.
/// </remarks>
/// <param name="domains">The domains.</param>
/// <param name="options">What may be used.</param>
internal sealed class AlignmentTrials(TwoDomains domains, AlignmentOptions options)
{
    private const double Errors = 2;
    private const int Folds = 5;
    private readonly FeatureTable target = domains.Groups.Columns(domains.Target, domains.Judged);
    private SoftmaxTrainerOptions? fixedHead;
    private float scale = 1;

    /// <summary>Tries methods; the unmoved source is always among them.</summary>
    /// <param name="methods">The others.</param>
    /// <param name="truth">Labels of the target's rows, by which figures that are shown are made and no choice; null
    /// where they are not known.</param>
    /// <param name="progress">Told which is tried.</param>
    /// <param name="cancellation">Ends the work.</param>
    public (IReadOnlyList<AlignmentTrial> Trials, FeatureTable Aligned) Run(
        IEnumerable<AlignmentMethod> methods,
        IReadOnlyList<int>? truth,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        AlignmentMethod[] all = [AlignmentMethod.None, .. methods.Where(m => m != AlignmentMethod.None)];
        FeatureTable aligned = domains.Source;
        List<(AlignmentTrial Trial, float[] Probabilities)> tried = [];
        int best = 0;
        for (int i = 0; i < all.Length; i++)
        {
            progress?.Report(new FitProgress("Trying alignments", i, all.Length));
            FeatureTable moved = all[i].Align(domains.Source, domains.Target, options, cancellation);
            (AlignmentTrial trial, float[] probabilities) = Try(
                all[i],
                moved,
                tried.Count == 0 ? null : tried[0].Probabilities,
                truth,
                cancellation
            );
            tried.Add((trial, probabilities));
            if (trial.Scores.Information <= tried[best].Trial.Scores.Information && i > 0)
                continue;
            best = i;
            aligned = moved;
        }

        if (best > 0 && tried[best].Trial.Gain <= Errors * tried[best].Trial.GainError)
            (best, aligned) = (0, domains.Source);
        progress?.Report(new FitProgress("Trying alignments", all.Length, all.Length));
        return ([.. tried.Select((t, i) => t.Trial with { Taken = i == best })], aligned);
    }

    private (AlignmentTrial Trial, float[] Probabilities) Try(
        AlignmentMethod method,
        FeatureTable moved,
        float[]? unmoved,
        IReadOnlyList<int>? truth,
        CancellationToken cancellation
    )
    {
        FeatureTable rows = domains.Groups.Columns(moved, domains.Judged);
        int classes = rows.Classes;
        float[] probabilities = Fit(rows, cancellation)(target);
        (double gain, double error) = unmoved is null
            ? (0, 0)
            : UnlabelledScores.Gain(probabilities, unmoved, classes, options.Seed);
        var trial = new AlignmentTrial(method)
        {
            Scores = UnlabelledScores.Of(probabilities, classes),
            WeightedAccuracy = Weighted(rows, cancellation),
            Gain = gain,
            GainError = error,
            Distance = DomainDistance.Between(
                rows,
                target,
                domains.SourceDigests,
                domains.TargetDigests,
                options.Seed,
                cancellation
            ),
        };
        if (truth is null)
            return (trial, probabilities);
        bool[] right = JudgedRows.Right(truth, probabilities, classes);
        Interval interval = WilsonInterval.Of(right.Count(hit => hit), right.Length);
        return (
            trial with
            {
                Accuracy = right.Average(hit => hit ? 1.0 : 0),
                AccuracyInterval = [interval.Low, interval.High],
            },
            probabilities
        );
    }

    /// <summary>A classifier of the one kind that all are judged by.</summary>
    private Func<FeatureTable, float[]> Fit(FeatureTable rows, CancellationToken cancellation)
    {
        if (fixedHead is null)
        {
            SoftmaxFitReport found = new SoftmaxTrainer(
                new SoftmaxTrainerOptions { Seed = options.Seed, Workers = options.Workers }
            )
                .Fit(rows, null, cancellation)
                .Report;
            fixedHead = new SoftmaxTrainerOptions { L2 = found.L2, Workers = options.Workers };
            scale = (float)found.LogitScale;
        }

        SoftmaxHead head = new SoftmaxTrainer(fixedHead).Fit(rows, null, cancellation);
        return table =>
        {
            var logits = new float[table.Rows * table.Classes];
            head.Logits(table.Values, logits);
            TensorPrimitives.Multiply(logits, scale, logits);
            for (int row = 0; row < table.Rows; row++)
            {
                Span<float> own = logits.AsSpan(row * table.Classes, table.Classes);
                TensorPrimitives.SoftMax(own, own);
            }

            return logits;
        };
    }

    /// <summary>
    /// Accuracy on source rows held out, each counted by how much more often its like are in the target than in the
    /// source (importance-weighted validation; Sugiyama, Krauledat and Müller, JMLR 8, 2007).
    /// </summary>
    private double Weighted(FeatureTable rows, CancellationToken cancellation)
    {
        int[] fold = Datasets.StratifiedFolds.Assign(
            rows.Labels,
            Datasets.Groups.OfDigests(domains.SourceDigests),
            Folds,
            options.Seed,
            rows.ClassNames,
            domains.SourceDigests
        );
        double[] weights = Weights(rows, cancellation);
        double hits = 0,
            sum = 0;
        for (int f = 0; f < Folds; f++)
        {
            int[] held = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] == f)],
                rest = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] != f)];
            FeatureTable train = rows.Select(rest);
            // A class whose images are all held out cannot be found.
            if (held.Length == 0 || train.RowsPerClass().Contains(0))
                continue;
            bool[] right = JudgedRows.Right(
                [.. held.Select(row => rows.Labels[row])],
                Fit(train, cancellation)(rows.Select(held)),
                rows.Classes
            );
            for (int i = 0; i < held.Length; i++)
            {
                sum += weights[held[i]];
                hits += right[i] ? weights[held[i]] : 0;
            }
        }

        return sum > 0 ? hits / sum : 0;
    }

    /// <summary>p(target)/p(source) of each source row by a classifier of domains, times source/target rows.</summary>
    private double[] Weights(FeatureTable rows, CancellationToken cancellation)
    {
        var both = new FeatureTable(
            ["source", "target"],
            [.. Enumerable.Repeat(0, rows.Rows), .. Enumerable.Repeat(1, target.Rows)],
            [.. rows.Values, .. target.Values],
            rows.Width
        )
        {
            Networks = rows.Networks,
        };
        float[] found = new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = 1, Workers = options.Workers })
            .Fit(both, null, cancellation)
            .Predict(rows);
        return
        [
            .. Enumerable
                .Range(0, rows.Rows)
                .Select(row => found[2 * row + 1] / Math.Max(found[2 * row], 1e-6) * rows.Rows / target.Rows),
        ];
    }
}

/// <summary>What was found for one alignment.</summary>
/// <param name="Method">The alignment.</param>
public sealed record AlignmentTrial(AlignmentMethod Method)
{
    /// <summary>What the target's images say without labels.</summary>
    public required UnlabelledScores Scores { get; init; }

    /// <summary>Mutual information less that of the unmoved source, in nats.</summary>
    public required double Gain { get; init; }

    /// <summary>Its standard error, by the bootstrap over the target's images.</summary>
    public required double GainError { get; init; }

    /// <summary>
    /// Accuracy on source images held out, each counted by how much more often its like are in the target, in [0, 1]:
    /// what importance weighting expects of the target.
    /// </summary>
    public required double WeightedAccuracy { get; init; }

    /// <summary>How far the moved source is from the target.</summary>
    public required DomainDistance Distance { get; init; }

    /// <summary>Whether it is the one that the model is trained by.</summary>
    public bool Taken { get; init; }

    /// <summary>
    /// Accuracy on the target's images, in [0, 1], where their labels were given to judge by; no choice looks at it.
    /// </summary>
    public double? Accuracy { get; init; }

    /// <summary>95 % Wilson interval of that [low, high]; null where there is none.</summary>
    public IReadOnlyList<double>? AccuracyInterval { get; init; }
}
