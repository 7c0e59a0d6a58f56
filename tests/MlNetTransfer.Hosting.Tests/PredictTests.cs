using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

[TestClass]
public sealed class PredictTests
{
    private static readonly byte[] Reddish = Bmp.Plain(200, 100, 50);

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public async Task Predict_ManyCallersAndColours_EachGetsItsClosedForm(int batch)
    {
        await using Hosted hosted = new(o =>
        {
            o.MaxBatchSize = batch;
            o.Workers = 3;
        });
        await Parallel.ForAsync(
            0,
            200,
            new ParallelOptions { MaxDegreeOfParallelism = 16 },
            async (i, none) =>
            {
                (byte red, byte green, byte blue) = ((byte)(i + 1), (byte)(255 - i), (byte)(i * 7 % 256));
                byte[] image = Bmp.Plain(red, green, blue);
                TransferPrediction found =
                    i % 2 == 0
                        ? await hosted.Predictor.PredictAsync(image, none)
                        : await hosted.Predictor.PredictAsync(new MemoryStream(image), none);
                double[] expected = TinyModel.Expected(red, green, blue);
                Assert.HasCount(3, found.Top);
                foreach ((string label, float probability) in found.Top.Select(t => (t.Label, t.Probability)))
                    Assert.AreEqual(
                        expected[Array.IndexOf(TinyModel.Labels, label)],
                        probability,
                        1e-5,
                        "float32 logarithms and a mean of 64 numbers"
                    );
                Assert.AreEqual(expected.Max(), found.Probability, 1e-5);
            }
        );
        Assert.AreEqual(200, hosted.Measured.Sum(TransferTelemetry.Requests, "ok"));
        Assert.AreEqual(200, hosted.Measured.Sum(TransferTelemetry.BatchSize));
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(5)]
    public async Task Predict_BadImagesAmongGoodOnes_OnlyTheyAreRejected(int batch)
    {
        await using Hosted hosted = new(o =>
        {
            o.MaxBatchSize = batch;
            o.MaxDelay = TimeSpan.FromMilliseconds(50);
        });
        Task<TransferPrediction>[] answers =
        [
            .. Enumerable
                .Range(0, 20)
                .Select(i =>
                    hosted.Predictor.PredictAsync(
                        (i % 4) switch
                        {
                            1 => "hello, world"u8.ToArray(),
                            3 => Bmp.Plain(0, 0, 0),
                            _ => Reddish,
                        }
                    )
                ),
        ];
        for (int i = 0; i < answers.Length; i++)
        {
            if (i % 2 == 0)
            {
                Assert.AreEqual("red", (await answers[i]).Label);
                continue;
            }

            ImageRejectedException e = await Assert.ThrowsExactlyAsync<ImageRejectedException>(() => answers[i]);
            StringAssert.StartsWith(e.Reason, i % 4 == 1 ? "not an image" : "the graph gave NaN");
        }

        Assert.AreEqual(10, hosted.Measured.Sum(TransferTelemetry.Requests, "rejected"));
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(6)]
    public async Task Predict_RunFailsBecauseOfOneImage_TheOthersAreAnswered(int batch)
    {
        await using Hosted hosted = new(o =>
        {
            o.MaxBatchSize = batch;
            o.MaxDelay = TimeSpan.FromSeconds(10);
            o.Workers = 1;
        });
        TinyModel.Put(hosted.Path, TinyModel.Bytes(fragile: true));
        Task<TransferPrediction>[] answers =
        [
            .. Enumerable
                .Range(0, 6)
                .Select(i =>
                    hosted.Predictor.PredictAsync(i == 2 ? Bmp.Plain(255, 1, 1) : Bmp.Plain((byte)(100 + i), 50, 50))
                ),
        ];
        for (int i = 0; i < answers.Length; i++)
        {
            if (i == 2)
                StringAssert.StartsWith(
                    (await Assert.ThrowsExactlyAsync<TransferException>(() => answers[2])).Message,
                    "Cpu failed on 1 images"
                );
            else
                Assert.AreEqual(
                    TinyModel.Expected((byte)(100 + i), 50, 50)[0],
                    (await answers[i]).Probability,
                    1e-5,
                    "float32"
                );
        }

        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Requests, "failed"));
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    public async Task Predict_StreamPastTheLimit_ReadsNoFurther()
    {
        await using Hosted hosted = new(o => o.Limits = new ImageLimits { MaxBytes = 1000 });
        var known = new CountingStream(new byte[5000], canSeek: true);
        ImageTooLargeException e = await Assert.ThrowsExactlyAsync<ImageTooLargeException>(() =>
            hosted.Predictor.PredictAsync(known)
        );
        StringAssert.Contains(e.Message, "5000 bytes, the limit is 1000 bytes");
        Assert.AreEqual(0, known.Count);
        var unknown = new CountingStream(new byte[5000], canSeek: false);
        await Assert.ThrowsExactlyAsync<ImageTooLargeException>(() => hosted.Predictor.PredictAsync(unknown));
        Assert.AreEqual(1001, unknown.Count);
        await Assert.ThrowsExactlyAsync<ImageTooLargeException>(() => hosted.Predictor.PredictAsync(new byte[1001]));
        Assert.AreEqual(3, hosted.Measured.Sum(TransferTelemetry.Requests, "rejected"));
        Assert.AreEqual(
            "red",
            (await hosted.Predictor.PredictAsync(new CountingStream(Bmp.Plain(9, 1, 1), canSeek: false))).Label
        );
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(65_536)]
    [DataRow(65_537)]
    [DataRow(300_000)]
    public async Task ReadAsync_AnyLength_GivesTheBytes(int length)
    {
        byte[] bytes = new byte[length];
        new Random(1).NextBytes(bytes);
        foreach (bool canSeek in (bool[])[true, false])
        {
            using EncodedImage image = await EncodedImage.ReadAsync(
                new CountingStream(bytes, canSeek),
                300_000,
                CancellationToken.None
            );
            CollectionAssert.AreEqual(bytes, image.Bytes.ToArray());
        }
    }

    [TestMethod]
    public async Task Predict_MoreThanMayWait_IsRefusedAndNothingElse()
    {
        await using Hosted hosted = new(o =>
        {
            o.Workers = 1;
            o.MaxWaiting = 2;
        });
        using GatedImage gated = new(Reddish);
        Task<TransferPrediction> first = hosted.Predictor.PredictAsync(gated.Memory);
        await gated.Reached;
        Task<TransferPrediction>[] waiting =
        [
            hosted.Predictor.PredictAsync(Reddish),
            hosted.Predictor.PredictAsync(Reddish),
        ];
        ModelBusyException e = await Assert.ThrowsExactlyAsync<ModelBusyException>(() =>
            hosted.Predictor.PredictAsync(Reddish)
        );
        StringAssert.Contains(e.Message, "2 requests are waiting");
        var unread = new CountingStream(Reddish, canSeek: false);
        await Assert.ThrowsExactlyAsync<ModelBusyException>(() => hosted.Predictor.PredictAsync(unread));
        Assert.AreEqual(0, unread.Count, "an image that is refused must not cost memory");
        Assert.AreEqual((2, 1), hosted.Load);
        Assert.AreEqual(2, hosted.Measured.Sum(TransferTelemetry.QueueLength));
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.ActiveRequests));
        gated.Release();
        foreach (Task<TransferPrediction> task in (Task<TransferPrediction>[])[first, .. waiting])
            Assert.AreEqual("red", (await task).Label);
        Assert.AreEqual(2, hosted.Measured.Sum(TransferTelemetry.Requests, "busy"));
        Assert.AreEqual(0, hosted.Measured.Sum(TransferTelemetry.QueueLength));
        Assert.AreEqual(0, hosted.Measured.Sum(TransferTelemetry.ActiveRequests));
    }

    /// <summary>The limit itself; what is looked at before a stream is read only spares memory.</summary>
    [TestMethod]
    public void Enter_AtTheLimit_RefusesUntilSomeoneLeaves()
    {
        using TransferInstruments instruments = new(null);
        var admission = new Admission("x", 2, instruments);
        admission.Enter();
        admission.Enter();
        Assert.ThrowsExactly<ModelBusyException>(admission.Enter);
        Assert.AreEqual(2, admission.Waiting, "who is refused does not count");
        admission.Begin();
        admission.Enter();
        Assert.AreEqual((2, 1), (admission.Waiting, admission.Active));
    }

    [TestMethod]
    public async Task Predict_WaitingRequestCancelled_LeavesAtOnceAndDisturbsNobody()
    {
        await using Hosted hosted = new(o =>
        {
            o.Workers = 1;
            o.MaxWaiting = 2;
        });
        using GatedImage gated = new(Reddish);
        using CancellationTokenSource cancel = new();
        Task<TransferPrediction> first = hosted.Predictor.PredictAsync(gated.Memory);
        await gated.Reached;
        Task<TransferPrediction> withdrawn = hosted.Predictor.PredictAsync(Reddish, cancel.Token),
            other = hosted.Predictor.PredictAsync(Reddish);
        await cancel.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => withdrawn);
        Assert.AreEqual((1, 1), hosted.Load, "its place is free again while the worker is still held");
        Task<TransferPrediction> next = hosted.Predictor.PredictAsync(Reddish);
        gated.Release();
        foreach (Task<TransferPrediction> task in (Task<TransferPrediction>[])[first, other, next])
            Assert.AreEqual("red", (await task).Label);
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Requests, "cancelled"));
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    public async Task Predict_CancelledInHand_EndsOnlyWhenTheMemoryIsFree()
    {
        await using Hosted hosted = new(o => o.Workers = 1);
        using GatedImage gated = new(Reddish);
        using CancellationTokenSource cancel = new();
        Task<TransferPrediction> inHand = hosted.Predictor.PredictAsync(gated.Memory, cancel.Token);
        await gated.Reached;
        await cancel.CancelAsync();
        await Task.Delay(50);
        Assert.IsFalse(inHand.IsCompleted);
        gated.Release();
        await Assert.ThrowsAsync<OperationCanceledException>(() => inHand);
        Assert.AreEqual("red", (await hosted.Predictor.PredictAsync(Reddish)).Label);
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    public async Task Predict_CallerStopsWaiting_TheRequestEndsByItself()
    {
        await using Hosted hosted = new(o => o.Workers = 1);
        using GatedImage gated = new(Reddish);
        Task<TransferPrediction> abandoned = hosted.Predictor.PredictAsync(gated.Memory);
        await Assert.ThrowsExactlyAsync<TimeoutException>(() => abandoned.WaitAsync(TimeSpan.FromMilliseconds(20)));
        gated.Release();
        Assert.AreEqual("red", (await hosted.Predictor.PredictAsync(Reddish)).Label);
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    public async Task Predict_BatchNotFull_WaitsForTheDelayOfItsOldestAndNoLonger()
    {
        FakeClock clock = new();
        await using Hosted hosted = new(
            o =>
            {
                o.MaxBatchSize = 4;
                o.MaxDelay = TimeSpan.FromSeconds(1);
            },
            clock
        );
        Task<TransferPrediction>[] three =
        [
            .. Enumerable.Range(0, 3).Select(_ => hosted.Predictor.PredictAsync(Reddish)),
        ];
        await Hosted.Until(
            () =>
                hosted.Load == (0, 3)
                && hosted.Measured.Values(TransferTelemetry.DecodeDuration).Length == 3
                && clock.Pending > 0,
            "three images are decoded and one thread waits for a fourth"
        );
        clock.Advance(TimeSpan.FromSeconds(0.9));
        await Task.Delay(50);
        Assert.IsFalse(three.Any(t => t.IsCompleted));
        clock.Advance(TimeSpan.FromSeconds(0.2));
        foreach (Task<TransferPrediction> task in three)
            Assert.AreEqual("red", (await task.WaitAsync(TimeSpan.FromSeconds(30))).Label);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => hosted.Predictor.PredictAsync(Reddish)))
            .WaitAsync(TimeSpan.FromSeconds(30));
        double[] sizes = hosted.Measured.Values(TransferTelemetry.BatchSize);
        Assert.AreEqual(7, sizes.Sum());
        Assert.AreEqual(4, sizes[^1], "a full batch waits for no clock");
    }

    [TestMethod]
    public async Task Predict_WaitingForABatchCancelled_LeavesAtOnce()
    {
        FakeClock clock = new();
        await using Hosted hosted = new(
            o =>
            {
                o.MaxBatchSize = 2;
                o.MaxDelay = TimeSpan.FromSeconds(1);
                o.Workers = 2;
            },
            clock
        );
        using CancellationTokenSource cancel = new();
        // More withdrawals than there are tensors: each must have given its own back.
        for (int i = 0; i < 20; i++)
        {
            using CancellationTokenSource each = new();
            Task<TransferPrediction> withdrawn = hosted.Predictor.PredictAsync(Reddish, each.Token);
            await Hosted.Until(
                () => hosted.Measured.Values(TransferTelemetry.DecodeDuration).Length == i + 1,
                "the image is decoded"
            );
            await each.CancelAsync();
            // Cancelled between decoding and queueing, it leaves with its batch; the clock must not keep that one
            // waiting.
            clock.Advance(TimeSpan.FromSeconds(2));
            await Hosted.Until(() => withdrawn.IsCompleted || Advance(clock), "the request is over");
            await Assert.ThrowsAsync<OperationCanceledException>(() => withdrawn);
        }

        await Task.WhenAll(hosted.Predictor.PredictAsync(Reddish), hosted.Predictor.PredictAsync(Reddish))
            .WaitAsync(TimeSpan.FromSeconds(30));
        Assert.AreEqual((0, 0), hosted.Load);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public async Task Predict_ATrainedModel_SaysWhatTheJobSaysBesideTheClass(int batch)
    {
        await using Hosted hosted = new(o =>
        {
            o.Path = Trained.Model;
            o.MaxBatchSize = batch;
        });
        PredictionSummary expected = new PredictJob(
            new PredictOptions { Model = Trained.Model, Images = Trained.Images }
        ).Run();
        Assert.IsTrue(expected.Predictions.All(p => p.Set is not null && p.Unknown is not null));
        foreach (Prediction p in expected.Predictions)
        {
            TransferPrediction found = await hosted.Predictor.PredictAsync(await File.ReadAllBytesAsync(p.File));
            Assert.AreEqual(p.Abstained, found.Abstained);
            CollectionAssert.AreEqual(p.Set!.ToArray(), found.PredictionSet!.ToArray());
            Assert.AreEqual(p.Unknown, found.Unknown);
            Assert.AreEqual(
                p.UnknownScore!.Value,
                found.UnknownScore!.Value,
                1e-4,
                "float32, perhaps in another batch"
            );
        }
    }

    [TestMethod]
    public void Of_AnyRow_IsTheStableSort()
    {
        Random random = new(3);
        string[] labels = [.. Enumerable.Range(0, 9).Select(i => $"c{i}")];
        for (int trial = 0; trial < 500; trial++)
        {
            // Few distinct values, so that there are ties.
            float[] row = [.. labels.Select(_ => random.Next(4) / 4f)];
            int top = random.Next(1, 12);
            string[] expected =
            [
                .. Enumerable.Range(0, 9).OrderByDescending(i => row[i]).Take(top).Select(i => labels[i]),
            ];
            TransferPrediction found = TransferPrediction.Of(labels, row, top, new ModelVersion("", ""));
            CollectionAssert.AreEqual(expected, found.Top.Select(t => t.Label).ToArray());
            Assert.AreEqual(expected[0], found.Label);
        }
    }

    private static bool Advance(FakeClock clock)
    {
        clock.Advance(TimeSpan.FromSeconds(2));
        return false;
    }
}
