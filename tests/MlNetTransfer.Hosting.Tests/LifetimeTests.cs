using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

[TestClass]
public sealed class LifetimeTests
{
    private static readonly byte[] Reddish = Bmp.Plain(200, 100, 50);

    [TestMethod]
    public async Task Start_FileMissing_FailsAndNamesModelPathAndFix()
    {
        using TempFolder folder = new();
        using IHost host = HostOf(folder, services => services.AddTransferModel("fruit", "gone.onnx"));
        TransferException e = await Assert.ThrowsExactlyAsync<TransferException>(() => host.StartAsync());
        foreach (
            string part in (string[])["'fruit'", folder.File("gone.onnx"), "does not exist", "mlnet-transfer train"]
        )
            StringAssert.Contains(e.Message, part);
    }

    [TestMethod]
    public async Task Start_FileUnreadable_FailsAndFreesTheOtherModels()
    {
        using TempFolder folder = new();
        string good = Guid.NewGuid().ToString("N");
        using Measured measured = new(good);
        folder.Write("good.onnx", TinyModel.Bytes());
        folder.Write("bad.onnx", "hello"u8.ToArray());
        using (
            IHost host = HostOf(
                folder,
                services => services.AddTransferModel(good, "good.onnx").AddTransferModel("bad", "bad.onnx")
            )
        )
        {
            TransferException e = await Assert.ThrowsExactlyAsync<TransferException>(() => host.StartAsync());
            StringAssert.Contains(e.Message, $"Model 'bad' cannot be served from '{folder.File("bad.onnx")}'");
        }

        CollectionAssert.AreEqual((double[])[1, -1], measured.Values(TransferTelemetry.LoadedModels));
    }

    [TestMethod]
    public async Task Start_OptionsOutOfRange_FailsAndNamesEach()
    {
        using TempFolder folder = new();
        using IHost host = HostOf(
            folder,
            services =>
                services.AddTransferModel(
                    "fruit",
                    "model.onnx",
                    options =>
                    {
                        (options.Top, options.Workers, options.MaxWaiting, options.MaxBatchSize) = (0, 1025, 0, -1);
                        (options.MaxDelay, options.Debounce, options.PollInterval) = (
                            TimeSpan.FromSeconds(11),
                            TimeSpan.FromSeconds(-1),
                            TimeSpan.Zero
                        );
                        (options.Device, options.Limits, options.Path) = ((ExecutionProvider)7, null!, " ");
                    }
                )
        );
        OptionsValidationException e = await Assert.ThrowsExactlyAsync<OptionsValidationException>(() =>
            host.StartAsync()
        );
        foreach (
            string part in (string[])
                [
                    "Model 'fruit'",
                    "Path is empty",
                    "Device is 7",
                    "Limits is null",
                    "Top is 0; 1 to 1000",
                    "Workers is 1025; 1 to 1024",
                    "MaxWaiting is 0; 1 to 1000000",
                    "MaxBatchSize is -1; 1 to 1024",
                    "MaxDelay is 00:00:11; 00:00:00 to 00:00:10",
                    "Debounce is -00:00:01",
                    "PollInterval is 00:00:00",
                ]
        )
            StringAssert.Contains(e.Message, part);
    }

    [TestMethod]
    public async Task Host_OtherServices_FindTheModelFromTheirStartToTheirStop()
    {
        using TempFolder folder = new();
        folder.Write("model.onnx", TinyModel.Bytes());
        // Registered before the model: the order must not matter.
        using IHost host = HostOf(
            folder,
            services => services.AddHostedService<Predicting>().AddTransferModel("fruit", "model.onnx")
        );
        await host.StartAsync();
        ITransferPredictor predictor = host.Services.GetRequiredService<ITransferPredictor>();
        Assert.AreSame(predictor, host.Services.GetRequiredKeyedService<ITransferPredictor>("fruit"));
        Assert.AreSame(predictor, host.Services.GetRequiredService<ITransferModels>()["fruit"]);
        await host.StopAsync();
        Assert.AreEqual(2, host.Services.GetServices<IHostedService>().OfType<Predicting>().Single().Answers);
        Assert.AreEqual(TransferModelState.Stopped, predictor.Status.State);
        await Assert.ThrowsExactlyAsync<ModelStoppedException>(() => predictor.PredictAsync(Reddish));
    }

    [TestMethod]
    public async Task Registration_Names_AreCheckedAndListed()
    {
        var services = new ServiceCollection().AddTransferModel("a", "a.onnx").AddTransferModel("b", "b.onnx");
        StringAssert.Contains(
            Assert.ThrowsExactly<ArgumentException>(() => services.AddTransferModel("a", "c.onnx")).Message,
            "'a' is registered already"
        );
        await using ServiceProvider provider = services.BuildServiceProvider();
        ITransferModels models = provider.GetRequiredService<ITransferModels>();
        CollectionAssert.AreEqual((string[])["a", "b"], models.Names.ToArray());
        Assert.AreEqual("b", models["b"].Name);
        Assert.AreEqual(TransferModelState.NotLoaded, models["b"].Status.State);
        StringAssert.Contains(Assert.ThrowsExactly<KeyNotFoundException>(() => models["c"]).Message, "there are: a, b");
        StringAssert.Contains(
            Assert.ThrowsExactly<InvalidOperationException>(provider.GetRequiredService<ITransferPredictor>).Message,
            "by name"
        );
    }

    [TestMethod]
    public async Task Start_ByManyFirstRequests_LoadsOnce()
    {
        await using Hosted hosted = new();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => hosted.Predictor.PredictAsync(Reddish)));
        CollectionAssert.AreEqual((double[])[1], hosted.Measured.Values(TransferTelemetry.LoadedModels));
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(4)]
    public async Task Stop_WithRequests_AnswersThemAndTakesNoMore(int batch)
    {
        await using Hosted hosted = new(o =>
        {
            o.Workers = 1;
            o.MaxBatchSize = batch;
            o.MaxDelay = TimeSpan.FromSeconds(10);
        });
        using GatedImage gated = new(Reddish);
        Task<TransferPrediction>[] accepted =
        [
            hosted.Predictor.PredictAsync(gated.Memory),
            hosted.Predictor.PredictAsync(Reddish),
        ];
        await gated.Reached;
        await Hosted.Until(() => hosted.Load == (1, 1), "one request is in hand and the other accepted");
        InferenceSession session = Sessions.Of(hosted.Predictor).Single();
        Task stopping = hosted.Services.GetRequiredService<TransferModels>().StopAsync(CancellationToken.None);
        await Assert.ThrowsExactlyAsync<ModelStoppedException>(() => hosted.Predictor.PredictAsync(Reddish));
        Assert.IsFalse(stopping.IsCompleted);
        gated.Release();
        foreach (Task<TransferPrediction> task in accepted)
            Assert.AreEqual("red", (await task).Label);
        await stopping.WaitAsync(TimeSpan.FromSeconds(5));
        Assert.AreEqual(0, hosted.Loaded);
        Assert.IsTrue(Sessions.IsFreed(session));
        Assert.AreEqual(1, hosted.Measured.Sum(TransferTelemetry.Requests, "stopped"));
        await Assert.ThrowsExactlyAsync<ModelStoppedException>(hosted.ReloadAsync);
    }

    [TestMethod]
    public async Task Dispose_InFlight_RefusesWhoWaitsAnswersWhoIsInHandAndFreesTheSession()
    {
        Hosted hosted = new(o => o.Workers = 1);
        using GatedImage gated = new(Reddish);
        Task<TransferPrediction> inHand = hosted.Predictor.PredictAsync(gated.Memory);
        await gated.Reached;
        Task<TransferPrediction> waiting = hosted.Predictor.PredictAsync(Reddish);
        InferenceSession session = Sessions.Of(hosted.Predictor).Single();
        Task disposed = Task.Run(() => hosted.Services.Dispose());
        await Assert.ThrowsExactlyAsync<ModelStoppedException>(() => waiting);
        Assert.IsFalse(disposed.IsCompleted);
        Assert.IsFalse(Sessions.IsFreed(session));
        gated.Release();
        Assert.AreEqual("red", (await inHand).Label);
        await disposed;
        Assert.IsTrue(Sessions.IsFreed(session));
        Assert.AreEqual(
            (0.0, 0.0, 0.0),
            (
                hosted.Loaded,
                hosted.Measured.Sum(TransferTelemetry.QueueLength),
                hosted.Measured.Sum(TransferTelemetry.ActiveRequests)
            )
        );
        await hosted.DisposeAsync();
    }

    [TestMethod]
    public async Task Health_BeforeAndAfter_IsUnhealthyAndSaysWhy()
    {
        await using Hosted hosted = new();
        var check = new TransferModelHealthCheck(hosted.Predictor);
        var context = new HealthCheckContext
        {
            Registration = new HealthCheckRegistration("x", check, HealthStatus.Unhealthy, null),
        };
        HealthCheckResult before = await check.CheckHealthAsync(context);
        Assert.AreEqual(
            (HealthStatus.Unhealthy, $"Model '{hosted.Name}' is not loaded yet."),
            (before.Status, before.Description)
        );
        await hosted.Predictor.PredictAsync(Reddish);
        HealthCheckResult serving = await check.CheckHealthAsync(context);
        Assert.AreEqual(
            (HealthStatus.Healthy, 3, hosted.Path, LoadedModel.Hash(hosted.Path)),
            (serving.Status, serving.Data["labels"], serving.Data["path"], serving.Data["sha256"])
        );
        await hosted.Services.GetRequiredService<TransferModels>().StopAsync(CancellationToken.None);
        HealthCheckResult after = await check.CheckHealthAsync(context);
        Assert.AreEqual(
            (HealthStatus.Unhealthy, $"Model '{hosted.Name}' is stopped."),
            (after.Status, after.Description)
        );
    }

    private static IHost HostOf(TempFolder folder, Action<IServiceCollection> configure)
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(
            new HostApplicationBuilderSettings { ContentRootPath = folder.Path }
        );
        configure(builder.Services);
        return builder.Build();
    }

    /// <summary>Predicts while the host starts and while it stops.</summary>
    private sealed class Predicting(ITransferPredictor predictor) : IHostedService
    {
        public int Answers { get; private set; }

        public Task StartAsync(CancellationToken cancellationToken) => PredictAsync();

        public Task StopAsync(CancellationToken cancellationToken) => PredictAsync();

        private async Task PredictAsync()
        {
            Assert.AreEqual(TransferModelState.Serving, predictor.Status.State);
            await predictor.PredictAsync(Reddish);
            Answers++;
        }
    }
}
