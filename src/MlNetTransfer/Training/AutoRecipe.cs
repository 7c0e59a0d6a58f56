using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Training;

/// <summary>How much a choice of the strategy may try.</summary>
public enum TrainingPreset
{
    /// <summary>The head, and a short training of the last fifth of the network's blocks.</summary>
    Fast,

    /// <summary>
    /// The head, and the training that the rule of thumb asks for; where it asks for none, a mild one to be sure.
    /// </summary>
    Good,

    /// <summary>The head, that training, and one of the whole network.</summary>
    Best,
}

/// <summary>
/// Tries a head on frozen features beside trainings of the network, and keeps what images held out of the training part
/// speak for: never a trained network that they do not.
/// </summary>
/// <remarks>
/// A part of the rows is held out, every way is fitted on the rest and judged on it (<see cref="Selection"/>); the one
/// taken is fitted again on all rows. By folds, a run compares all ways on the same folds instead, which costs no
/// second level of folds: see the jobs. What cannot be tried, or takes longer than the budget, is named in a note.
/// </remarks>
internal sealed class AutoRecipe : IRecipe
{
    /// <summary>Share of the training rows that decides where there are no folds.</summary>
    private const double Deciding = 0.25;

    /// <summary>
    /// Share that stays frozen where the rule of thumb is to freeze all, and where there is little time: a training
    /// that can spoil little.
    /// </summary>
    private const double MildFreeze = 0.8;

    /// <summary>Time for all trainings of the network where none is given.</summary>
    public static readonly TimeSpan DefaultBudget = TimeSpan.FromMinutes(15);

    private readonly RecipeSettings settings;
    private readonly List<Way> ways;
    private readonly IReadOnlyList<Way> made;
    private readonly List<string> notes = [];

    public AutoRecipe(RecipeSettings settings)
    {
        this.settings = settings;
        Budget = settings.FineTune.TimeBudget ?? DefaultBudget;
        made = [new Way("head", new HeadRecipe(settings)), .. Trainings(settings)];
        ways = [.. made];
    }

    /// <summary>What is known of the strategy; see <see cref="TrainingStrategy"/>.</summary>
    public static TrainingStrategy Describe() =>
        new("Auto", "head, and trainings of the network beside it; the better one is kept", s => new AutoRecipe(s))
        {
            Chooses = true,
        };

    /// <summary>The ways, cheapest first; the first is the head alone.</summary>
    public IReadOnlyList<Way> Ways => ways;

    /// <summary>Time for the trainings of the network.</summary>
    public TimeSpan Budget { get; }

    /// <summary>What could not be tried, and why.</summary>
    public IReadOnlyList<string> Notes => notes;

    public bool IsQuick => false;

    /// <exception cref="TransferException">
    /// The head cannot be fitted as asked; what other ways lack is noted.
    /// </exception>
    public void Check(IReadOnlyList<BackboneTap> taps, int classes)
    {
        ways[0].Recipe.Check(taps, classes);
        foreach (Way way in ways.Skip(1).ToArray())
            try
            {
                way.Recipe.Check(taps, classes);
            }
            catch (TransferException e)
            {
                Drop(way, e.Message);
            }
    }

    public IFitted Fit(RecipeRows all, IReadOnlyList<int> rows, FitContext context)
    {
        IReadOnlyList<StrategyTrial> trials = Try(all, rows, context);
        Way taken =
            trials.Count == 0 ? ways[0] : ways.Single(way => way.Name == trials.Single(trial => trial.Taken).Strategy);
        return new Chosen(taken.Recipe.Fit(all, rows, context), trials, notes);
    }

    /// <summary>Fits every way on a part of the rows and judges it on the rest.</summary>
    /// <returns>What was found; empty where there is one way, or too few rows to hold any out.</returns>
    public IReadOnlyList<StrategyTrial> Try(RecipeRows all, IReadOnlyList<int> rows, FitContext context)
    {
        TrainTestRows parts = ValidationRows.Of(all.Images, rows, Deciding, settings.Head.Seed);
        if (ways.Count < 2 || parts.Test.Count < 2 * all.Images.ClassNames.Count)
            return [];
        var table = new StrategyTable(
            [.. parts.Test.Select(row => all.Images.Labels[row])],
            all.Images.ClassNames.Count
        );
        TryEach(
            attempt =>
            {
                FitContext own = context with { Cancellation = attempt.Cancellation };
                float[] found = attempt.Way.Recipe.Fit(all, parts.Train, own).Predict(all, parts.Test, own);
                table.Add(attempt.Way.Name, found, attempt.Elapsed);
            },
            context.Cancellation
        );
        return table.Trials();
    }

    /// <summary>Tries all ways; one that takes longer than there is time is dropped with a note.</summary>
    /// <param name="work">What to do with each; the head is always given its time.</param>
    /// <param name="cancellation">Ends the work.</param>
    public void TryEach(Action<Attempt> work, CancellationToken cancellation)
    {
        TimeProvider clock = settings.Clock;
        long started = clock.GetTimestamp();
        foreach (Way way in ways.ToArray())
        {
            TimeSpan? left = way == ways[0] ? null : Budget - clock.GetElapsedTime(started);
            if (!InTime(way, left, work, cancellation))
                Drop(
                    way,
                    FormattableString.Invariant(
                        $"it takes more than the {Budget.TotalMinutes:0.#} minutes there were. "
                    ) + "Give a longer --time-budget"
                );
        }
    }

    private bool InTime(Way way, TimeSpan? left, Action<Attempt> work, CancellationToken cancellation)
    {
        if (left <= TimeSpan.Zero)
            return false;
        using CancellationTokenSource timer = left is { } time ? new(time, settings.Clock) : new();
        using var linked = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellation);
        try
        {
            work(new Attempt(way, settings.Clock, left, linked.Token));
            return true;
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
    }

    public void Written()
    {
        foreach (Way way in made)
            way.Recipe.Written();
    }

    /// <summary>Leaves a way out.</summary>
    private void Drop(Way way, string why)
    {
        ways.Remove(way);
        notes.Add($"'{way.Name}' was not tried to the end: {why}{(why.EndsWith('.') ? "" : ".")}");
    }

    private static IEnumerable<Way> Trainings(RecipeSettings settings)
    {
        FineTuneOptions given = settings.FineTune with { TimeBudget = null };
        FreezeBoundary? advised = settings.Rule is { } rule
            ? FreezeBoundary.OfFraction(rule.FreezesAll ? MildFreeze : rule.Freeze)
            : null;
        if (settings.Preset == TrainingPreset.Fast)
        {
            FineTuneOptions quick = given with
            {
                Freeze = given.Freeze ?? FreezeBoundary.OfFraction(MildFreeze),
                Epochs = given.Epochs ?? 8,
            };
            yield return Training(TrainingStrategy.FineTune, quick);
            yield break;
        }

        bool whole = settings.Rule is { Freeze: 0 } && given.Freeze is null;
        if (!whole || settings.Preset == TrainingPreset.Best)
            yield return Training(
                TrainingStrategy.FineTune,
                given with
                {
                    Freeze = given.Freeze ?? (whole ? null : advised),
                }
            );
        if (whole || settings.Preset == TrainingPreset.Best)
            yield return Training(TrainingStrategy.Full, given);

        Way Training(TrainingStrategy strategy, FineTuneOptions options) =>
            new(
                strategy.Name.ToLowerInvariant(),
                strategy.Recipe(
                    settings with
                    {
                        Strategy = strategy,
                        FineTune = options,
                        Folder = Path.Combine(settings.Folder, "strategies", strategy.Name.ToLowerInvariant()),
                    }
                )
            );
    }

    /// <summary>A way of training.</summary>
    /// <param name="Name">Name of its strategy.</param>
    /// <param name="Recipe">How it is done.</param>
    internal sealed record Way(string Name, IRecipe Recipe);

    /// <summary>A way that is being tried.</summary>
    /// <param name="way">The way.</param>
    /// <param name="clock">Measures its time.</param>
    /// <param name="left">Time it has; null for as long as it takes.</param>
    /// <param name="cancellation">Ends it, when its time is over too.</param>
    internal sealed class Attempt(Way way, TimeProvider clock, TimeSpan? left, CancellationToken cancellation)
    {
        private readonly long began = clock.GetTimestamp();

        public Way Way => way;

        public CancellationToken Cancellation => cancellation;

        /// <summary>Time since it began.</summary>
        public TimeSpan Elapsed => clock.GetElapsedTime(began);

        /// <summary>Ends it early where what is still to be done does not fit into its time.</summary>
        /// <param name="rest">What is still to be done, as a multiple of what is done.</param>
        /// <exception cref="OperationCanceledException">It does not fit.</exception>
        public void RequireTimeFor(double rest)
        {
            TimeSpan elapsed = Elapsed;
            if (elapsed + rest * elapsed > left)
                throw new OperationCanceledException();
        }
    }

    /// <summary>What was taken, with the grounds.</summary>
    private sealed class Chosen(IFitted inner, IReadOnlyList<StrategyTrial> trials, IReadOnlyList<string> notes)
        : IFitted
    {
        public FittedHead Head => inner.Head;

        public IReadOnlyList<BackboneTap> Taps => inner.Taps;

        public TuneSummary? Training => inner.Training;

        public IEnumerable<string> Notes => [.. notes, .. inner.Notes];

        public IReadOnlyList<StrategyTrial> Strategies => trials;

        public OnnxModel Network() => inner.Network();

        public FeatureTable Features(RecipeRows all, IReadOnlyList<int> rows, FitContext context) =>
            inner.Features(all, rows, context);

        public string Digest() => inner.Digest();
    }
}
