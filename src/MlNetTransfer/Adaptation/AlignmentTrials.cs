using MlNetTransfer.Advice;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Adaptation;

/// <summary>Two domains, as a choice of an alignment sees them.</summary>
/// <param name="Source">Labelled rows with the features of all taps side by side.</param>
/// <param name="Target">Rows of the other domain; labels are not looked at.</param>
/// <param name="SourceGroups">Group of each source row: equal images, and what a list says belongs together.</param>
/// <param name="SourceDigests">SHA-256 of the source's images [rows × 32].</param>
/// <param name="TargetDigests">SHA-256 of the target's.</param>
/// <param name="Groups">Which features come from which tap.</param>
/// <param name="Judged">Places of the taps that the methods are judged on.</param>
internal sealed record TwoDomains(
    FeatureTable Source,
    FeatureTable Target,
    IReadOnlyList<int> SourceGroups,
    byte[] SourceDigests,
    byte[] TargetDigests,
    TapGroups Groups,
    IReadOnlyList<int> Judged
);

/// <summary>
/// Tries alignments, and takes the simplest one that the images support, without labels of the target: its mutual
/// information of image and class (<see cref="UnlabelledScores"/>) is above that of the unmoved source by more than two
/// standard errors, and the moved source's classes are told apart as well as before.
/// </summary>
/// <remarks>
/// <para>Without the second condition the method is taken that does most harm: what carries every source image into
/// the middle of some target images makes a classifier of them sure and even, and wrong. Moving that keeps the classes
/// apart keeps them so for a classifier that is fitted on a part of the moved source and judged on the rest, to within
/// one standard error of the paired difference.</para>
/// <para>All are judged by a kernel head on the last taps of each network (of more than 5,000 source images, by
/// logistic regression), on about 2,000 source images, at least two of each class, by five folds that keep groups and
/// equal images together; and on different images of the target, so that copies count once.</para>
/// </remarks>
/// <param name="domains">The domains.</param>
/// <param name="options">What may be used.</param>
internal sealed class AlignmentTrials(TwoDomains domains, AlignmentOptions options)
{
    private const double Errors = 2;
    private const int Folds = 5;
    private const double DomainPenalty = 1,
        ManyPenalty = 0.1;
    private readonly int[] different = Different(domains.TargetDigests);
    private readonly IReadOnlyList<int> sample = StratifiedSample.RowsOf(
        domains.Source,
        StratifiedSample.ComparedRows,
        options.Seed
    );

    private FeatureTable Target => field ??= domains.Groups.Columns(domains.Target.Select(different), domains.Judged);

    private IHeadTrainer Trainer =>
        sample.Count <= KernelRidgeTrainer.MostRows
            ? new KernelRidgeTrainer(new KernelRidgeTrainerOptions { Workers = options.Workers })
            : new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = ManyPenalty, Workers = options.Workers });

    /// <summary>Tries methods; the unmoved source is always among them.</summary>
    /// <param name="methods">The others.</param>
    /// <param name="truth">Labels of the target's rows, -1 where there is none, by which figures that are shown are
    /// made and no choice; null where they are not known.</param>
    /// <param name="progress">Told which is tried.</param>
    /// <param name="cancellation">Ends the work.</param>
    public IReadOnlyList<AlignmentTrial> Run(
        IEnumerable<AlignmentMethod> methods,
        IReadOnlyList<int>? truth,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        AlignmentMethod[] all = [AlignmentMethod.None, .. methods.Where(m => m != AlignmentMethod.None)];
        byte[] digests = DomainDistance.DigestsOf(sample, domains.SourceDigests);
        int[] fold = Fold();
        List<AlignmentTrial> trials = [];
        Judged? unmoved = null;
        for (int i = 0; i < all.Length; i++)
        {
            progress?.Report(new FitProgress("Trying alignments", i, all.Length));
            FeatureTable moved = all[i].Align(domains.Source, domains.Target, options, cancellation);
            Judged judged = Judge(domains.Groups.Columns(moved, domains.Judged).Select(sample), fold, cancellation);
            trials.Add(Trial(all[i], judged, unmoved, digests, truth, cancellation));
            unmoved ??= judged;
        }

        progress?.Report(new FitProgress("Trying alignments", all.Length, all.Length));
        int taken = Math.Max(0, trials.FindIndex(t => t.KeepsClasses && t.Gain > Errors * t.GainError));
        return [.. trials.Select((trial, i) => trial with { Taken = i == taken })];
    }

    private Judged Judge(FeatureTable rows, int[] fold, CancellationToken cancellation)
    {
        OutOfFoldPredictions held = CrossValidation.OutOfFold(Trainer, rows, fold, cancellation: cancellation);
        float[] logits = HeadRows.Logits(Trainer.Fit(rows, null, cancellation), Target);
        return new Judged(
            rows,
            held.Rows,
            JudgedRows.Right(held.Labels, held.Logits, held.Classes),
            logits,
            new PredictedClasses(logits, Target.Classes)
        );
    }

    private AlignmentTrial Trial(
        AlignmentMethod method,
        Judged found,
        Judged? unmoved,
        byte[] digests,
        IReadOnlyList<int>? truth,
        CancellationToken cancellation
    )
    {
        (double gain, double error) = unmoved is null ? (0, 0) : found.Predicted.Above(unmoved.Predicted, options.Seed);
        var change = PairedDifference.Of((unmoved ?? found).Right, found.Right);
        double[] weights = Weights(found.Rows, cancellation);
        double sum = found.Held.Sum(row => weights[row]);
        var trial = new AlignmentTrial(method)
        {
            Scores = UnlabelledScores.Of(found.Logits, Target.Classes, found.Predicted),
            Gain = gain,
            GainError = error,
            SourceAccuracy = found.Right.Average(hit => hit ? 1.0 : 0),
            KeepsClasses = change.Score(0) >= -1,
            WeightedAccuracy = found.Held.Zip(found.Right, (row, hit) => hit ? weights[row] : 0).Sum() / sum,
            Distance = DomainDistance.Between(
                found.Rows,
                Target,
                digests,
                DomainDistance.DigestsOf(different, domains.TargetDigests),
                options.Seed,
                cancellation
            ),
        };
        if (truth is null)
            return trial;
        int[] labels = [.. different.Select(row => truth[row])];
        bool[] right = [.. JudgedRows.Right(labels, found.Logits, Target.Classes).Where((_, row) => labels[row] >= 0)];
        if (right.Length == 0)
            return trial;
        Interval interval = WilsonInterval.Of(right.Count(hit => hit), right.Length);
        return trial with
        {
            Accuracy = right.Average(hit => hit ? 1.0 : 0),
            AccuracyInterval = [interval.Low, interval.High],
        };
    }

    /// <summary>
    /// The fold of each row of the sample: groups stay together, those of a class are spread over the folds in turn. A
    /// class that lies in one fold is not known to the head that judges it there.
    /// </summary>
    private int[] Fold()
    {
        Dictionary<int, int> folds = [];
        var fold = new int[sample.Count];
        int next = 0;
        foreach (
            int place in Enumerable
                .Range(0, sample.Count)
                .OrderBy(
                    place => domains.Source.ClassNames[domains.Source.Labels[sample[place]]],
                    StringComparer.Ordinal
                )
        )
        {
            int group = domains.SourceGroups[sample[place]];
            if (!folds.TryGetValue(group, out fold[place]))
                folds[group] = fold[place] = next++ % Folds;
        }

        return fold;
    }

    private static int[] Different(byte[] digests)
    {
        int[] groups = Datasets.Groups.OfDigests(digests);
        return [.. Enumerable.Range(0, groups.Length).DistinctBy(row => groups[row])];
    }

    /// <summary>p(target)/p(source) of each source row by a classifier of domains, times source/target rows.</summary>
    private double[] Weights(FeatureTable rows, CancellationToken cancellation)
    {
        const double least = 1e-6;
        var both = new FeatureTable(
            ["source", "target"],
            [.. Enumerable.Repeat(0, rows.Rows), .. Enumerable.Repeat(1, Target.Rows)],
            [.. rows.Values, .. Target.Values],
            rows.Width
        )
        {
            Networks = rows.Networks,
        };
        float[] found = new SoftmaxTrainer(new SoftmaxTrainerOptions { L2 = DomainPenalty, Workers = options.Workers })
            .Fit(both, null, cancellation)
            .Predict(rows);
        return
        [
            .. Enumerable
                .Range(0, rows.Rows)
                .Select(row =>
                    Math.Max(found[2 * row + 1], least) / Math.Max(found[2 * row], least) * rows.Rows / Target.Rows
                ),
        ];
    }

    /// <summary>What a head says that is fitted on moved rows.</summary>
    /// <param name="Rows">The moved rows.</param>
    /// <param name="Held">Those of them that a fold held out.</param>
    /// <param name="Right">Whether each of those is right.</param>
    /// <param name="Logits">Logits of the target's rows.</param>
    /// <param name="Predicted">What those are taken for.</param>
    private sealed record Judged(
        FeatureTable Rows,
        IReadOnlyList<int> Held,
        bool[] Right,
        float[] Logits,
        PredictedClasses Predicted
    );
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

    /// <summary>Accuracy on moved source images that a fold held out, in [0, 1].</summary>
    public required double SourceAccuracy { get; init; }

    /// <summary>
    /// Whether that is no lower than for the unmoved source, to within a standard error of the paired difference.
    /// </summary>
    public required bool KeepsClasses { get; init; }

    /// <summary>
    /// The same accuracy, each image counted by how much more often its like are in the target than in the source, in
    /// [0, 1]: what importance weighting expects of the target (Sugiyama, Krauledat and Müller, JMLR 8, 2007). No
    /// choice looks at it.
    /// </summary>
    public required double WeightedAccuracy { get; init; }

    /// <summary>How far the moved source is from the target.</summary>
    public required DomainDistance Distance { get; init; }

    /// <summary>Whether it is the one that the model is trained by.</summary>
    public bool Taken { get; init; }

    /// <summary>
    /// Accuracy on the target's images of the head that methods are compared by, in [0, 1], where their labels were
    /// given to judge by; no choice looks at it, and the head of the model is another.
    /// </summary>
    public double? Accuracy { get; init; }

    /// <summary>95 % Wilson interval of that [low, high]; null where there is none.</summary>
    public IReadOnlyList<double>? AccuracyInterval { get; init; }
}
