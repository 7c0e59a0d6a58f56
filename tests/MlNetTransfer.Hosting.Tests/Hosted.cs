using Microsoft.Extensions.DependencyInjection;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>The tiny model in a container of its own, with a name of its own.</summary>
internal sealed class Hosted : IAsyncDisposable
{
    private readonly TempFolder folder = new();

    public Hosted(Action<TransferModelOptions>? configure = null, TimeProvider? clock = null)
    {
        Name = Guid.NewGuid().ToString("N");
        Measured = new Measured(Name);
        TinyModel.Put(Path, TinyModel.Bytes());
        var services = new ServiceCollection();
        services.AddTransferModel(
            Name,
            Path,
            options =>
            {
                options.WatchFile = false;
                configure?.Invoke(options);
            }
        );
        if (clock is not null)
            services.AddSingleton(clock);
        Services = services.BuildServiceProvider();
    }

    public string Name { get; }

    public string Path => folder.File("model.onnx");

    public Measured Measured { get; }

    public ServiceProvider Services { get; }

    public ITransferPredictor Predictor => Services.GetRequiredKeyedService<ITransferPredictor>(Name);

    public (int Waiting, int Active) Load => ((HostedModel)Predictor).Load;

    /// <summary>Model files in memory, as the metrics tell.</summary>
    public double Loaded => Measured.Sum(TransferTelemetry.LoadedModels);

    public Task<bool> ReloadAsync() => Services.GetRequiredService<ITransferModels>().ReloadAsync(Name);

    /// <summary>Waits for what another thread is about to do; it is not a measure of time.</summary>
    public static async Task Until(Func<bool> condition, string what)
    {
        for (int i = 0; !condition(); i++)
        {
            if (i > 3000)
                Assert.Fail($"Still not so after 30 s: {what}");
            await Task.Delay(10);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Services.DisposeAsync();
        Measured.Dispose();
        folder.Dispose();
    }
}
