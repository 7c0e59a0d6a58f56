using MlNetTransfer.Jobs;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>The learning rate that a training chooses, and what becomes of one that is too high.</summary>
[TestClass]
public sealed class RateRaceTests
{
    [TestMethod]
    public void Run_NoRate_TakesTheOneThatShortTrainingsJudgeBestAndTrainsAsIfItWereGiven()
    {
        using TuneTask task = new(perClass: 20);
        TrainOptions options = task.Options(
            "raced",
            TrainingStrategy.FineTune,
            o => o with { LearningRate = null, Epochs = 5, Patience = 5, Freeze = FreezeBoundary.OfBlocks(2) }
        );
        TrainSummary raced = task.Run(options);
        IReadOnlyList<RateTrial> rates = raced.Training!.Rates;
        CollectionAssert.AreEqual(
            ((double[])[1e-5, 3e-5, 1e-4, 3e-4])[..rates.Count],
            rates.Select(trial => trial.Rate).ToArray(),
            "a tenth of the usual rate to three times it"
        );
        Assert.IsTrue(rates.All(trial => trial.Epochs == 1), "a fifth of the epochs");
        double best = rates.MinBy(trial => trial.ValidationLoss)!.Rate;
        Assert.AreEqual(best, raced.Training.LearningRate);
        Assert.IsTrue(raced.Notes.Any(n => n.StartsWith("Learning rates were tried", StringComparison.Ordinal)));
        TrainSummary given = task.Run(
            options with
            {
                Output = task.File("given"),
                FineTune = options.FineTune with { LearningRate = best },
            }
        );
        Assert.IsEmpty(given.Training!.Rates);
        Dictionary<string, float[]> chosen = task.Weights("raced"),
            told = task.Weights("given");
        foreach (string name in told.Keys)
            CollectionAssert.AreEqual(told[name], chosen[name], $"{name}: nothing else depends on the race");
    }

    [TestMethod]
    public void Run_CancelledInTheRaceThenResumed_GoesOnAtTheRateItHadReached()
    {
        using TuneTask task = new(perClass: 20);
        TrainOptions options = task.Options(
            "whole",
            TrainingStrategy.FineTune,
            o => o with { LearningRate = null, Epochs = 5, Patience = 5 }
        );
        int tried = task.Run(options).Training!.Rates.Count;
        Assert.IsGreaterThan(1, tried, "else there is nothing to go on from");
        TrainOptions broken = options with { Output = task.File("broken") };
        using CancellationTokenSource stop = new();
        var first = new Stages(stage =>
        {
            if (stage == "Trying the learning rate 3e-05")
                stop.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() => task.Run(broken, first, stop.Token));
        var second = new Stages(_ => { });
        task.Run(broken with { Resume = true }, second);
        Assert.DoesNotContain("Trying the learning rate 1e-05", second.Names, "it was tried");
        Assert.Contains("Trying the learning rate 3e-05", second.Names);
        CollectionAssert.AreEqual(task.Model("whole"), task.Model("broken"));
    }

    [TestMethod]
    public void Run_FewEpochsOrNoValidationImages_TakesTheUsualRate()
    {
        using TuneTask task = new(perClass: 2),
            more = new();
        TuneSummary none = task.Run(
            task.Options("out", TrainingStrategy.FineTune, o => o with { LearningRate = null, Epochs = 5 })
        ).Training!;
        TuneSummary few = more.Run(
            more.Options("out", TrainingStrategy.FineTune, o => o with { LearningRate = null, Epochs = 2 })
        ).Training!;
        Assert.AreEqual((1e-4, 0), (none.LearningRate, none.Rates.Count));
        Assert.AreEqual((1e-4, 0), (few.LearningRate, few.Rates.Count));
    }

    [TestMethod]
    public void Run_TimeBudget_LetsTheRaceHaveAQuarter()
    {
        using TuneTask task = new();
        TuneSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.FineTune,
                o => o with { LearningRate = null, Epochs = 5, TimeBudget = TimeSpan.FromTicks(1) }
            )
        ).Training!;
        Assert.HasCount(1, summary.Rates, "one is tried in any case");
        Assert.AreEqual(1e-5, summary.LearningRate);
    }

    [TestMethod]
    public void Run_UsualRateRuinsTheNetwork_TakesALowerOne()
    {
        using TuneTask task = new(perClass: 20);
        task.Run(
            task.Options(
                "good",
                TrainingStrategy.Full,
                o => o with { LearningRate = 0.02, HeadRate = 1, Epochs = 12, Patience = 12 }
            )
        );
        // Plain gradient descent whose head learns a thousand times as fast as the network, without a limit; two epochs
        // are too few for a race.
        FineTuneOptions Fast(FineTuneOptions o) =>
            o with
            {
                InitialWeights = task.File("good/model.onnx"),
                Parameters = TrainedParameters.Affine,
                Optimizer = OptimizerKind.Sgd,
                ClipNorm = null,
                HeadRate = 1000,
                WarmUp = 0,
                Schedule = ScheduleKind.Constant,
                Epochs = 2,
            };
        TuneSummary given = task.Run(
            task.Options("given", TrainingStrategy.Full, o => Fast(o) with { LearningRate = 1e-2 })
        ).Training!;
        Assert.AreEqual((2, 1e-2), (given.Epochs, given.LearningRate), "what is asked for is done");
        TuneSummary chosen = task.Run(
            task.Options("chosen", TrainingStrategy.Full, o => Fast(o) with { LearningRate = null })
        ).Training!;
        Assert.IsNotEmpty(chosen.Rates);
        Assert.AreEqual(0.02, chosen.Rates[0].Rate, "the usual rate");
        Assert.IsTrue(chosen.Rates.All(trial => trial.Ruined), "two epochs are too few for a race");
        Assert.AreEqual(RateRace.Rounded(0.3 * chosen.Rates[^1].Rate), chosen.LearningRate);
        EpochResult[] epochs = [.. chosen.Metrics.Where(m => !m.Refit)];
        Assert.HasCount(3, epochs, "the start and two epochs");
        double start = epochs[0].ValidationLoss!.Value,
            guessing = Math.Log(3);
        Assert.IsLessThan(0.75 * guessing, start, "else there is nothing to ruin");
        Assert.IsLessThan((guessing + start) / 2, epochs[1].ValidationLoss!.Value, "three classes of as many images");
    }

    [TestMethod]
    public void DecayOf_Rows_AveragesOverAnEpoch()
    {
        Assert.AreEqual(0.9, FineTuneRecipe.DecayOf(160, 16), 1e-12, "ten steps");
        Assert.AreEqual(0.9, FineTuneRecipe.DecayOf(145, 16), 1e-12, "the last of ten has one image");
        Assert.AreEqual(0, FineTuneRecipe.DecayOf(5, 16), "one step is its own average");
        Assert.AreEqual(0.999, FineTuneRecipe.DecayOf(1_000_000, 16));
    }

    [TestMethod]
    public void Choose_Trials_TakesTheLowestLossBelowWhatRuined()
    {
        RateTrial[] raced = [Trial(1e-5, 0.5), Trial(3e-5, 0.4), Trial(1e-4, 0.6)];
        Assert.AreEqual(3e-5, RateRace.Choose(raced, 1e-4));
        Assert.AreEqual(1e-5, RateRace.Choose([.. raced, Trial(3e-5, null)], 1e-4), "3e-5 ruined the long training");
        Assert.AreEqual(3e-6, RateRace.Choose([.. raced, Trial(3e-5, null), Trial(1e-5, null)], 1e-4));
        Assert.AreEqual(1e-4, RateRace.Choose([], 1e-4), "without a race");
        Assert.IsNull(RateRace.Choose([Trial(1e-7, null)], 1e-4), "a rate that changes nothing is no way out");

        static RateTrial Trial(double rate, double? loss) => new(rate, loss, loss, 3, loss is null, 1);
    }

    [TestMethod]
    public void Run_GainBelowItsStandardError_KeepsTheHead()
    {
        using TuneTask task = new(perClass: 20);
        TrainSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.Full,
                o => o with { LearningRate = 0.02, HeadRate = 1, Epochs = 12, Patience = 12, Blend = false }
            )
        );
        EpochResult[] epochs = [.. summary.Training!.Metrics.Where(m => !m.Refit)];
        Assert.IsLessThan(epochs[0].ValidationLoss!.Value, epochs.Min(e => e.ValidationLoss!.Value), "a little");
        TrainSummary head = task.Run(task.Options("head", TrainingStrategy.Head));
        Assert.AreEqual(head.Head, summary.Head);
        Assert.AreEqual(head.LogLoss, summary.LogLoss, 1e-5, "the same model, its features computed anew");
        StringAssert.Contains(summary.Training.Ended!, "less than chance alone may");
        Assert.AreEqual(0, summary.Training.BestEpoch);
        CollectionAssert.AreEqual(task.Pretrained()["stem.weight"], task.Weights("out")["stem.weight"]);
    }

    [TestMethod]
    public void Run_Affine_ChangesScalesAndShiftsAlone()
    {
        using TuneTask task = new(perClass: 40);
        TrainSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.Full,
                o =>
                    TuneTask.Thorough(o) with
                    {
                        Parameters = TrainedParameters.Affine,
                        LearningRate = 0.05,
                        Epochs = 40,
                        Patience = 40,
                    }
            )
        );
        Assert.IsGreaterThan(0, summary.Training!.BestEpoch, "forty epochs beat a head on random features");
        Dictionary<string, float[]> before = task.Pretrained(),
            after = task.Weights("out");
        foreach (string name in before.Keys.Where(after.ContainsKey))
            if (name.EndsWith(".scale", StringComparison.Ordinal) || name.EndsWith(".shift", StringComparison.Ordinal))
                CollectionAssert.AreNotEqual(before[name], after[name], name);
            else
                CollectionAssert.AreEqual(before[name], after[name], name);
    }

    [TestMethod]
    public void Run_AffineOfANetworkWithoutAny_IsRefused()
    {
        using TuneTask task = new(batchNormalization: false);
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            task.Run(
                task.Options(
                    "out",
                    TrainingStrategy.FineTune,
                    o => o with { Parameters = TrainedParameters.Affine, Freeze = FreezeBoundary.OfBlocks(1) }
                )
            )
        );
        StringAssert.Contains(error.Message, "--parameters affine would train nothing");
    }

    private sealed class Stages(Action<string> told) : IProgress<JobProgress>
    {
        private readonly Lock gate = new();
        private readonly HashSet<string> names = [];

        public IReadOnlyCollection<string> Names => names;

        public void Report(JobProgress value)
        {
            lock (gate)
                names.Add(value.Stage);
            told(value.Stage);
        }
    }
}
