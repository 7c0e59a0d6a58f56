using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>How features become a classifier. Immutable.</summary>
internal sealed record HeadRecipeOptions : HeadSettings
{
    /// <summary>The kind of head.</summary>
    public HeadKind Head { get; init; } = HeadKind.Auto;

    /// <summary>Whether the best of several taps is looked for; else all are taken together.</summary>
    public bool ChoosesTap { get; init; } = true;

    /// <summary>
    /// Whether the automatic choice is among linear heads only, which can become a layer of a network.
    /// </summary>
    public bool LinearOnly { get; init; }

    /// <summary>Whether classes get thresholds of their own.</summary>
    public ClassThresholds Thresholds { get; init; }
}

/// <summary>
/// How features become a classifier: choose the tap, then fit the head, on training rows only. The same in every fold,
/// in the training job and in the estimator chain.
/// </summary>
/// <remarks>
/// The automatic choice is a kernel head on the last three taps together, unless its held-out log-loss is more than two
/// standard errors above that of the best head on the best single tap or of a linear head on features selected across
/// all taps; then the better of those is taken. On seven tasks with resnet18 the kernel was right 3.5 points more often
/// than logistic regression on the last tap, and on none of them less often. All figures are of the training rows, of
/// about 2,000 of them where there are more; the head that is taken is fitted on all. Of several networks side by side
/// each brings its best tap, or its last three; what standardises features gives each network the same weight. With
/// fewer than five rows per class a choice of taps is noise (on ten classes of drawings with two images each it took
/// the accuracy from 32 to 26 %, with three from 37 to 36), and the default taps are taken.
/// </remarks>
/// <param name="options">How.</param>
/// <param name="groups">The taps whose features stand side by side in a row.</param>
/// <param name="defaultTaps">The taps that are taken where there are too few rows to compare, one of each
/// network.</param>
internal sealed class HeadFitter(HeadRecipeOptions options, TapGroups groups, params IReadOnlyList<string> defaultTaps)
{
    private const int LastOfNetwork = 3,
        LeastForTaps = 5;

    // Regression on indicators has a higher log-loss than its accuracy lets one expect: on ten classes of drawings the
    // kernel alone was right on 69.6 %, the choice by the plain lowest log-loss on 67.9 %.
    private const double KernelErrors = 2;
    private readonly HeadChoice head = new(options);

    /// <summary>Chooses and fits.</summary>
    /// <param name="train">Training rows with the features of all taps side by side.</param>
    /// <param name="progress">Told how far each stage is.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public FittedHead Fit(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        FittedHead found = Choose(train, progress, cancellation);
        return options.Thresholds == ClassThresholds.None
            ? found
            : found.With(ThresholdSearch.Apply(found.Head, Thresholds(train, progress, cancellation)));
    }

    /// <summary>What suits rows that the whole choice, made again without them, predicts.</summary>
    private double[] Thresholds(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        const int folds = 5;
        int[] fold = CrossValidation.Folds(train.Labels, folds, options.Seed, train.ClassNames);
        List<float> probabilities = [];
        List<int> labels = [];
        for (int f = 0; f < folds; f++)
        {
            progress?.Report(new FitProgress("Choosing the thresholds", f, folds));
            int[] held = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] == f)],
                rest = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] != f)];
            if (held.Length == 0)
                continue;
            probabilities.AddRange(Choose(train.Select(rest), null, cancellation).Predict(train.Select(held)));
            labels.AddRange(held.Select(row => train.Labels[row]));
        }

        return labels.Count == 0
            ? new double[train.Classes]
            : ThresholdSearch.Offsets([.. probabilities], labels, train.Classes);
    }

    private FittedHead Choose(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        int[] every = [.. Enumerable.Range(0, groups.Names.Count)];
        if (every.Length == 1)
            return Found(every, head.Fit(train, progress, cancellation), []);
        if (!options.ChoosesTap)
            return Found(
                every,
                head.IsFree
                    ? Together(train, progress, cancellation).Selection
                    : head.Fit(groups.Columns(train, every), progress, cancellation),
                []
            );

        if (train.Rows < LeastForTaps * train.Classes)
        {
            int[] usual = Best([]);
            return Found(usual, head.Fit(groups.Columns(train, usual), progress, cancellation), []);
        }

        FeatureTable compared = StratifiedSample.Of(train, StratifiedSample.ComparedRows, options.Seed);
        IReadOnlyList<TapTrial> trials = new TapSelector(
            new SoftmaxTrainerOptions
            {
                ClassWeights = options.ClassWeights,
                Seed = options.Seed,
                Workers = options.Workers,
            }
        ).Measure(compared, [.. groups.Names.Zip(groups.Widths)], progress, cancellation);
        int[] best = Best(trials);
        HeadSelection single = head.Fit(groups.Columns(train, best), progress, cancellation);
        FittedHead one = Found(best, single, trials);
        if (trials.Count == 0 || single.Trials.Count == 0)
            return one;

        double lowest = single.Trials.First(t => t.Name == single.Name).LogLoss;
        if (Kernel(train, progress, cancellation) is { } kernel)
        {
            HeadTrial found = kernel.Selection.Trials[0];
            trials = [.. trials, new TapTrial(TapTrial.LastTogether, kernel.Head.Width, found.Score)];
            double sure = found.LogLoss - KernelErrors * found.StandardError;
            if (sure < lowest)
                (one, lowest) = (kernel, sure);
        }

        (HeadSelection together, Compared<double> trial) = Together(compared, progress, cancellation);
        trials = [.. trials, new TapTrial(TapTrial.AllTogether, train.Width, trial.Score)];
        if (trial.LogLoss >= lowest)
            return one with { TapTrials = trials };
        if (compared.Rows < train.Rows)
            together = Together(train, progress, cancellation, trial.Choice).Selection;
        return Found(every, together, trials);
    }

    /// <summary>The best tap of each network, or its default.</summary>
    private int[] Best(IReadOnlyList<TapTrial> trials) =>
        [
            .. groups.DistinctNetworks.Select(network =>
            {
                int[] own = groups.TapsOf([network]);
                return trials.Count > 0
                    ? own.MinBy(tap => trials[tap].LogLoss)
                    : Array.Find(own, tap => defaultTaps.Contains(groups.Names[tap]));
            }),
        ];

    private FittedHead Found(IReadOnlyList<int> taps, HeadSelection selection, IReadOnlyList<TapTrial> trials) =>
        new(taps, groups, selection, trials);

    private FittedHead? Kernel(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        if (options.LinearOnly || train.Rows > HeadKind.Kernel.Chosen!.Value.To)
            return null;
        int[] last = LastTaps(groups);
        return Found(last, head.Kernel(groups.Columns(train, last), progress, cancellation), []);
    }

    /// <summary>The last three taps of each network: what a kernel head takes.</summary>
    internal static int[] LastTaps(TapGroups groups) =>
        [.. groups.DistinctNetworks.SelectMany(network => groups.TapsOf([network]).TakeLast(LastOfNetwork))];

    private (HeadSelection Selection, Compared<double> Trial) Together(
        FeatureTable train,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation,
        double? fraction = null
    )
    {
        MultiTapHead fitted = new MultiTapTrainer(
            groups,
            new MultiTapTrainerOptions
            {
                Fraction = fraction,
                ClassWeights = options.ClassWeights,
                Seed = options.Seed,
                Workers = options.Workers,
            }
        ).Fit(train, progress, cancellation);
        Compared<double> trial =
            fitted.Trials.FirstOrDefault(t => t.Choice == fitted.Fraction)
            ?? new Compared<double>(fitted.Fraction, HeldOut.Nothing);
        return (
            new HeadSelection("discriminant on selected features", fitted, fitted.Temperature, [], train.Rows),
            trial
        );
    }
}

/// <summary>Makes the trainers that a recipe asks for, and calibrates what they fit.</summary>
/// <param name="options">The recipe.</param>
internal sealed class HeadChoice(HeadRecipeOptions options)
{
    private readonly AutoHeadTrainerOptions auto = new()
    {
        ClassWeights = options.ClassWeights,
        Seed = options.Seed,
        Workers = options.Workers,
    };

    /// <summary>Whether the recipe leaves the kind of head to us.</summary>
    public bool IsFree => options.Head == HeadKind.Auto;

    /// <summary>Fits the head asked for, or the best; calibrated by cross-validation on the same rows.</summary>
    /// <param name="train">Training rows.</param>
    /// <param name="progress">Told how far the fit has come.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public HeadSelection Fit(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation)
    {
        if (IsFree)
            return Choose(train, kind => kind.IsLinear || !options.LinearOnly, progress, cancellation);
        (IHead head, TemperatureCalibration calibration) = new CalibratedTrainer(
            options.Head.Trainer(options),
            new CalibratedTrainerOptions { ClassWeights = options.ClassWeights, Seed = options.Seed }
        ).Calibrate(train, progress, cancellation);
        return new HeadSelection(options.Head.Label, head, calibration.Temperature, [], train.Rows);
    }

    /// <summary>Fits a kernel head, with the trial that compares it with others.</summary>
    /// <param name="train">Training rows, not too many for the choice of a kernel, enough to hold some out.</param>
    /// <param name="progress">Told how far the fit has come.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    public HeadSelection Kernel(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation) =>
        Choose(train, kind => kind == HeadKind.Kernel, progress, cancellation);

    private HeadSelection Choose(
        FeatureTable train,
        Func<HeadKind, bool> kinds,
        IProgress<FitProgress>? progress,
        CancellationToken cancellation
    ) => new AutoHeadTrainer(auto, AutoHeadTrainer.Candidates(auto, kinds)).Select(train, progress, cancellation);
}

/// <summary>A head and the part of the features that it was fitted on.</summary>
/// <param name="Taps">Places of the taps in use, in the order of the head's features.</param>
/// <param name="Groups">All taps of the table.</param>
/// <param name="Selection">The head, calibrated, and the grounds of its choice.</param>
/// <param name="TapTrials">What was found for each tap; empty where there was no choice.</param>
internal sealed record FittedHead(
    IReadOnlyList<int> Taps,
    TapGroups Groups,
    HeadSelection Selection,
    IReadOnlyList<TapTrial> TapTrials
)
{
    /// <summary>What was found for each backbone; empty where there was no choice.</summary>
    public IReadOnlyList<LeaderboardRow> Leaderboard { get; init; } = [];

    /// <summary>What images without labels did for it; null where there were none.</summary>
    public SelfTrainingSummary? SelfTraining { get; init; }

    /// <summary>Ids of the networks in use with '+' between; empty where there is one network.</summary>
    public string Networks => string.Join(SideBySide.Plus, Groups.Only(Taps).DistinctNetworks);

    /// <summary>The head.</summary>
    public IHead Head => Selection.Head;

    /// <summary>The same grounds with another head on the same features.</summary>
    public FittedHead With(IHead head) => this with { Selection = Selection with { Head = head } };

    /// <summary>Calibrated probabilities [rows × classes] for a table with the features of all taps.</summary>
    public float[] Predict(FeatureTable table) => Head.Predict(Groups.Columns(table, Taps));

    /// <summary>What the probabilities were before calibration: p ∝ p^T of the calibrated ones.</summary>
    public float[] WithoutCalibration(float[] calibrated)
    {
        int classes = Head.ClassNames.Count;
        var raw = new float[calibrated.Length];
        for (int row = 0; row < calibrated.Length; row += classes)
        {
            // Relative to the largest, so that a high temperature cannot take every power to 0.
            double largest = 0,
                sum = 0;
            for (int c = row; c < row + classes; c++)
                largest = Math.Max(largest, calibrated[c]);
            for (int c = row; c < row + classes; c++)
                sum += Math.Pow(calibrated[c] / largest, Selection.Temperature);
            for (int c = row; c < row + classes; c++)
                raw[c] = (float)(Math.Pow(calibrated[c] / largest, Selection.Temperature) / sum);
        }

        return raw;
    }
}

/// <summary>Passes a fit's progress on as a job's.</summary>
internal sealed class FitToJobProgress(IProgress<JobProgress> progress) : IProgress<FitProgress>
{
    /// <summary>The adapter; null where nobody wants to be told.</summary>
    public static FitToJobProgress? Of(IProgress<JobProgress>? progress) =>
        progress is null ? null : new FitToJobProgress(progress);

    public void Report(FitProgress value) => progress.Report(new JobProgress(value.Stage, value.Done, value.Total));
}
