using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using MlNetTransfer.Selective;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>A second model beside the one that serves, and the watch over what images come.</summary>
[TestClass]
public sealed class CandidateTests
{
    private static readonly byte[] Red = Bmp.Plain(200, 100, 50);

    [TestMethod]
    public async Task Shadow_SameImages_IsComparedAndNeverAnswers()
    {
        await using Pair pair = new(o => o.Candidate = "new", gain: 3);
        for (int i = 0; i < 20; i++)
        {
            TransferPrediction answer = await pair.Old.PredictAsync(Red);
            Assert.AreEqual("gain 1", answer.Model.TrainingDigest);
            await Hosted.Until(() => Seen(pair) == i + 1, "the shadow has looked");
        }

        CandidateStatus found = pair.Old.Status.Candidate!;
        Assert.AreEqual(("new", 20L, 20L, 0L), (found.Name, found.Images, found.Agreed, found.Skipped));
        double expected = TinyModel.Expected(200, 100, 50, 3)[0] - TinyModel.Expected(200, 100, 50)[0];
        Assert.AreEqual(expected, found.ProbabilityDifference, 1e-4);
        Assert.AreEqual(1, found.Agreement.High);
        Assert.IsGreaterThan(0.8, found.Agreement.Low);
        Assert.IsNull(pair.New.Status.Candidate);
    }

    [TestMethod]
    [DataRow(1.0, 40)]
    [DataRow(0.25, 10)]
    [DataRow(0.05, 2)]
    public async Task Canary_OfAShare_AnswersExactlyThatShare(double share, int expected)
    {
        await using Pair pair = new(
            o => (o.Candidate, o.CandidateShare, o.CandidateAnswers) = ("new", share, true),
            gain: 3
        );
        int answered = 0;
        for (int i = 0; i < 40; i++)
            answered += (await pair.Old.PredictAsync(new MemoryStream(Red))).Model.TrainingDigest == "gain 3" ? 1 : 0;
        Assert.AreEqual(expected, answered);
        await Hosted.Until(() => Seen(pair) == expected, "the other has looked");
    }

    [TestMethod]
    public async Task Canary_ThatFails_LeavesTheAnswerToTheOther()
    {
        await using Pair pair = new(o => (o.Candidate, o.CandidateAnswers) = ("new", true), gain: 3, fragile: true);
        TransferPrediction answer = await pair.Old.PredictAsync(Bmp.Plain(255, 20, 20));
        Assert.AreEqual("gain 1", answer.Model.TrainingDigest);
        Assert.AreEqual(1, pair.Old.Status.Candidate!.Skipped);
        await Assert.ThrowsExactlyAsync<Imaging.ImageRejectedException>(() =>
            pair.Old.PredictAsync("no image"u8.ToArray())
        );
    }

    /// <summary>Its logits are beyond float32 for dark images, which is not the image's fault.</summary>
    [TestMethod]
    public async Task Canary_WithoutAnAnswer_LeavesItToTheOther()
    {
        await using Pair pair = new(o => (o.Candidate, o.CandidateAnswers) = ("new", true), gain: 3e38f);
        TransferPrediction answer = await pair.Old.PredictAsync(Bmp.Plain(30, 20, 20));
        Assert.AreEqual("gain 1", answer.Model.TrainingDigest);
        Assert.AreEqual(1, pair.Old.Status.Candidate!.Skipped);
    }

    [TestMethod]
    [DataRow("missing")]
    [DataRow("old")]
    public async Task Candidate_ThatIsNoOtherModel_EndsTheStart(string candidate)
    {
        await using Pair pair = new(o => o.Candidate = candidate, gain: 3);
        var e = Assert.ThrowsExactly<OptionsValidationException>(() => pair.Old);
        StringAssert.Contains(
            e.Message,
            $"its candidate is '{candidate}'; another registered model was expected (new)"
        );
    }

    /// <summary>
    /// Of images of its kind 5 % lie beyond the threshold, known from 200 of them. 12 % of 1,000 is drift; 6 % may be
    /// chance, as may 12 % of 100.
    /// </summary>
    [TestMethod]
    [DataRow(1000, 120, true)]
    [DataRow(1000, 60, false)]
    [DataRow(100, 12, false)]
    [DataRow(100, 30, true)]
    public void IsBeyondChance_OfAShare_KnowsBothSamples(int images, int unknown, bool expected) =>
        Assert.AreEqual(expected, DriftWatch.IsBeyondChance(unknown, images, new UnknownImages(0.95, 200, 200)));

    [TestMethod]
    public void Drift_UnlikeImages_AreSeenAndForgottenAgain()
    {
        using TransferInstruments instruments = new(null);
        CollectedLogs logs = new();
        DriftWatch watch = new("m", instruments, logs);
        UnknownImages facts = new(0.95, 500, 500);
        Add(99, 1.5f);
        Assert.IsNull(watch.Status, "too few images say nothing");
        Add(1, 1.5f);
        Assert.AreEqual((100, 1.0, true), (watch.Status!.Images, watch.Status.UnknownShare, watch.Status.Drifted));
        Assert.AreEqual(1.5, watch.Status.MedianScore, 1e-6);
        StringAssert.Contains(logs.Lines.Single(), "100.0 % of the last 100 images are unlike all training images");
        Add(1000, 0.3f);
        Assert.AreEqual((1000, 0.0, false), (watch.Status.Images, watch.Status.UnknownShare, watch.Status.Drifted));
        Assert.HasCount(2, logs.Lines);
        Add(1, 0.3f, "another model");
        Assert.IsNull(watch.Status, "another model measures anew");

        void Add(int count, float score, string sha256 = "one")
        {
            for (int i = 0; i < count; i++)
                watch.Add(
                    new TransferPrediction("a", 1, [], new ModelVersion(sha256, ""))
                    {
                        UnknownScore = score,
                        UnknownFacts = facts,
                    },
                    sha256
                );
        }
    }

    private static long Seen(Pair pair) => pair.Old.Status.Candidate is { } status ? status.Images + status.Skipped : 0;

    /// <summary>Two tiny models in one container.</summary>
    private sealed class Pair : IAsyncDisposable
    {
        private readonly TempFolder folder = new();
        private readonly ServiceProvider services;

        public Pair(Action<TransferModelOptions> configure, float gain, bool fragile = false)
        {
            TinyModel.Put(folder.File("old"), TinyModel.Bytes());
            TinyModel.Put(folder.File("new"), TinyModel.Bytes(gain, fragile: fragile));
            services = new ServiceCollection()
                .AddTransferModel("old", folder.File("old"), configure)
                .AddTransferModel("new", folder.File("new"))
                .BuildServiceProvider();
        }

        public ITransferPredictor Old => services.GetRequiredKeyedService<ITransferPredictor>("old");

        public ITransferPredictor New => services.GetRequiredKeyedService<ITransferPredictor>("new");

        public async ValueTask DisposeAsync()
        {
            await services.DisposeAsync();
            folder.Dispose();
        }
    }
}
