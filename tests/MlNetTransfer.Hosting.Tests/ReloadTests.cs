using System.Diagnostics;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

[TestClass]
public sealed class ReloadTests
{
    private static readonly byte[] Reddish = Bmp.Plain(200, 100, 50);

    /// <summary>Files that cannot be served, and what the error must say.</summary>
    public static IEnumerable<object[]> BadFiles =>
        [
            ["garbage", "hello, world"u8.ToArray(), ""],
            ["empty", Array.Empty<byte>(), ""],
            ["cut", TinyModel.Bytes(2)[..^200], ""],
            [
                "foreign",
                new GraphBuilder("x").Input("a", ["N"]).Node("Relu", ["a"], ["b"]).Output("b", ["N"]).Build().ToBytes(),
                "not one that mlnet-transfer wrote",
            ],
            ["labels twice", TinyModel.Bytes(2, ["red", "green", "red"]), "'red' 2 times"],
            ["labels missing", TinyModel.Bytes(2, ["red", "green"]), "2 labels"],
            ["other labels", TinyModel.Bytes(2, ["red", "blue", "green"]), "red, green, blue were expected"],
            ["no finite answer", TinyModel.Bytes(float.NaN), "no answer for a plain image"],
            ["not probabilities", NotProbabilities(), "1 was expected"],
        ];

    [TestMethod]
    public async Task Reload_WithARequestInHand_OldFinishesOnTheOldAndIsFreed()
    {
        await using Hosted hosted = new(o => o.Workers = 1);
        using GatedImage gated = new(Reddish);
        Task<TransferPrediction> old = hosted.Predictor.PredictAsync(gated.Memory),
            waiting = hosted.Predictor.PredictAsync(Reddish);
        await gated.Reached;
        await Hosted.Until(() => hosted.Load == (1, 1), "one request is in hand and the other accepted");
        InferenceSession first = Sessions.Of(hosted.Predictor).Single();
        ModelVersion before = hosted.Predictor.Status.Version!;

        TinyModel.Put(hosted.Path, TinyModel.Bytes(2));
        Assert.IsTrue(await hosted.ReloadAsync());
        TransferPrediction next = await hosted.Predictor.PredictAsync(Reddish);
        Assert.AreEqual(TinyModel.Expected(200, 100, 50, 2)[0], next.Probability, 1e-5, "float32");
        Assert.AreEqual(LoadedModel.Hash(hosted.Path), next.Model.Sha256);
        Assert.AreEqual("gain 2", next.Model.TrainingDigest);
        Assert.AreEqual(2, hosted.Loaded);
        Assert.IsFalse(Sessions.IsFreed(first));

        gated.Release();
        foreach (Task<TransferPrediction> task in (Task<TransferPrediction>[])[old, waiting])
        {
            Assert.AreEqual(TinyModel.Expected(200, 100, 50)[0], (await task).Probability, 1e-5);
            Assert.AreEqual(before, (await task).Model);
        }

        await Hosted.Until(() => hosted.Loaded == 1, "the old model is disposed");
        Assert.IsTrue(Sessions.IsFreed(first));
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Reloads, "ok"));
        Assert.IsFalse(await hosted.ReloadAsync(), "the same content again is no other model");
    }

    [TestMethod]
    [DoNotParallelize]
    [DataRow("")]
    [DataRow("sqlite:")]
    public async Task Reload_StageOfTheRegistryPromoted_ServesTheNewVersion(string scheme)
    {
        DatabaseModels.Register();
        using var folder = new TempFolder();
        string? before = Environment.GetEnvironmentVariable(ModelRegistry.Variable),
            home = Environment.GetEnvironmentVariable(DataFolder.Variable);
        Environment.SetEnvironmentVariable(DataFolder.Variable, folder.File("home"));
        Environment.SetEnvironmentVariable(ModelRegistry.Variable, $"{scheme}{folder.File("registry")}");
        try
        {
            var registry = new ModelRegistry();
            registry.Add("tiny", folder.Write("one.onnx", TinyModel.Bytes(1)), ModelRegistry.Production);
            await using Hosted hosted = new(o => o.Path = "registry:tiny@production");
            Assert.AreEqual("gain 1", (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
            registry.Add("tiny", folder.Write("two.onnx", TinyModel.Bytes(2)));
            Assert.IsFalse(await hosted.ReloadAsync(), "a candidate is not in use");
            registry.Promote("tiny");
            await hosted.ReloadAsync();
            Assert.AreEqual("gain 2", (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
            registry.RollBack("tiny");
            await hosted.ReloadAsync();
            Assert.AreEqual("gain 1", (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);

            await using Hosted watching = new(o =>
            {
                o.Path = "registry:tiny@production";
                o.WatchFile = true;
                o.PollInterval = o.Debounce = TimeSpan.FromMilliseconds(20);
            });
            Assert.AreEqual("gain 1", (await watching.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
            registry.Promote("tiny");
            await Hosted.Until(() => Now(watching).Version!.TrainingDigest == "gain 2", "it follows by itself");
            if (scheme.Length == 0)
                return;
            File.WriteAllText(folder.File("registry"), "no database any more");
            await Hosted.Until(() => Now(watching).RegistryError is not null, "it says that it cannot look");
            StringAssert.Contains(Now(watching).RegistryError!, ModelRegistry.Variable);
            Assert.AreEqual("gain 2", (await watching.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
        }
        finally
        {
            Environment.SetEnvironmentVariable(ModelRegistry.Variable, before);
            Environment.SetEnvironmentVariable(DataFolder.Variable, home);
        }
    }

    private static TransferModelStatus Now(Hosted hosted) => ((HostedModel)hosted.Predictor).Status;

    [TestMethod]
    [DynamicData(nameof(BadFiles))]
    public async Task Reload_BadFile_TheOldGoesOnAndHealthSaysWhy(string _, byte[] bad, string reason)
    {
        await using Hosted hosted = new(o => o.RequireSameLabels = true);
        TransferPrediction before = await hosted.Predictor.PredictAsync(Reddish);
        Assert.AreEqual(HealthStatus.Healthy, (await HealthAsync(hosted)).Status);
        TinyModel.Put(hosted.Path, bad);

        TransferException e = await Assert.ThrowsExactlyAsync<TransferException>(hosted.ReloadAsync);
        foreach (string part in (string[])[hosted.Name, hosted.Path, reason])
            StringAssert.Contains(e.Message, part);
        Assert.AreEqual(before.Model, (await hosted.Predictor.PredictAsync(Reddish)).Model);
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Reloads, "failed"));
        Assert.AreEqual(1, hosted.Loaded, "the bad one is freed");
        HealthCheckResult degraded = await HealthAsync(hosted);
        Assert.AreEqual(HealthStatus.Degraded, degraded.Status);
        Assert.AreEqual(e.Message, degraded.Data["reloadError"]);
        Assert.AreEqual(before.Model.Sha256, degraded.Data["sha256"]);

        TinyModel.Put(hosted.Path, TinyModel.Bytes(3));
        Assert.IsTrue(await hosted.ReloadAsync());
        Assert.AreEqual(HealthStatus.Healthy, (await HealthAsync(hosted)).Status);
    }

    [TestMethod]
    public async Task Reload_Done_NothingOfTheOldModelStaysInMemory()
    {
        await using Hosted hosted = new();
        await hosted.Predictor.PredictAsync(Reddish);
        WeakReference old = ModelOf(hosted);
        TinyModel.Put(hosted.Path, TinyModel.Bytes(2));
        await hosted.ReloadAsync();
        await Hosted.Until(
            () =>
            {
                GC.Collect();
                return !old.IsAlive;
            },
            "the old model is collected"
        );
        Assert.AreEqual("gain 2", (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
    }

    [TestMethod]
    public async Task Reload_OtherLabelsAllowed_AreServed()
    {
        await using Hosted hosted = new();
        await hosted.Predictor.PredictAsync(Reddish);
        TinyModel.Put(hosted.Path, TinyModel.Bytes(1, ["rouge", "vert", "bleu"]));
        Assert.IsTrue(await hosted.ReloadAsync());
        Assert.AreEqual("rouge", (await hosted.Predictor.PredictAsync(Reddish)).Label);
        CollectionAssert.AreEqual((string[])["rouge", "vert", "bleu"], hosted.Predictor.Status.Labels.ToArray());
    }

    [TestMethod]
    public async Task Watch_FileReplaced_IsServedByTheFileSystemsWord()
    {
        await using Hosted hosted = new(o =>
        {
            o.WatchFile = true;
            o.PollInterval = TimeSpan.FromDays(1);
            o.Debounce = TimeSpan.FromMilliseconds(30);
        });
        string before = (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest;
        Assert.AreEqual("gain 1", before);
        TinyModel.Put(hosted.Path, TinyModel.Bytes(2));
        await Hosted.Until(() => hosted.Predictor.Status.Version!.TrainingDigest == "gain 2", "the new file is served");
        await File.WriteAllBytesAsync(hosted.Path, TinyModel.Bytes(3)[..100]);
        await Hosted.Until(() => hosted.Predictor.Status.ReloadError is not null, "the bad file is refused");
        Assert.AreEqual("gain 2", (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
    }

    /// <summary>
    /// Containers mount files behind a link to a folder, and exchange the link: of that, no watcher of the folder
    /// hears.
    /// </summary>
    [TestMethod]
    public async Task Watch_FolderLinkExchanged_IsFoundByPollingOnceItIsSettled()
    {
        FakeClock clock = new();
        using TempFolder folder = new();
        // Written within one tick of the file system's clock, files of one length cannot be told apart by their stamps;
        // models are not made that fast.
        for (int gain = 1; gain <= 3; gain++)
            File.SetLastWriteTimeUtc(
                folder.Write($"v{gain}/model.onnx", TinyModel.Bytes(gain)),
                new DateTime(2026, 1, gain, 0, 0, 0, DateTimeKind.Utc)
            );
        string link = folder.File("current");
        Directory.CreateSymbolicLink(link, folder.File("v1"));
        await using Hosted hosted = new(
            o =>
            {
                o.Path = Path.Combine(link, "model.onnx");
                o.WatchFile = true;
                o.PollInterval = TimeSpan.FromSeconds(5);
                o.Debounce = TimeSpan.FromSeconds(1);
            },
            clock
        );
        await hosted.Predictor.PredictAsync(Reddish);
        await LookAsync(5);
        Assert.AreEqual("gain 1", Digest());

        Exchange(2);
        await LookAsync(5);
        Exchange(3);
        await LookAsync(1);
        Assert.AreEqual("gain 1", Digest(), "what was seen first is gone, what is there is not settled");
        await LookAsync(1);
        Assert.AreEqual("gain 3", Digest());
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Reloads));

        Directory.Delete(link);
        await LookAsync(5);
        await LookAsync(1);
        StringAssert.Contains(hosted.Predictor.Status.ReloadError, "does not exist");
        Assert.AreEqual("gain 3", (await hosted.Predictor.PredictAsync(Reddish)).Model.TrainingDigest);
        await LookAsync(5);
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Reloads, "failed"), "the same state is judged once");

        Directory.CreateSymbolicLink(link, folder.File("v3"));
        await LookAsync(5);
        await LookAsync(1);
        Assert.IsNull(hosted.Predictor.Status.ReloadError);
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Reloads, "ok"), "it is the model in memory already");

        string Digest() => hosted.Predictor.Status.Version!.TrainingDigest;

        void Exchange(int gain)
        {
            Directory.Delete(link);
            Directory.CreateSymbolicLink(link, folder.File($"v{gain}"));
        }

        async Task LookAsync(double seconds)
        {
            clock.Advance(TimeSpan.FromSeconds(seconds));
            await Hosted.Until(() => clock.Pending == 1, "the look is over and the next one is set");
        }
    }

    [TestMethod]
    public async Task Reload_UnderManyCallers_NoRequestFails()
    {
        await using Hosted hosted = new(o =>
        {
            o.Workers = 2;
            o.MaxBatchSize = 3;
        });
        await hosted.Predictor.PredictAsync(Reddish);
        using CancellationTokenSource end = new();
        Task<int>[] callers =
        [
            .. Enumerable
                .Range(0, 8)
                .Select(_ =>
                    Task.Run(async () =>
                    {
                        int calls = 0;
                        for (; !end.IsCancellationRequested; calls++)
                        {
                            TransferPrediction p = await hosted.Predictor.PredictAsync(Reddish);
                            double gain = p.Model.TrainingDigest == "gain 1" ? 1 : 2;
                            Assert.AreEqual(
                                TinyModel.Expected(200, 100, 50, gain)[0],
                                p.Probability,
                                1e-5,
                                "the answer is that of the model it names"
                            );
                        }

                        return calls;
                    })
                ),
        ];
        for (int i = 0; i < 20; i++)
        {
            TinyModel.Put(hosted.Path, TinyModel.Bytes(2 - i % 2));
            await hosted.ReloadAsync();
        }

        await end.CancelAsync();
        int calls = (await Task.WhenAll(callers)).Sum();
        Assert.AreEqual(calls + 1, hosted.Measured.Sum(TransferTelemetry.Requests, "ok"));
        Assert.AreEqual(calls + 1, hosted.Measured.Sum(TransferTelemetry.Requests));
        await Hosted.Until(() => hosted.Loaded == 1, "all old models are disposed");
    }

    [TestMethod]
    public async Task Activities_OfPredictAndReload_CarryModelAndOutcome()
    {
        List<Activity> stopped = [];
        using ActivityListener listener = new()
        {
            ShouldListenTo = source => source.Name == "MlNetTransfer",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                lock (stopped)
                    stopped.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(listener);
        await using Hosted hosted = new();
        string sha256 = (await hosted.Predictor.PredictAsync(Reddish)).Model.Sha256;
        await Assert.ThrowsAsync<TransferException>(() => hosted.Predictor.PredictAsync("hello"u8.ToArray()));
        Activity[] own;
        lock (stopped)
            own = [.. stopped.Where(a => Equals(a.GetTagItem("mlnettransfer.model"), hosted.Name))];
        CollectionAssert.AreEqual(
            (string[])["mlnettransfer.reload", "mlnettransfer.predict", "mlnettransfer.predict"],
            own.Select(a => a.OperationName).ToArray()
        );
        Assert.AreEqual(own[1].SpanId, own[0].ParentSpanId, "loaded by the first request");
        CollectionAssert.AreEqual(
            (object?[])[sha256, sha256, null],
            own.Select(a => a.GetTagItem("mlnettransfer.model.sha256")).ToArray()
        );
        CollectionAssert.AreEqual(
            (object?[])[null, "ok", "rejected"],
            own.Select(a => a.GetTagItem("mlnettransfer.outcome")).ToArray()
        );
        Assert.AreEqual(ActivityStatusCode.Error, own[2].Status);
    }

    /// <summary>In a method of its own, so that no variable of the test keeps the model.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static WeakReference ModelOf(Hosted hosted) => new(Sessions.Of(hosted.Predictor).Single());

    private static Task<HealthCheckResult> HealthAsync(Hosted hosted)
    {
        var check = new TransferModelHealthCheck(hosted.Predictor);
        return check.CheckHealthAsync(
            new HealthCheckContext
            {
                Registration = new HealthCheckRegistration("x", check, HealthStatus.Unhealthy, null),
            }
        );
    }

    /// <summary>Doubled probabilities: right in shape, wrong in kind.</summary>
    private static byte[] NotProbabilities() =>
        OnnxModel
            .Parse(TinyModel.Bytes(2))
            .With(proto =>
            {
                Onnx.Proto.NodeProto softmax = proto.Graph.Node.Single(n => n.OpType == "Softmax");
                softmax.OpType = "Relu";
                softmax.Attribute.Clear();
                softmax.Input[0] = "means";
            })
            .ToBytes();

    /// <summary>Opening a pipe would wait for ever, and a device never ends.</summary>
    [TestMethod]
    [DataRow("mkfifo", "{0}")]
    [DataRow("ln", "-s /dev/zero {0}")]
    public async Task Reload_PipeOrDevice_IsRefusedAndAGoodFileFollows(string program, string arguments)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("There is no such file here.");
        await using Hosted hosted = new();
        byte[] image = Bmp.Plain(200, 100, 50);
        await hosted.Predictor.PredictAsync(image);
        File.Delete(hosted.Path);
        using (
            var make = System.Diagnostics.Process.Start(
                program,
                string.Format(System.Globalization.CultureInfo.InvariantCulture, arguments, hosted.Path)
            )
        )
            await make.WaitForExitAsync();
        var e = await Assert.ThrowsExactlyAsync<TransferException>(() =>
            hosted.ReloadAsync().WaitAsync(TimeSpan.FromSeconds(20))
        );
        StringAssert.Contains(e.Message, "a regular file was expected");
        Assert.AreEqual("gain 1", (await hosted.Predictor.PredictAsync(image)).Model.TrainingDigest);
        TinyModel.Put(hosted.Path, TinyModel.Bytes(2));
        Assert.IsTrue(await hosted.ReloadAsync());
        Assert.AreEqual("gain 2", (await hosted.Predictor.PredictAsync(image)).Model.TrainingDigest);
    }
}
