using System.Globalization;
using System.Text.Json.Serialization;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>
/// Trains a classifier on images without labels too, where images held out speak for it: they are given labels (see
/// <see cref="PseudoLabelMethod"/>), and a kernel head is fitted on all.
/// </summary>
/// <remarks>
/// <para>Every way is judged beside the classifier of the labelled images alone by cross-validation on those: of each
/// fold neither the classifier nor what is spread knows the labels. The way with the lowest log-loss is taken, each at
/// its best temperature; the classifier of the labelled images alone where none is below its. With up to
/// <see cref="FewRows"/> labelled images the folds are drawn three times, since one draw of few images is luck.</para>
/// <para>The kind of head and the taps of the classifier of the labelled images alone are those that were chosen on all
/// of them: it looks a little better than it is, which makes the choice careful.</para>
/// <para>Up to <see cref="ComparedRows"/> images without labels take part in the comparison, all of them in the model:
/// more of them helped more. Where a way is given, it is taken whatever the folds say.</para>
/// </remarks>
/// <param name="unlabelled">The images without labels, with the features of all taps side by side.</param>
/// <param name="method">The way; null for the best.</param>
/// <param name="options">How heads are fitted.</param>
/// <param name="groups">The taps.</param>
internal sealed class SelfTraining(
    FeatureTable unlabelled,
    PseudoLabelMethod? method,
    HeadRecipeOptions options,
    TapGroups groups
)
{
    private const int ComparedRows = 500,
        LabelledRows = 1000,
        FewRows = 100,
        Folds = 5,
        Draws = 3;

    // Below it, float32 has fewer digits.
    private const float Least = 1e-37f;

    private readonly PseudoLabelMethod[] methods = method is null ? [.. PseudoLabelMethod.All] : [method];

    /// <summary>Judges the ways, and fits the head of the one that is taken.</summary>
    /// <param name="alone">The classifier of the labelled images alone.</param>
    /// <param name="train">Those, with the features of all taps side by side.</param>
    /// <param name="progress">Told how far the comparison is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public FittedHead Fit(
        FittedHead alone,
        FeatureTable train,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        // Of a choice among networks, what was chosen is not chosen again.
        int[] own = groups.TapsOf(alone.Groups.Only(alone.Taps).DistinctNetworks);
        TapGroups part = groups.Only(own);
        int[] inPart = [.. alone.Taps.Select(tap => Array.IndexOf(own, tap))],
            taps = options.ChoosesTap && options.Head == HeadKind.Auto ? HeadFitter.LastTaps(part) : inPart;
        FeatureTable labelled = groups.Columns(train, own),
            others = groups.Columns(unlabelled, own);
        Judgement[] judged = Judge(
            Again(alone, part, inPart),
            part,
            taps,
            StratifiedSample.Of(labelled, LabelledRows, options.Seed),
            others.Select([.. Enumerable.Range(0, Math.Min(ComparedRows, others.Rows))]),
            progress,
            cancellation
        );
        Judgement best = judged.MinBy(j => j.LogLoss)!;
        PseudoLabelMethod? taken = method ?? best.Method;
        SelfTrainingTrial[] trials = [.. judged.Select(j => j.Trial(judged[0], j.Method == taken))];
        if (taken is null)
            return alone with { SelfTraining = Summary(null) };
        (IHead head, PseudoLabelMethod.PseudoLabels given) = Fit(
            taken,
            part,
            taps,
            labelled,
            others,
            alone.Predict(unlabelled),
            cancellation
        );
        TemperatureCalibration calibration = TemperatureCalibration.Fit(judged.Single(j => j.Method == taken).Logits);
        return alone with
        {
            Taps = [.. taps.Select(tap => own[tap])],
            Selection = new HeadSelection(
                HeadKind.Kernel.Label,
                calibration.Apply(head),
                calibration.Temperature,
                alone.Selection.Trials,
                alone.Selection.Rows
            ),
            SelfTraining = Summary(given),
        };

        SelfTrainingSummary Summary(PseudoLabelMethod.PseudoLabels? given) =>
            new()
            {
                Images = unlabelled.Rows,
                Method = taken,
                Trials = trials,
                Classes = given is null ? [] : Counts(given.Labels, train.Classes),
                Certainty = given?.Weights.Average() ?? 0,
            };
    }

    /// <summary>
    /// Fits a head of the kind and on the taps that were chosen to a part of the rows; what it takes are rows of
    /// all taps of <paramref name="part"/>.
    /// </summary>
    private Func<FeatureTable, CancellationToken, Func<FeatureTable, float[]>> Again(
        FittedHead alone,
        TapGroups part,
        int[] taps
    )
    {
        HeadRecipeOptions chosen = options with
        {
            // A discriminant on features of all taps is no kind by itself: it is what is taken of several taps.
            Head = HeadKind.All.FirstOrDefault(kind => kind.Label == alone.Selection.Name) ?? HeadKind.Auto,
            ChoosesTap = false,
        };
        var fitter = new HeadFitter(chosen, part.Only(taps));
        return (train, cancellation) =>
        {
            FittedHead head = fitter.Fit(part.Columns(train, taps), null, cancellation);
            return rows => head.Predict(part.Columns(rows, taps));
        };
    }

    /// <summary>What rows held out say of no way and of every way.</summary>
    private Judgement[] Judge(
        Func<FeatureTable, CancellationToken, Func<FeatureTable, float[]>> alone,
        TapGroups part,
        int[] taps,
        FeatureTable labelled,
        FeatureTable others,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    )
    {
        double[]? weight = ClassWeighting.Of(labelled, options.ClassWeights);
        Judgement[] judged =
        [
            new(null, labelled.Classes, weight),
            .. methods.Select(m => new Judgement(m, labelled.Classes, weight)),
        ];
        int draws = labelled.Rows <= FewRows ? Draws : 1;
        for (int draw = 0; draw < draws; draw++)
        {
            int[] fold = CrossValidation.Folds(labelled.Labels, Folds, options.Seed + draw, labelled.ClassNames);
            for (int f = 0; f < Folds; f++)
            {
                progress?.Report(new FitProgress("Trying images without labels", draw * Folds + f, draws * Folds));
                int[] held = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] == f)],
                    rest = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] != f)];
                if (held.Length == 0)
                    continue;
                FeatureTable train = labelled.Select(rest),
                    test = labelled.Select(held);
                Func<FeatureTable, float[]> predict = alone(train, cancellation);
                judged[0].Add(held, test.Labels, Array.ConvertAll(predict(test), p => MathF.Log(MathF.Max(p, Least))));
                float[] said = predict(others);
                foreach (Judgement way in judged[1..])
                    way.Add(
                        held,
                        test.Labels,
                        HeadRows.Logits(
                            Fit(way.Method!, part, taps, train, others, said, cancellation).Head,
                            part.Columns(test, taps)
                        )
                    );
            }
        }

        return judged;
    }

    private (IHead Head, PseudoLabelMethod.PseudoLabels Given) Fit(
        PseudoLabelMethod way,
        TapGroups part,
        int[] taps,
        FeatureTable labelled,
        FeatureTable others,
        float[] said,
        CancellationToken cancellation
    )
    {
        FeatureTable train = part.Columns(labelled, taps),
            rest = part.Columns(others, taps);
        PseudoLabelMethod.PseudoLabels given = way.Give(train, rest, said, options.Workers, cancellation);
        var both = new FeatureTable(
            train.ClassNames,
            [.. train.Labels, .. given.Labels],
            [.. train.Values, .. rest.Values],
            train.Width
        )
        {
            Networks = train.Networks,
            Weights = [.. Enumerable.Repeat(1.0, train.Rows), .. given.Weights],
        };
        return (HeadKind.Kernel.Trainer(options).Fit(both, null, cancellation), given);
    }

    private static int[] Counts(int[] labels, int classes)
    {
        var counts = new int[classes];
        foreach (int label in labels)
            counts[label]++;
        return counts;
    }

    /// <summary>Rows that were held out, some of them several times.</summary>
    private sealed class Judgement(PseudoLabelMethod? method, int classes, double[]? weight)
    {
        private readonly List<(int Row, int Label)> rows = [];

        /// <summary>The way; null for none.</summary>
        public PseudoLabelMethod? Method => method;

        public HeldOutLogits Logits { get; } = new(classes) { AreFew = true };

        public double LogLoss => Logits.Rows == 0 ? 0 : Score.LogLoss;

        private HeldOut Score => Logits.Rows == 0 ? HeldOut.Nothing : Logits.Judge(Logits.Temper());

        public void Add(int[] held, int[] labels, float[] logits)
        {
            rows.AddRange(held.Zip(labels));
            for (int i = 0; i < held.Length; i++)
                Logits.Add(logits.AsSpan(i * classes, classes), labels[i], weight?[labels[i]] ?? 1);
        }

        /// <summary>It beside the classifier of the labelled images alone.</summary>
        public SelfTrainingTrial Trial(Judgement alone, bool isTaken)
        {
            (double gain, double error) = (0, 0);
            if (rows.Count > 0 && method is not null)
            {
                (double[] before, double[] weights) = alone.Losses();
                double[] gains = [.. before.Zip(Losses().Losses, (was, now) => was - now)];
                double all = weights.Sum();
                gain = gains.Zip(weights, (g, w) => w * g).Sum() / all;
                error = Math.Sqrt(gains.Zip(weights, (g, w) => Math.Pow(w * (g - gain), 2)).Sum()) / all;
            }

            return new SelfTrainingTrial(method?.Label ?? "none", Score)
            {
                Gain = gain,
                GainError = error,
                Taken = isTaken,
            };
        }

        /// <summary>Mean log-loss of every row that was held out, ascending, and how much it counts [rows].</summary>
        private (double[] Losses, double[] Weights) Losses()
        {
            double[] losses = Logits.Losses(Logits.Temper());
            IGrouping<int, int>[] byRow =
            [
                .. Enumerable.Range(0, rows.Count).GroupBy(i => rows[i].Row).OrderBy(row => row.Key),
            ];
            return (
                [.. byRow.Select(row => row.Average(i => losses[i]))],
                [.. byRow.Select(row => weight?[rows[row.First()].Label] ?? 1)]
            );
        }
    }
}

/// <summary>What images without labels did for a classifier.</summary>
public sealed record SelfTrainingSummary
{
    /// <summary>Images without labels that it could be trained on.</summary>
    public required int Images { get; init; }

    /// <summary>How they were given labels; null where the classifier was trained without them.</summary>
    public required PseudoLabelMethod? Method { get; init; }

    /// <summary>
    /// What labelled images held out say of the classifier without them, which stands first, and of every way with
    /// them; log-losses of 0 where there were too few to hold any out.
    /// </summary>
    public required IReadOnlyList<SelfTrainingTrial> Trials { get; init; }

    /// <summary>How many of them are taken for each class [classes]; empty where they were not used.</summary>
    public required IReadOnlyList<int> Classes { get; init; }

    /// <summary>Mean of what they count beside a labelled image, in [0, 1]; 0 where they were not used.</summary>
    public required double Certainty { get; init; }

    /// <summary>What came of it, in a sentence.</summary>
    [JsonIgnore]
    public string Verdict
    {
        get
        {
            SelfTrainingTrial shown =
                Trials.FirstOrDefault(t => t.Taken && t != Trials[0]) ?? Trials.Skip(1).MinBy(t => t.LogLoss)!;
            string judged =
                Trials[0].Score == HeldOut.Nothing
                    ? "there were too few labelled ones to hold any out"
                    : string.Create(
                        CultureInfo.InvariantCulture,
                        $"labelled ones held out have a log-loss of {shown.LogLoss:f3} with them and "
                            + $"{Trials[0].LogLoss:f3} without ({100 * shown.Accuracy:f1} % and "
                            + $"{100 * Trials[0].Accuracy:f1} % right)"
                    );
            return Method is null
                ? $"The {Images} items without labels were not used: {judged}."
                : $"The model is trained on {Images} items without labels too ({Method.Label}): {judged}.";
        }
    }
}

/// <summary>What labelled images held out say of a way to use images without labels.</summary>
/// <param name="Name">Name of the way; "none" for the classifier of the labelled images alone.</param>
/// <param name="Score">What was said of the images held out, at the best temperature.</param>
public sealed record SelfTrainingTrial(string Name, HeldOut Score) : Compared<string>(Name, Score)
{
    /// <summary>Log-loss of the classifier without them less its own, in nats: above 0 they help.</summary>
    public required double Gain { get; init; }

    /// <summary>Standard error of that over the images, each counted once.</summary>
    public required double GainError { get; init; }

    /// <summary>Whether the model was made in this way.</summary>
    public bool Taken { get; init; }
}
