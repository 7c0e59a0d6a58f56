using System.Collections.Concurrent;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx.Weights;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

[TestClass]
public sealed class FineTuneJobTests
{
    [TestMethod]
    public void Run_FineTune_ChangesTheUpperBlocksAndNothingBelow()
    {
        using TuneTask task = new();
        TrainSummary summary = task.Run(task.Options("out", TrainingStrategy.FineTune, TuneTask.Thorough));
        Assert.AreEqual(
            ("finetune", 4, 1),
            (summary.Strategy, summary.Training!.Blocks, summary.Training.FrozenBlocks)
        );
        Assert.IsGreaterThan(0, summary.Training.BestEpoch, "twelve epochs beat a head on random features");
        Dictionary<string, float[]> before = task.Pretrained(),
            after = task.Weights("out");
        foreach (string frozen in (string[])["stem.weight", "stem.scale", "stem.shift"])
            CollectionAssert.AreEqual(before[frozen], after[frozen], frozen);
        foreach (string trained in (string[])["down.weight", "two_b.weight", "two_b.scale", "one_a.shift"])
            CollectionAssert.AreNotEqual(before[trained], after[trained], trained);
        foreach (
            string statistic in before.Keys.Where(k =>
                k.EndsWith(".mean", StringComparison.Ordinal) || k.EndsWith(".var", StringComparison.Ordinal)
            )
        )
            CollectionAssert.AreEqual(
                before[statistic],
                after[statistic],
                $"{statistic}: batch normalisation is in inference mode"
            );
        using TransferModel model = TransferModel.Load(task.File("out/model.onnx"));
        CollectionAssert.AreEqual((string[])["across", "chequer", "down"], model.ClassNames.ToArray());
    }

    [TestMethod]
    [DataRow("Full")]
    [DataRow("Scratch")]
    public void Run_WholeNetwork_LearnsWhatTheHeadAloneCannot(string strategy)
    {
        using TuneTask task = new(perClass: 20);
        TrainSummary summary = task.Run(task.Options("out", TrainingStrategy.All.Find(strategy), TuneTask.Thorough));
        Assert.AreEqual(0, summary.Training!.FrozenBlocks);
        CollectionAssert.AreNotEqual(task.Pretrained()["stem.weight"], task.Weights("out")["stem.weight"]);
        EpochResult[] epochs = [.. summary.Training.Metrics.Where(m => m.Epoch > 0)];
        Assert.IsLessThan(
            0.75 * epochs[0].TrainLoss!.Value,
            epochs[^1].TrainLoss!.Value,
            "training lowers the training loss by far more than noise does"
        );
        // Chance is 1 in 3; the patterns differ in direction alone, which a trained convolution sees at once.
        Assert.IsGreaterThan(0.6, summary.Accuracy);
    }

    [TestMethod]
    public void Run_Scratch_UpdatesTheStatisticsOfBatchNormalization()
    {
        using TuneTask task = new();
        task.Run(task.Options("out", TrainingStrategy.Scratch));
        float[] mean = task.Weights("out")["stem.mean"];
        Assert.IsTrue(mean.Any(m => m != 0), "random weights start with the identity, whose mean is 0");
    }

    [TestMethod]
    [DataRow("FineTune")]
    [DataRow("Full")]
    public void Run_OtherWorkersWithoutCache_GivesTheSameBytes(string strategy)
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("a", TrainingStrategy.All.Find(strategy));
        task.Run(options);
        task.Run(options with { Output = task.File("b"), Workers = 1, CacheFeatures = false });
        task.Run(
            options with
            {
                Output = task.File("c"),
                Workers = 3,
                FineTune = options.FineTune with { CacheBytes = 20_000 },
            }
        );
        CollectionAssert.AreEqual(task.Model("a"), task.Model("b"));
        CollectionAssert.AreEqual(
            task.Model("a"),
            task.Model("c"),
            "what does not fit into the cache is computed again"
        );
        CollectionAssert.AreEqual(
            Reproducible(task.File("a/metrics.jsonl")),
            Reproducible(task.File("b/metrics.jsonl"))
        );
    }

    [TestMethod]
    [DataRow(false, "Fine-tuning")]
    [DataRow(true, "Fine-tuning")]
    [DataRow(true, "Fine-tuning on all images")]
    public void Run_CancelledInAnEpochThenResumed_GivesTheSameBytes(bool gradual, string stage)
    {
        using TuneTask task = new();
        TrainOptions options = task.Options(
            "whole",
            TrainingStrategy.FineTune,
            o =>
                o with
                {
                    GradualUnfreezing = gradual,
                    AverageDecay = 0.5,
                    StartingPointDecay = 0.1,
                    Dropout = 0.2,
                    LearningRate = 0.02,
                    Epochs = 4,
                    Patience = 4,
                }
        ) with
        {
            Seed = 3,
        };
        Assert.IsGreaterThan(
            2,
            task.Run(options).Training!.BestEpoch,
            "else the second training would end before it is cancelled"
        );
        TrainOptions broken = options with { Output = task.File("broken") };
        using CancellationTokenSource stop = new();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            task.Run(broken, new Stopper(stop, stage, at: 9), stop.Token)
        );
        Assert.IsFalse(File.Exists(task.File("broken/model.onnx")));
        task.Run(broken with { Resume = true });
        CollectionAssert.AreEqual(task.Model("whole"), task.Model("broken"));
        CollectionAssert.AreEqual(
            Reproducible(task.File("whole/metrics.jsonl")),
            Reproducible(task.File("broken/metrics.jsonl"))
        );
        Assert.IsFalse(Directory.Exists(task.File("broken/checkpoints")), "a finished run needs none");
    }

    /// <summary>A flipped bit would give another model, and nobody would know.</summary>
    [TestMethod]
    public void Run_ResumedFromADamagedCheckpoint_IsRefused()
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("out", TrainingStrategy.FineTune, o => o with { Epochs = 4, Patience = 4 });
        using CancellationTokenSource stop = new();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            task.Run(options, new Stopper(stop, "Fine-tuning", at: 9), stop.Token)
        );
        string file = task.File("out/checkpoints/fold-0.safetensors");
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^40] ^= 0x40;
        File.WriteAllBytes(file, bytes);
        string message = Assert
            .ThrowsExactly<TransferException>(() => task.Run(options with { Resume = true }))
            .Message;
        Assert.Contains(file, message);
        Assert.Contains("not what this version has written to it", message);
        string metrics = task.File("out/metrics.jsonl");
        File.WriteAllText(metrics, "{\"fold\":0,\n" + File.ReadAllText(metrics));
        Assert.Contains(
            $"Line 1 of '{metrics}' is damaged",
            Assert.ThrowsExactly<TransferException>(() => task.Run(options with { Resume = true })).Message
        );
    }

    [TestMethod]
    public void Run_Refit_TrainsOnAllImagesForTheEpochsThatWereBest()
    {
        using TuneTask task = new();
        TrainOptions options = task.Options(
            "once",
            TrainingStrategy.FineTune,
            o => TuneTask.Thorough(o) with { Refit = false }
        );
        TuneSummary once = task.Run(options).Training!,
            twice =
                task.Run(
                    options with
                    {
                        Output = task.File("twice"),
                        FineTune = options.FineTune with { Refit = true },
                    }
                ).Training!;
        Assert.AreEqual(
            (once.BestEpoch, once.Share, once.ValidationImages, 0),
            (twice.BestEpoch, twice.Share, twice.ValidationImages, once.RefitImages),
            "the choice is the same"
        );
        Assert.AreEqual(30, twice.RefitImages, "10 of 12 images of each class");
        EpochResult[] second = [.. twice.Metrics.Where(m => m.Refit)];
        CollectionAssert.AreEqual(
            Enumerable.Range(0, twice.BestEpoch + 1).ToArray(),
            second.Select(m => m.Epoch).ToArray()
        );
        Assert.AreEqual(4L * twice.BestEpoch, second[^1].Step, "30 images in batches of 8");
        Assert.IsTrue(second.All(m => m.ValidationLoss is null), "nothing is left to judge by");
        CollectionAssert.AreNotEqual(task.Weights("once")["two_b.weight"], task.Weights("twice")["two_b.weight"]);
    }

    [TestMethod]
    public void Run_TimeBudget_EndsAfterTheEpochInWhichItIsUsedUpAndLeavesTheSecondTrainingOut()
    {
        using TuneTask task = new();
        TrainSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.FineTune,
                o => o with { Epochs = 500, Patience = 500, TimeBudget = TimeSpan.FromTicks(1) }
            )
        );
        Assert.AreEqual((1, 0), (summary.Training!.Epochs, summary.Training.RefitImages));
        StringAssert.Contains(summary.Training.Ended!, "time budget");
    }

    [TestMethod]
    public void Run_Progress_GivesLossSpeedAndTheTimeLeft()
    {
        using TuneTask task = new();
        var told = new Listener();
        task.Run(task.Options("out", TrainingStrategy.FineTune), told);
        JobProgress[] steps = [.. told.Reports.Where(r => r.Stage == "Fine-tuning")];
        Assert.HasCount(9, steps, "3 epochs of 24 images in batches of 8");
        Assert.AreEqual((9L, 9L), (steps[^1].Done, steps[^1].Total));
        StringAssert.Matches(
            steps[^1].Detail!,
            new System.Text.RegularExpressions.Regex(
                @"^epoch 3/3, loss \d\.\d{3}, validation \d\.\d{3} \(\d+\.\d %\), \d+ images/s, 00:00:00 left$"
            )
        );
    }

    [TestMethod]
    public void Run_ResumedWithOtherOptions_IsRefused()
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("out", TrainingStrategy.FineTune);
        using CancellationTokenSource stop = new();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            task.Run(options, new Stopper(stop, "Fine-tuning", at: 9), stop.Token)
        );
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            task.Run(options with { Resume = true, FineTune = options.FineTune with { WeightDecay = 0.5 } })
        );
        StringAssert.Contains(error.Message, "other images or options");
    }

    [TestMethod]
    public void Run_GradualUnfreezing_TrainsFromTheTopDown()
    {
        using TuneTask task = new();
        TrainSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.FineTune,
                o => o with { GradualUnfreezing = true, Epochs = 3, Patience = 9 }
            )
        );
        CollectionAssert.AreEqual(
            (string[])["head", "blocks 4 to 4", "blocks 3 to 4", "blocks 2 to 4"],
            summary.Training!.Metrics.Select(m => m.Stage).ToArray()
        );
        double[] rates =
        [
            .. summary
                .Training.Metrics[^1]
                .LearningRates.Where(r =>
                    r.Key.StartsWith("block", StringComparison.Ordinal)
                    && !r.Key.Contains("biases", StringComparison.Ordinal)
                )
                .Select(r => r.Value),
        ];
        Assert.HasCount(3, rates);
        for (int i = 1; i < rates.Length; i++)
            Assert.AreEqual(
                0.9,
                rates[i] / rates[i - 1],
                1e-6,
                "each block learns 0.9 times as fast as the one above it"
            );
    }

    [TestMethod]
    public void Run_PatternFreeze_LeavesWhatMatches()
    {
        using TuneTask task = new();
        task.Run(
            task.Options(
                "out",
                TrainingStrategy.FineTune,
                o =>
                    o with
                    {
                        Freeze = FreezeBoundary.OfPattern("^(stem|one_a)|scale$"),
                        LearningRate = 0.02,
                        Epochs = 12,
                        Patience = 12,
                        AverageDecay = 0,
                        ValidationFraction = 0.3,
                    }
            )
        );
        Dictionary<string, float[]> before = task.Pretrained(),
            after = task.Weights("out");
        foreach (string frozen in (string[])["stem.weight", "one_a.weight", "two_b.scale"])
            CollectionAssert.AreEqual(before[frozen], after[frozen], frozen);
        CollectionAssert.AreNotEqual(before["one_b.weight"], after["one_b.weight"]);
    }

    [TestMethod]
    public void Run_LossThatIsNoNumber_KeepsTheBestAndSaysWhere()
    {
        using TuneTask task = new(batchNormalization: false);
        TrainSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.Full,
                o =>
                    o with
                    {
                        LearningRate = 10,
                        HeadRate = 1000,
                        ClipNorm = null,
                        Optimizer = OptimizerKind.Sgd,
                        Schedule = ScheduleKind.Constant,
                        WarmUp = 0,
                        Epochs = 8,
                        Patience = 8,
                    }
            )
        );
        Assert.AreEqual(0, summary.Training!.BestEpoch);
        StringAssert.Contains(summary.Training.Ended!, "learning rate of 10");
        CollectionAssert.AreEqual(task.Pretrained()["stem.weight"], task.Weights("out")["stem.weight"]);
        Assert.IsTrue(summary.Notes.Any(n => n.Contains("as it was pretrained", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Run_OperatorWithoutGradient_IsRefusedAboveTheBoundaryBeforeAnImageIsRead()
    {
        using TuneTask task = new(network: SmallNetwork.Build(inBlock: "Round"));
        var watched = new Listener();
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            task.Run(task.Options("out", TrainingStrategy.Full), watched)
        );
        StringAssert.Contains(error.Message, "Round");
        StringAssert.Contains(error.Message, "--freeze");
        Assert.IsEmpty(watched.Reports);
        using TuneTask below = new(network: SmallNetwork.Build(inBlock: "Round"));
        Assert.AreEqual(
            4,
            below
                .Run(
                    below.Options("out", TrainingStrategy.FineTune, o => o with { Freeze = FreezeBoundary.OfBlocks(4) })
                )
                .Training!.FrozenBlocks
        );
    }

    [TestMethod]
    public void Run_FewImagesLargeBatchFolds_Works()
    {
        using TuneTask task = new(perClass: 3);
        TrainSummary summary = task.Run(
            task.Options(
                "out",
                TrainingStrategy.FineTune,
                o => o with { BatchSize = 4096, MicroBatch = 2, Epochs = 2 }
            ) with
            {
                TestFraction = null,
                Folds = 3,
            }
        );
        Assert.HasCount(3, summary.FoldAccuracies);
        Assert.AreEqual(9, summary.TrainImages);
    }

    [TestMethod]
    public void Run_OneImageToTrainPerClass_KeepsTheLastEpoch()
    {
        using TuneTask task = new(perClass: 2);
        TrainSummary summary = task.Run(task.Options("out", TrainingStrategy.FineTune));
        Assert.AreEqual((0, 3), (summary.Training!.ValidationImages, summary.Training.BestEpoch));
        Assert.IsTrue(summary.Notes.Any(n => n.Contains("too few images", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Run_HeadThatIsNoLayerOrOtherDevice_IsRefused()
    {
        using TuneTask task = new();
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    task.Run(task.Options("out", TrainingStrategy.Full) with { Head = HeadKind.Mlp })
                )
                .Message,
            "not linear"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    task.Run(
                        task.Options(
                            "out",
                            TrainingStrategy.FineTune,
                            o => o with { Freeze = FreezeBoundary.OfBlocks(9) }
                        )
                    )
                )
                .Message,
            "has 4"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    task.Run(
                        task.Options(
                            "out",
                            TrainingStrategy.FineTune,
                            o => o with { Freeze = FreezeBoundary.OfPattern("nothing-like-it") }
                        )
                    )
                )
                .Message,
            "none of the backbone's"
        );
    }

    [TestMethod]
    [DataRow("weights.safetensors")]
    [DataRow("model.onnx")]
    public void Run_InitialWeights_StartsWhereTheOtherRunStopped(string file)
    {
        using TuneTask task = new();
        string[] taps = [.. task.Catalog.Get(TuneTask.Id).Taps.Select(t => t.Name)];
        TrainOptions options = task.Options("first", TrainingStrategy.Full, TuneTask.Thorough) with
        {
            Taps = taps,
            SaveWeights = true,
        };
        task.Run(options);
        Assert.IsFalse(
            SafetensorsFile
                .Load(task.File("first/weights.safetensors"))
                .Tensors.Keys.Any(n => n.StartsWith("unknown.")),
            "rows of training images are no weights"
        );
        TrainOptions frozen = task.Options("second", TrainingStrategy.Head) with { Taps = taps };
        task.Run(frozen with { FineTune = new FineTuneOptions { InitialWeights = task.File($"first/{file}") } });
        Dictionary<string, float[]> first = task.Weights("first"),
            second = task.Weights("second");
        foreach (string name in task.Pretrained().Keys.Where(second.ContainsKey))
            CollectionAssert.AreEqual(first[name], second[name], name);
        CollectionAssert.AreNotEqual(task.Pretrained()["two_b.weight"], second["two_b.weight"]);
    }

    [TestMethod]
    public void Run_WeightsOfAnotherNetwork_AreRefusedWithTheDifferences()
    {
        using TuneTask task = new(),
            other = new(batchNormalization: false);
        other.Run(other.Options("out", TrainingStrategy.Head) with { SaveWeights = true });
        TransferException error = Assert.ThrowsExactly<TransferException>(() =>
            task.Run(
                task.Options(
                    "out",
                    TrainingStrategy.Full,
                    o => o with { InitialWeights = other.File("out/weights.safetensors") }
                )
            )
        );
        StringAssert.Contains(error.Message, "missing: stem_1.weight [8]");
    }

    private static string[] Reproducible(string path) =>
        [.. File.ReadAllLines(path).Select(l => l[..l.LastIndexOf(",\"seconds\"", StringComparison.Ordinal)])];

    /// <summary>Cancels in the middle of an epoch.</summary>
    private sealed class Stopper(CancellationTokenSource stop, string stage, int at) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.Stage == stage && value.Done == at)
                stop.Cancel();
        }
    }

    private sealed class Listener : IProgress<JobProgress>
    {
        /// <summary>Reports come from any thread.</summary>
        public ConcurrentQueue<JobProgress> Reports { get; } = [];

        public void Report(JobProgress value) => Reports.Enqueue(value);
    }
}
