using Microsoft.Extensions.DependencyInjection;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Heads;
using MlNetTransfer.Hosting;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>
/// A model for several callers at once: hosted, beside what is written without that, one InferenceSession with default
/// options behind a lock, each caller decoding for itself outside the lock.
/// </summary>
internal sealed class ServedModel : IDisposable
{
    /// <summary>How many call at once.</summary>
    public const int Callers = 8;

    private readonly ServiceProvider services;
    private readonly InferenceSession session;
    private readonly ImagePreprocessor[] preprocessors;

    /// <param name="served">The file to host; it may be exchanged.</param>
    public ServedModel(string served)
    {
        services = new ServiceCollection()
            .AddTransferModel(
                "bench",
                served,
                o => (o.MaxWaiting, o.Debounce) = (2 * Callers, TimeSpan.FromMilliseconds(100))
            )
            .BuildServiceProvider();
        Predictor = services.GetRequiredService<ITransferPredictor>();
        Hosted = [.. Enumerable.Repeat<Func<byte[], Task>>(image => Predictor.PredictAsync(image), Callers)];
        Preprocessing preprocessing;
        using (TransferModel model = TransferModel.Load(served))
            preprocessing = model.Metadata.Preprocessing;
        session = new InferenceSession(served);
        preprocessors = [.. Enumerable.Range(0, Callers).Select(_ => new ImagePreprocessor(preprocessing))];
        Bare = [.. preprocessors.Select(p => Caller(p, preprocessing))];
    }

    public ITransferPredictor Predictor { get; }

    /// <summary>Callers of the hosted model.</summary>
    public Func<byte[], Task>[] Hosted { get; }

    /// <summary>Callers of the bare session.</summary>
    public Func<byte[], Task>[] Bare { get; }

    /// <summary>Trains a small model on the sample images.</summary>
    /// <returns>Its file.</returns>
    public static string Train(string output, int seed = 1)
    {
        new TrainJob(
            new TrainOptions
            {
                Folder = Drawings.Folder,
                Output = output,
                Head = HeadKind.Ridge,
                Seed = seed,
            }
        ).Run();
        return Path.Combine(output, "model.onnx");
    }

    /// <summary>Lets all callers call at once, each on a thread of its own, and waits for the last.</summary>
    public static void CallAll(Func<byte[], Task>[] callers, Func<Func<byte[], Task>, Task> work) =>
        Task.WaitAll([
            .. callers.Select(call =>
                Task.Factory.StartNew(
                        () => work(call),
                        CancellationToken.None,
                        TaskCreationOptions.LongRunning,
                        TaskScheduler.Default
                    )
                    .Unwrap()
            ),
        ]);

    public void Dispose()
    {
        services.Dispose();
        session.Dispose();
        foreach (ImagePreprocessor preprocessor in preprocessors)
            preprocessor.Dispose();
    }

    private Func<byte[], Task> Caller(ImagePreprocessor preprocessor, Preprocessing preprocessing)
    {
        var tensor = new float[preprocessing.TensorLength];
        return image =>
        {
            preprocessor.Process(image, tensor);
            using OrtValue input = OrtValue.CreateTensorValueFromMemory(
                tensor,
                [1, 3, preprocessing.Size, preprocessing.Size]
            );
            using var options = new RunOptions();
            lock (session)
            {
                using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                    options,
                    ["image"],
                    [input],
                    [TransferModel.ProbabilitiesOutput]
                );
                return Task.FromResult(results[0].GetTensorDataAsSpan<float>().ToArray());
            }
        };
    }
}
