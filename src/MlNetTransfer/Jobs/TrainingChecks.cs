using System.Security.Cryptography;
using MlNetTransfer.Checks;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Jobs;

/// <summary>
/// What a training run can say of its images without another look at them: by their digests, the features that it has
/// in memory, and the probabilities of the images held out.
/// </summary>
/// <remarks>
/// Labels are judged by <see cref="ConfidentLearning"/>'s rule on the run's own probabilities of images that a model
/// had not seen: all of them with folds, else those held out. Near images and outliers are looked for by features
/// alone, among <see cref="MostRows"/> at most.
/// </remarks>
internal sealed class TrainingChecks
{
    /// <summary>Findings that a report holds at most.</summary>
    public const int MostStored = 200;

    /// <summary>Rows that are compared with each other at most: a second or two.</summary>
    private const int MostRows = 10_000;

    /// <summary>Numbers of their features at most, 128 MB: they are copied.</summary>
    private const int MostValues = 1 << 25;

    /// <summary>Multiplications for outliers at most.</summary>
    private const double MostSteps = 1e9;

    private const int Named = 3;

    private readonly TrainingSet set;
    private readonly Trial trial;
    private readonly bool texts;
    private readonly List<DataFinding> findings = [];

    /// <summary>Rows that are compared with each other, ascending.</summary>
    private readonly int[] compared;

    private TrainingChecks(TrainingSet set, Trial trial, bool texts)
    {
        (this.set, this.trial, this.texts) = (set, trial, texts);
        int rows = set.Table.Rows,
            most = Math.Min(Math.Min(rows, MostRows), Math.Max(1, MostValues / set.Table.Width));
        // Rows stand in the order of their contents: every so manieth is a draw.
        compared = [.. Enumerable.Range(0, most).Select(i => (int)((long)i * rows / most))];
    }

    /// <summary>How many findings there are of each kind, in the order in which they are best mended.</summary>
    public IReadOnlyDictionary<FindingKind, int> Counts =>
        findings.GroupBy(f => f.Kind).OrderBy(g => g.Key).ToDictionary(g => g.Key, g => g.Count());

    /// <summary>The findings that are kept, ordered by kind: of too many, the first of each kind in turns.</summary>
    public IReadOnlyList<DataFinding> Kept =>
        [
            .. findings
                .GroupBy(f => f.Kind)
                .SelectMany(kind => kind.Select((finding, place) => (finding, place)))
                .OrderBy(f => f.place)
                .ThenBy(f => f.finding.Kind)
                .Take(MostStored)
                .OrderBy(f => f.finding.Kind)
                .ThenBy(f => f.place)
                .Select(f => f.finding),
        ];

    /// <summary>A line for each kind that nothing else has said already.</summary>
    public IEnumerable<string> Notes()
    {
        // Those that are equal byte for byte have a note of their own.
        DataFinding[] leaks = [.. Of(FindingKind.Leak).Where(f => !f.Exact)],
            conflicts = [.. Of(FindingKind.LabelConflict).Where(f => !f.Exact)],
            twice = [.. Of(FindingKind.Duplicate), .. Of(FindingKind.NearDuplicate)],
            labels = [.. Of(FindingKind.LabelError)],
            outliers = [.. Of(FindingKind.Outlier)];
        if (leaks.Length > 0)
            yield return $"{Images(leaks)} nearly the same as one in the other part of the split, so the accuracy may "
                + $"be too high: keep both on one side ({Some(leaks, Pair)}).";
        if (conflicts.Length > 0)
            yield return $"{Images(conflicts)} nearly the same as one of another class: decide which class is right "
                + $"({Some(conflicts, Pair)}).";
        if (labels.Length > 0)
            yield return $"{labels.Length} image{(labels.Length == 1 ? "" : "s")} may carry the wrong label: look at "
                + $"{(labels.Length == 1 ? "it" : "them")} first ({Some(labels, f => f.Files[0])}).";
        if (twice.Length > 0)
            yield return $"{Images(twice)} there twice, or nearly: keep one of each, or give both one group "
                + $"({Some(twice, Pair)}).";
        if (outliers.Length > 0)
            yield return $"{Images(outliers)} unlike the others of the class: look whether "
                + $"{(outliers.Length == 1 ? "it belongs" : "they belong")} there ({Some(outliers, f => f.Files[0])}).";
        if (compared.Length < set.Table.Rows)
            yield return FormattableString.Invariant(
                $"{compared.Length} of {set.Table.Rows} images were compared for copies and outliers; 'mlnet-transfer "
            ) + "check' compares all.";

        static string Images(DataFinding[] some) => some.Length == 1 ? "1 image is" : $"{some.Length} images are";

        static string Pair(DataFinding finding) => string.Join(" = ", finding.Files);

        static string Some(DataFinding[] some, Func<DataFinding, string> name) =>
            DuplicateNotes.Some(some.Select(name));
    }

    /// <summary>Looks at the images of a run.</summary>
    /// <param name="set">The images.</param>
    /// <param name="trial">What was said of those held out.</param>
    /// <param name="texts">Whether they are texts: then labels are judged, and copies found byte for byte.</param>
    /// <param name="workers">Threads at most; no result depends on it.</param>
    /// <param name="cancellation">Ends the work.</param>
    public static TrainingChecks Of(
        TrainingSet set,
        Trial trial,
        bool texts,
        int workers,
        CancellationToken cancellation
    )
    {
        var checks = new TrainingChecks(set, trial, texts);
        checks.Look(new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation });
        return checks;
    }

    private IEnumerable<DataFinding> Of(FindingKind kind) => findings.Where(f => f.Kind == kind);

    private void Look(ParallelOptions parallel)
    {
        LabelErrors judged = Judged();
        IReadOnlyList<(int Row, DataFinding Finding)> labels = judged.Find([
            .. Enumerable.Range(0, set.Table.Rows).Select(set.Item),
        ]);
        CheckedImages images = Compared();
        Duplicates duplicates = Duplicates.ByFeatures(images, near: !texts, parallel);
        double[] beliefs = judged.Beliefs();
        double[] ofCompared = [.. compared.Select(row => beliefs[row])];
        findings.AddRange(duplicates.Matches.Select(match => match.Finding(images, ofCompared)));
        findings.AddRange(labels.Select(found => found.Finding));
        if (!texts)
        {
            HashSet<int> wrong = [.. labels.Select(found => found.Row)],
                explained = [.. Enumerable.Range(0, compared.Length).Where(i => wrong.Contains(compared[i]))];
            foreach (Match match in duplicates.Matches.Where(match => match.Kind == FindingKind.LabelConflict))
                explained.UnionWith([match.Row, match.Other]);
            double most = MostSteps / ((double)images.Count * set.Table.Width);
            findings.AddRange(
                Outliers.Find(
                    images,
                    duplicates.Together,
                    explained,
                    parallel,
                    null,
                    (int)Math.Clamp(most, 10 * Outliers.Neighbours, Outliers.MostCompared)
                )
            );
        }

        findings.AddRange(ClassSizes.Find(set.Data.ClassNames, set.Table.RowsPerClass()));
    }

    /// <summary>What was said of the images held out, by models that knew their class.</summary>
    private LabelErrors Judged()
    {
        int classes = set.Table.Classes;
        ILookup<int, int> foldsOf = Enumerable
            .Range(0, trial.Folds.Count)
            .ToLookup(i => set.Table.Labels[trial.TestRows[i]], i => trial.Folds[i]);
        // A class all of whose images lie in one fold, as those of one group do, was not known to the model of it.
        bool[] known = [.. Enumerable.Range(0, classes).Select(c => foldsOf[c].Distinct().Count() != 1)];
        int[] kept =
        [
            .. Enumerable.Range(0, trial.TestRows.Count).Where(i => known[set.Table.Labels[trial.TestRows[i]]]),
        ];
        var probabilities = new float[kept.Length * classes];
        for (int i = 0; i < kept.Length; i++)
            trial.Probabilities.Span.Slice(kept[i] * classes, classes).CopyTo(probabilities.AsSpan(i * classes));
        return LabelErrors.Of(set.Table, [.. kept.Select(i => trial.TestRows[i])], probabilities);
    }

    private CheckedImages Compared()
    {
        FeatureTable own = set.Table.Select(compared);
        var digests = new byte[compared.Length * SHA256.HashSizeInBytes];
        for (int i = 0; i < compared.Length; i++)
            set.Rows.Digests.AsSpan(compared[i] * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes)
                .CopyTo(digests.AsSpan(i * SHA256.HashSizeInBytes));
        return new CheckedImages(
            [.. compared.Select(set.Item)],
            own,
            ImagePoints.InPlace(own),
            digests,
            new ImageFacts?[compared.Length],
            Parts()
        );
    }

    /// <summary>The parts as they were trained on and judged; null with folds, where every image is both.</summary>
    private SplitPart[]? Parts()
    {
        if (trial.FoldAccuracies.Count > 0)
            return null;
        HashSet<int> heldOut = [.. trial.TestRows];
        SplitPart name = set.Data.Splits is { } splits ? PremadeSplit.HeldOut(splits) : SplitPart.Test;
        return [.. compared.Select(row => heldOut.Contains(row) ? name : SplitPart.Train)];
    }
}
