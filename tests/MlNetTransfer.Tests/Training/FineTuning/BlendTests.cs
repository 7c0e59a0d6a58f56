using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>Models that are written of a training other than the trained network with its own head.</summary>
[TestClass]
public sealed class BlendTests
{
    [TestMethod]
    public void Run_MeanIsBest_WritesBothNetworksOnceWhereTheyAgree()
    {
        using TuneTask task = new(40);
        (TrainOptions options, TrainSummary summary) = Until(task, TunedModel.Blend);
        StringAssert.StartsWith(summary.Head, "mean of ");
        Assert.IsTrue(summary.Taps.Any(tap => tap.StartsWith("pretrained/", StringComparison.Ordinal)));
        Assert.IsTrue(summary.Notes.Any(note => note.Contains("--no-blend", StringComparison.Ordinal)));
        Assert.IsTrue(summary.Parity.Agrees);

        // The trained weights have the names that the backbone gave them; the pretrained ones stand beside them.
        Dictionary<string, float[]> written = task.Weights(Path.GetFileName(options.Output)),
            pretrained = task.Pretrained();
        CollectionAssert.AreEqual(pretrained["two_b.weight"], written["pretrained/two_b.weight"]);
        CollectionAssert.AreNotEqual(pretrained["two_b.weight"], written["two_b.weight"]);
        Assert.IsFalse(written.ContainsKey("pretrained/stem.weight"), "the first block is frozen, so there is one");

        // Which is why a further training starts from the trained ones.
        TrainSummary next = task.Run(
            new TrainOptions
            {
                Folder = task.Images,
                Output = task.File("next"),
                Backbone = TuneTask.Id,
                FineTune = new FineTuneOptions { InitialWeights = summary.Model },
            }
        );
        CollectionAssert.AreEqual(written["two_b.weight"], task.Weights("next")["two_b.weight"]);
        Assert.IsTrue(next.Parity.Agrees);
    }

    [TestMethod]
    public void Run_NoBlend_NeverWritesBoth()
    {
        using TuneTask task = new(40);
        (TrainOptions options, _) = Until(task, TunedModel.Blend);
        TrainSummary alone = task.Run(
            options with
            {
                Output = task.File("alone"),
                FineTune = options.FineTune with { Blend = false },
            }
        );
        Assert.IsFalse(alone.Training!.Candidates.Any(trial => trial.Model == TunedModel.Blend));
        Assert.IsFalse(alone.Head.StartsWith("mean", StringComparison.Ordinal));
    }

    [TestMethod]
    public void Run_NewHeadIsBest_FitsItOnAllImagesAndTrainsNoSecondTime()
    {
        using TuneTask task = new(40);
        (TrainOptions options, TrainSummary summary) = Until(task, TunedModel.NewHead);
        StringAssert.EndsWith(summary.Head, " on the trained network");
        TrainSummary twice = task.Run(
            options with
            {
                Output = task.File("twice"),
                FineTune = options.FineTune with { Refit = true },
            }
        );
        Assert.IsTrue(twice.Parity.Agrees);
        Assert.AreEqual(TunedModel.NewHead, twice.Training!.Candidates.Single(trial => trial.Taken).Model);
        Assert.AreEqual(0, twice.Training.RefitImages);
        CollectionAssert.AreEqual(
            task.Weights(Path.GetFileName(options.Output))["two_b.weight"],
            task.Weights("twice")["two_b.weight"]
        );
        Assert.IsTrue(twice.Notes.Any(note => note.Contains("training is not done again", StringComparison.Ordinal)));
        StringAssert.EndsWith(twice.Head, " on the trained network");
        using TransferModel model = TransferModel.Load(twice.Model);
        Assert.HasCount(3, model.ClassNames);
    }

    /// <summary>The first run of a few epochs and seeds whose validation images speak for a model.</summary>
    private static (TrainOptions Options, TrainSummary Summary) Until(TuneTask task, TunedModel model)
    {
        foreach (int seed in Enumerable.Range(1, 6))
        foreach (int epochs in (int[])[4, 2, 6])
        {
            TrainOptions options = task.Options(
                FormattableString.Invariant($"run-{seed}-{epochs}"),
                TrainingStrategy.FineTune,
                o => TuneTask.Thorough(o) with { Refit = false, Epochs = epochs, LearningRate = 0.003 }
            ) with
            {
                Seed = seed,
            };
            TrainSummary summary = task.Run(options);
            if (summary.Training!.Candidates.FirstOrDefault(trial => trial.Taken)?.Model == model)
                return (options, summary);
        }

        throw new AssertFailedException($"No run of those tried ended with {model}.");
    }
}
