using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>A search for the best recipe of a training. Immutable; an invalid instance cannot be made.</summary>
public sealed record TuneOptions : JobRequest
{
    /// <summary>
    /// The training, of a strategy that trains the network. What it sets stays; the rest is searched. Its output folder
    /// gets trials.jsonl, from which an interrupted search goes on where <see cref="TrainOptions.Resume"/> is set.
    /// </summary>
    public required TrainOptions Train { get; init; }

    /// <summary>Recipes to try, the defaults among them, in [2, 1000]. Default 20.</summary>
    public int Trials
    {
        get;
        init => field = Check.InRange(value, 2, 1000);
    } = 20;

    /// <summary>
    /// When to begin no further trial; null for no limit. Default null. With it the result depends on the speed of the
    /// machine.
    /// </summary>
    public TimeSpan? TimeBudget
    {
        get;
        init =>
            field =
                value is { } time && time <= TimeSpan.Zero
                    ? throw new ArgumentOutOfRangeException(nameof(TimeBudget), value, "TimeBudget must be above 0.")
                    : value;
    }

    /// <summary>
    /// Whether other processes search along: those that were started with the same options and output folder, on any
    /// machine that has the folder. Each tries what no other has begun, and all find the same; one that dies leaves its
    /// trial to the others. Such a search always goes on with what is there. Default false.
    /// </summary>
    public bool Together { get; init; }

    /// <inheritdoc/>
    public override TuneJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Searches the recipe of a training by successive halving over random ones, on the training part alone.
/// </summary>
/// <remarks>
/// A quarter of the training part judges the trials by its log-loss; within a trial another part judges its epochs, as
/// always. The part held out for the evaluation is never looked at. The head on frozen features is judged beside them,
/// on the same images.
/// </remarks>
/// <param name="options">The search.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class TuneJob(TuneOptions options, JobServices? services = null) : IJob<TuneSearchSummary>
{
    /// <summary>How the search is called in progress reports, whose numbers are trials.</summary>
    internal const string Stage = "Trying recipes";

    private const double Deciding = 0.25;
    private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

    private readonly JobServices services = services ?? JobServices.Default;
    private readonly TrainOptions train = options.Train with
    {
        Resume = false,
        FineTune = options.Train.FineTune with { Refit = true, TimeBudget = null },
    };

    /// <summary>Requires options that go together.</summary>
    /// <exception cref="TransferException">They do not; the message says what to do.</exception>
    internal static void Require(TuneOptions options)
    {
        if (options.Train.Strategy.Network is null)
            throw new TransferException(
                $"--strategy {options.Train.Strategy.Label} has no recipe to search. Take finetune, full or scratch."
            );
        if (options.Together && (options.TimeBudget is not null || options.Train.Resume))
            throw new TransferException(
                $"{(options.Train.Resume ? "--resume" : "--time-budget")} has no effect on a search together: it goes "
                    + "on with what is there, and ends when all is tried. Leave it out."
            );
    }

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; trials that are over stay in trials.jsonl.</param>
    /// <exception cref="TransferException">The training cannot be done as asked, the strategy trains no network, or
    /// there are too few images; the message says what and how to mend it.</exception>
    public TuneSearchSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        Require(options);
        OutputFolder.RequireWritable(train.Output);
        using IDisposable held = TrialLedger.Hold(train.Output, options.Together, cancellation);
        return new TrainJob(train, services).With(
            training => Search(training, started, progress, cancellation),
            progress,
            cancellation
        );
    }

    private TuneSearchSummary Search(
        PreparedTraining training,
        long started,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        TrainingImages images = training.Rows.Images;
        TrainTestRows parts = ValidationRows.Of(images, training.Train, Deciding, train.Seed);
        if (parts.Test.Count < 2 * images.ClassNames.Count)
            throw new TransferException(
                $"'{train.Folder}' has {training.Train.Count} images to train on; a quarter of them, "
                    + $"{parts.Test.Count}, cannot tell recipes for {images.ClassNames.Count} classes apart. Train "
                    + "with the defaults, or add images."
            );
        var judge = new TrialJudge(training, parts, Key(training, parts), cancellation);
        var ledger = new TrialLedger(train.Output, judge.Key, options.Together, options.Train.Resume, cancellation);
        var space = new SearchSpace(
            train.FineTune,
            train.Strategy.Network!,
            training.Settings.Backbone.Card.Encoder.Kind == EncoderKind.Images,
            train.Seed
        );
        bool[] head = judge.Right(new HeadRecipe(training.Settings), progress);
        IReadOnlyList<(int Epochs, int Trials)> rungs = SuccessiveHalving.Rungs(options.Trials, EpochsOf(train));
        int[] alive = [.. Enumerable.Range(0, options.Trials)];
        List<TunedTrial> found = [];
        foreach ((int rungEpochs, int most) in rungs)
        {
            int[] rung = [.. alive.Take(most)];
            Dictionary<int, TunedTrial> tried = [];
            do
            {
                bool isWaiting = true;
                foreach (int trial in rung.Where(own => !tried.ContainsKey(own)))
                {
                    progress?.Report(new JobProgress(Stage, found.Count + tried.Count, rungs.Sum(own => own.Trials)));
                    TunedTrial? known = ledger.Of(trial, rungEpochs);
                    // The defaults are always tried: there is a result whatever the budget.
                    if (known is null && found.Count + tried.Count > 0 && IsOver(started))
                        continue;
                    if ((known ?? TryAlone(trial, rungEpochs)) is not { } result)
                        continue;
                    tried[trial] = result;
                    isWaiting = false;
                }

                // Others try what is missing; where one of them dies, its trial is free.
                if (options.Together && isWaiting && tried.Count < rung.Length)
                {
                    cancellation.WaitHandle.WaitOne(LookAgain);
                    cancellation.ThrowIfCancellationRequested();
                }
            } while (options.Together && tried.Count < rung.Length);

            found.AddRange(rung.Where(tried.ContainsKey).Select(trial => tried[trial]));
            alive = [.. tried.Values.OrderBy(own => own.LogLoss).ThenBy(own => own.Trial).Select(own => own.Trial)];
        }

        return Summary(found, space, judge, head, parts, started);

        TunedTrial? TryAlone(int trial, int epochs)
        {
            using IDisposable? taken = ledger.Take(trial, epochs);
            if (taken is null)
                return null;
            // It may have become known before it was taken.
            if (ledger.Of(trial, epochs) is { } known)
                return known;
            TunedTrial made = judge.Try(trial, space.Recipe(trial), epochs, services.Clock, progress);
            ledger.Add(made);
            return made;
        }
    }

    private static int EpochsOf(TrainOptions train) => train.FineTune.Epochs ?? train.Strategy.Network!.Epochs;

    private bool IsOver(long started) =>
        options.TimeBudget is { } budget && services.Clock.GetElapsedTime(started) >= budget;

    private TuneSearchSummary Summary(
        List<TunedTrial> found,
        SearchSpace space,
        TrialJudge judge,
        bool[] head,
        TrainTestRows parts,
        long started
    )
    {
        int most = found.Max(own => own.Epochs);
        TunedTrial best = found.Where(own => own.Epochs == most).MinBy(own => own.LogLoss)!;
        var gain = PairedDifference.Of(head, [.. best.Right.Select(digit => digit == '1')]);
        Interval interval = gain.Interval();
        return new TuneSearchSummary(
            best.Trial,
            train with
            {
                FineTune = space.Recipe(best.Trial),
            },
            best.Accuracy,
            best.LogLoss,
            head.Average(hit => hit ? 1.0 : 0),
            gain.Value,
            [interval.Low, interval.High],
            parts.Test.Count,
            [.. found.OrderByDescending(own => own.Epochs).ThenBy(own => own.LogLoss)],
            options.Trials,
            services.Clock.GetElapsedTime(started).TotalSeconds
        );
    }

    /// <summary>
    /// Names all that a trial depends on besides its number: trials of another search are never taken.
    /// </summary>
    private string Key(PreparedTraining training, TrainTestRows parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(
            Encoding.UTF8.GetBytes(
                $"{train.Anywhere().ToJson()} threads {train.FineTune.ThreadsHere} {EngineOf(train.FineTune)}"
            )
        );
        hash.AppendData(training.Rows.Space.Key());
        hash.AppendData(training.Rows.Images.DigestsOf([.. parts.Train, .. parts.Test]));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>Its version; that of the default is a part of the space of the features.</summary>
    private static string EngineOf(FineTuneOptions options) =>
        options.Engine == TrainingEngines.Default ? "" : TrainingEngines.Find(options.Engine).Version;

    /// <summary>Fits on one part of the rows, and judges on the other.</summary>
    private sealed class TrialJudge(
        PreparedTraining training,
        TrainTestRows parts,
        string key,
        CancellationToken cancellation
    )
    {
        private readonly int[] labels = [.. parts.Test.Select(row => training.Rows.Images.Labels[row])];
        private readonly int classes = training.Rows.Images.ClassNames.Count;

        public string Key => key;

        public bool[] Right(IRecipe recipe, IProgress<JobProgress>? progress) =>
            JudgedRows.Right(labels, Predict(recipe, progress), classes);

        public TunedTrial Try(
            int trial,
            FineTuneOptions recipe,
            int epochs,
            TimeProvider clock,
            IProgress<JobProgress>? progress
        )
        {
            long started = clock.GetTimestamp();
            string folder = Directory.CreateTempSubdirectory("mlnet-transfer-tune-").FullName;
            try
            {
                RecipeSettings settings = training.Settings with
                {
                    FineTune = recipe with { Epochs = epochs, Refit = false },
                    Folder = folder,
                    Logs = LogFormats.None,
                };
                float[] found = Predict(new FineTuneRecipe(settings), progress);
                bool[] right = JudgedRows.Right(labels, found, classes);
                return new TunedTrial(
                    key,
                    trial,
                    epochs,
                    recipe.LearningRate ?? settings.Strategy.Network!.LearningRateOf(recipe),
                    (recipe.Freeze ?? settings.Strategy.Network!.Freeze).ToString(),
                    recipe.Augmentation,
                    recipe.WeightDecay,
                    recipe.LabelSmoothing,
                    recipe.Dropout,
                    JudgedRows.Losses(labels, found, classes).Average(),
                    right.Average(hit => hit ? 1.0 : 0),
                    string.Concat(right.Select(hit => hit ? '1' : '0')),
                    Math.Round(clock.GetElapsedTime(started).TotalSeconds, 1)
                );
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }

        private float[] Predict(IRecipe recipe, IProgress<JobProgress>? progress)
        {
            var context = new FitContext(0, progress, cancellation);
            return recipe.Fit(training.Rows, parts.Train, context).Predict(training.Rows, parts.Test, context);
        }
    }
}

/// <summary>A trial of a search: a line of trials.jsonl.</summary>
/// <param name="Key">Names the search.</param>
/// <param name="Trial">Number of the recipe, from 0; 0 is the defaults.</param>
/// <param name="Epochs">Epochs at most.</param>
/// <param name="LearningRate">Highest learning rate of the top block.</param>
/// <param name="Freeze">What stayed frozen, as --freeze writes it.</param>
/// <param name="Augmentation">How training images were varied.</param>
/// <param name="WeightDecay">Weight decay.</param>
/// <param name="LabelSmoothing">Label smoothing.</param>
/// <param name="Dropout">Dropout before the head.</param>
/// <param name="LogLoss">Mean log-loss (nats) of the images that judge.</param>
/// <param name="Accuracy">Accuracy on them, in [0, 1].</param>
/// <param name="Right">1 for each of them that was right, 0 for the others.</param>
/// <param name="Seconds">Time that it took.</param>
public sealed record TunedTrial(
    string Key,
    int Trial,
    int Epochs,
    double LearningRate,
    string Freeze,
    Imaging.Augmentation.AugmentationPreset Augmentation,
    double WeightDecay,
    double LabelSmoothing,
    double Dropout,
    double LogLoss,
    double Accuracy,
    string Right,
    double Seconds
)
{
    /// <summary>The options of <c>train</c> that the trial had.</summary>
    public string Options =>
        string.Create(
            CultureInfo.InvariantCulture,
            $"--lr {LearningRate:g3} --freeze {Freeze} --augment {Augmentation.ToString().ToLowerInvariant()} "
        )
        + string.Create(
            CultureInfo.InvariantCulture,
            $"--weight-decay {WeightDecay:g3} --label-smoothing {LabelSmoothing:g3} --dropout {Dropout:g3}"
        );
}

/// <summary>What a search found.</summary>
/// <param name="Best">Number of the best trial.</param>
/// <param name="Train">The training with its recipe.</param>
/// <param name="Accuracy">Its accuracy on the images that judge; chosen by them, so rather too high.</param>
/// <param name="LogLoss">Its log-loss on them (nats).</param>
/// <param name="HeadAccuracy">Accuracy of a head on frozen features, on the same images.</param>
/// <param name="Gain">The first less that.</param>
/// <param name="GainInterval">The 95 % interval of that [low, high].</param>
/// <param name="Images">Images that judge.</param>
/// <param name="Trials">Every trial, those with most epochs first, then by log-loss.</param>
/// <param name="Asked">Recipes that were to be tried.</param>
/// <param name="Seconds">Wall time.</param>
public sealed record TuneSearchSummary(
    int Best,
    [property: System.Text.Json.Serialization.JsonConverter(typeof(RequestConverter<TrainOptions>))] TrainOptions Train,
    double Accuracy,
    double LogLoss,
    double HeadAccuracy,
    double Gain,
    IReadOnlyList<double> GainInterval,
    int Images,
    IReadOnlyList<TunedTrial> Trials,
    int Asked,
    double Seconds
);
