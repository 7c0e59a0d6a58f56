using MlNetTransfer.Heads;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Training.FineTuning;

/// <summary>Answers are drawn: logits that favour the true class by a strength, and noise.</summary>
[TestClass]
public sealed class NetworkChoiceTests
{
    private const int Classes = 4,
        Images = 300;

    private static OutOfFoldPredictions Drawn(double strength, int seed, double noise = 1)
    {
        var rng = new Rng(seed);
        int[] rows = [.. Enumerable.Range(0, Images)],
            labels = [.. rows.Select(row => row % Classes)];
        float[] logits =
        [
            .. rows.SelectMany(row =>
                Enumerable
                    .Range(0, Classes)
                    .Select(c => (float)((c == labels[row] ? strength : 0) + noise * rng.NextNormal()))
            ),
        ];
        return new OutOfFoldPredictions(rows, labels, logits, Classes);
    }

    [TestMethod]
    public void Of_SameAnswers_KeepsTheHeadAndSaysWhy()
    {
        OutOfFoldPredictions head = Drawn(2, 1);
        var choice = NetworkChoice.Of(head, head, head, blends: true);
        Assert.IsNull(choice.Answer);
        Assert.Contains("gained 0.000 in log-loss", choice.Doubt!);
        CollectionAssert.AreEqual(
            (TunedModel[])[TunedModel.Head, TunedModel.Trained, TunedModel.NewHead, TunedModel.Blend],
            choice.Trials.Select(trial => trial.Model).ToArray()
        );
        Assert.AreEqual(TunedModel.Head, choice.Trials.Single(trial => trial.Taken).Model);
        Assert.AreEqual((0.0, 0.0), (choice.Trials[0].Gain, choice.Trials[0].GainError));
    }

    [TestMethod]
    [DataRow(5.0, 2.0, TunedModel.Trained)]
    [DataRow(2.0, 5.0, TunedModel.NewHead)]
    public void Of_OneThatKnowsMuchMore_TakesItAlone(double trained, double again, TunedModel expected)
    {
        var choice = NetworkChoice.Of(Drawn(0, 1, noise: 2), Drawn(trained, 2), Drawn(again, 3), blends: true);
        Assert.AreEqual(expected, choice.Trials.Single(trial => trial.Taken).Model);
        Assert.AreEqual(expected == TunedModel.NewHead, choice.Answer!.HasNewHead);
        Assert.IsNull(choice.Answer.BlendTemperature);
        Assert.IsNull(choice.Doubt);
    }

    [TestMethod]
    public void Of_EqualsThatErrDifferently_TakesTheirMean()
    {
        OutOfFoldPredictions head = Drawn(2, 1),
            own = Drawn(2, 2),
            again = Drawn(1, 3);
        var choice = NetworkChoice.Of(head, own, again, blends: true);
        CandidateTrial taken = choice.Trials.Single(trial => trial.Taken);
        Assert.AreEqual(TunedModel.Blend, taken.Model);
        Assert.IsGreaterThan(2 * taken.GainError, taken.Gain);
        Assert.IsFalse(choice.Answer!.HasNewHead, "the worse of the two");
        Assert.AreEqual(1, choice.Answer.Temperature, "that of the trained head is in the head");
        // Two logits of noise 1 have a mean of noise 1 / √2: about twice the certainty.
        Assert.IsInRange(0.4, 1.1, choice.Answer.BlendTemperature!.Value);

        var without = NetworkChoice.Of(head, own, again, blends: false);
        Assert.IsNull(without.Answer, "neither is better alone");
        Assert.HasCount(3, without.Trials);
    }

    [TestMethod]
    public void Of_ScaledLogits_ChoosesAlikeAtAnotherTemperature()
    {
        OutOfFoldPredictions head = Drawn(1, 1),
            again = Drawn(4, 2),
            sure = new([.. again.Rows], [.. again.Labels], [.. again.Logits.ToArray().Select(z => 8 * z)], Classes);
        NetworkAnswer plain = NetworkChoice.Of(head, Drawn(1, 3), again, blends: false).Answer!,
            scaled = NetworkChoice.Of(head, Drawn(1, 3), sure, blends: false).Answer!;
        Assert.AreEqual(8 * plain.Temperature, scaled.Temperature, 1e-3 * scaled.Temperature);
    }
}
