using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Hosting;

/// <summary>
/// One registered model: takes requests, and hands them to the engine of the file that is served at the moment.
/// </summary>
internal sealed class HostedModel : ITransferPredictor
{
    private readonly TransferModelOptions options;
    private readonly TransferInstruments instruments;
    private readonly TimeProvider clock;
    private readonly Admission admission;
    private readonly ModelSlot slot;
    private readonly DriftWatch drift;
    private readonly ILogger logger;
    private PairedTrial? trial;

    public HostedModel(
        string name,
        string path,
        TransferModelOptions options,
        TransferInstruments instruments,
        TimeProvider clock,
        ILogger logger
    )
    {
        (Name, this.options, this.instruments, this.clock, this.logger) = (name, options, instruments, clock, logger);
        drift = new DriftWatch(name, instruments, logger);
        admission = new Admission(name, options.MaxWaiting, instruments);
        slot = new ModelSlot(name, path, options, admission, instruments, clock, logger);
    }

    public string Name { get; }

    public TransferModelStatus Status => slot.Status with { Drift = drift.Status, Candidate = trial?.Status };

    /// <summary>Requests waiting, and requests that workers have in hand.</summary>
    internal (int Waiting, int Active) Load => (admission.Waiting, admission.Active);

    public Task<TransferPrediction> PredictAsync(
        ReadOnlyMemory<byte> image,
        CancellationToken cancellation = default
    ) => PredictAsync(image, PredictionWishes.None, cancellation);

    public Task<TransferPrediction> PredictAsync(
        ReadOnlyMemory<byte> image,
        PredictionWishes wishes,
        CancellationToken cancellation = default
    )
    {
        ArgumentNullException.ThrowIfNull(wishes);
        return trial is { } pair && pair.Takes()
            ? pair.PredictAsync(image, wishes, cancellation)
            : AnswerAsync(image, null, wishes, cancellation);
    }

    public Task<TransferPrediction> PredictAsync(Stream image, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        return trial is null
            ? AnswerAsync(default, image, PredictionWishes.None, cancellation)
            : BufferedAsync(image, cancellation);
    }

    /// <summary>Runs another model beside this one, where the options say so.</summary>
    /// <param name="options">The options.</param>
    /// <param name="find">Finds the other model; of this model's name and its own.</param>
    public void Compare(TransferModelOptions options, Func<string, string, HostedModel> find)
    {
        if (options.Candidate.Length > 0)
            trial = new PairedTrial(this, find(Name, options.Candidate), options, instruments, clock, logger);
    }

    /// <summary>Whether requests wait for a worker.</summary>
    internal bool Waits => admission.Waiting > 0;

    /// <summary>Whether it has nothing to do.</summary>
    internal bool IsIdle => admission.Waiting == 0 && admission.Active == 0;

    public Task StartAsync(CancellationToken cancellation) => slot.StartAsync(cancellation);

    public Task<bool> ReloadAsync(CancellationToken cancellation) => slot.ReloadAsync(cancellation);

    public Task StopAsync(CancellationToken hurry)
    {
        trial?.Report();
        return slot.StopAsync(hurry);
    }

    /// <summary>Where two models may look at an image, it is read before either does.</summary>
    private async Task<TransferPrediction> BufferedAsync(Stream stream, CancellationToken cancellation)
    {
        admission.ThrowIfFull();
        using EncodedImage encoded = await EncodedImage
            .ReadAsync(stream, options.Limits.MaxBytes, cancellation)
            .ConfigureAwait(false);
        return await PredictAsync(encoded.Bytes, PredictionWishes.None, cancellation).ConfigureAwait(false);
    }

    /// <summary>The answer of this model.</summary>
    internal async Task<TransferPrediction> AnswerAsync(
        ReadOnlyMemory<byte> image,
        Stream? stream,
        PredictionWishes wishes,
        CancellationToken cancellation
    )
    {
        using Activity? activity = TransferTelemetry.Source.StartActivity(TransferTelemetry.PredictActivity);
        activity?.SetTag(TransferTelemetry.ModelTag, Name);
        long started = clock.GetTimestamp();
        string outcome = "ok";
        try
        {
            if (!slot.IsStarted)
                await slot.StartAsync(cancellation).ConfigureAwait(false);
            // Before a stream is read: an image that would be refused anyway must not cost memory.
            admission.ThrowIfFull();
            int limit = options.Limits.MaxBytes;
            EncodedImage encoded = stream is null
                ? EncodedImage.Of(image, limit)
                : await EncodedImage.ReadAsync(stream, limit, cancellation).ConfigureAwait(false);
            TransferPrediction prediction = await SubmitAsync(new PredictRequest(encoded, wishes, cancellation))
                .ConfigureAwait(false);
            drift.Add(prediction, slot.ServedSha256);
            activity?.SetTag(TransferTelemetry.Sha256Tag, prediction.Model.Sha256);
            return prediction;
        }
        catch (Exception e)
        {
            outcome = OutcomeOf(e);
            activity?.SetStatus(ActivityStatusCode.Error, e.Message);
            throw;
        }
        finally
        {
            activity?.SetTag(TransferTelemetry.OutcomeTag, outcome);
            instruments.Request(Name, outcome, clock.GetElapsedTime(started));
        }
    }

    private async Task<TransferPrediction> SubmitAsync(PredictRequest request)
    {
        ModelEngine engine;
        try
        {
            request.Cancellation.ThrowIfCancellationRequested();
            engine = Enter(request);
        }
        catch
        {
            request.Dispose();
            throw;
        }

        using CancellationTokenRegistration withdrawal = request.Cancellation.UnsafeRegister(
            static state =>
            {
                (ModelEngine engine, PredictRequest request) = ((ModelEngine, PredictRequest))state!;
                engine.Cancel(request);
            },
            (engine, request)
        );
        return await request.Answer.ConfigureAwait(false);
    }

    private ModelEngine Enter(PredictRequest request)
    {
        admission.Enter();
        try
        {
            return slot.Accept(request);
        }
        catch
        {
            admission.Leave();
            throw;
        }
    }

    private static string OutcomeOf(Exception e) =>
        e switch
        {
            OperationCanceledException => "cancelled",
            ImageRejectedException => "rejected",
            ModelBusyException => "busy",
            ModelStoppedException => "stopped",
            _ => "failed",
        };
}

/// <summary>A model file in memory that has shown that it answers.</summary>
internal sealed class LoadedModel : IDisposable
{
    /// <summary>Softmax in float32 over thousands of classes stays well within this.</summary>
    private const double SumTolerance = 1e-3;

    private LoadedModel(TransferModel model, ModelVersion version) => (Model, Version) = (model, version);

    public TransferModel Model { get; }

    public ModelVersion Version { get; }

    /// <summary>SHA-256 of a file, hexadecimal.</summary>
    public static string Hash(string path)
    {
        using FileStream file = RegularFile.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(file));
    }

    /// <summary>Loads and checks a file.</summary>
    /// <param name="name">Name of the model, for errors.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">How it is to be served.</param>
    /// <param name="expectedLabels">The classes it must have; null where any will do.</param>
    /// <param name="cancellation">Ends the work between two steps.</param>
    /// <exception cref="TransferException">The file cannot be served; the message names model, file, reason and
    /// fix.</exception>
    public static LoadedModel Load(
        string name,
        string path,
        TransferModelOptions options,
        IReadOnlyList<string>? expectedLabels,
        CancellationToken cancellation
    )
    {
        try
        {
            string sha256 = Hash(path);
            cancellation.ThrowIfCancellationRequested();
            var loaded = Checked(
                TransferModel.Load(path, options.Limits, PlanOf(options)),
                sha256,
                expectedLabels,
                cancellation
            );
            try
            {
                // What was hashed and what was loaded were read one after the other.
                return Hash(path) == sha256
                    ? loaded
                    : throw new TransferException(
                        "the file changed while it was read. Replace it by renaming a complete file onto it."
                    );
            }
            catch
            {
                loaded.Dispose();
                throw;
            }
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TransferException(
                $"Model '{name}' cannot be served: its file '{path}' does not exist. Train a model there with "
                    + $"'mlnet-transfer train', or correct "
                    + $"{nameof(TransferModelOptions)}.{nameof(TransferModelOptions.Path)}.",
                e
            );
        }
        catch (Exception e)
            when (e is TransferException or GraphException or IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"Model '{name}' cannot be served from '{path}': {e.Message}", e);
        }
    }

    public void Dispose() => Model.Dispose();

    private static LoadedModel Checked(
        TransferModel model,
        string sha256,
        IReadOnlyList<string>? expectedLabels,
        CancellationToken cancellation
    )
    {
        try
        {
            CheckLabels(model.ClassNames, expectedLabels);
            WarmUp(model, cancellation);
            return new LoadedModel(model, new ModelVersion(sha256, model.Metadata.TrainingDigest));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    private static void CheckLabels(IReadOnlyList<string> labels, IReadOnlyList<string>? expected)
    {
        if (labels.GroupBy(l => l, StringComparer.Ordinal).FirstOrDefault(g => g.Count() > 1) is { } twice)
            throw new TransferException(
                $"its metadata has the label '{twice.Key}' {twice.Count()} times. Train the model again."
            );
        if (expected is null || labels.SequenceEqual(expected, StringComparer.Ordinal))
            return;
        throw new TransferException(
            $"its labels are {string.Join(", ", labels)}; {string.Join(", ", expected)} were expected, since "
                + $"{nameof(TransferModelOptions.RequireSameLabels)} is set. Train it with the same classes, or "
                + $"restart the host to serve it."
        );
    }

    /// <summary>
    /// One image through the whole model: the first run allocates what later ones reuse, and shows that the graph runs.
    /// Another device than the CPU must also give the CPU's numbers.
    /// </summary>
    private static void WarmUp(TransferModel model, CancellationToken cancellation)
    {
        ItemRows rows = model.Predict(
            [new DataItem(new MemoryLocation(WarmUpImage.Bytes), "warm-up")],
            cancellation: cancellation
        );
        if (rows.Rejected.Count > 0)
            throw new TransferException(
                $"it gives no answer for a plain image: {rows.Rejected[0].Reason}. Train the model again."
            );
        double sum = 0;
        foreach (float p in rows.Row(0))
            sum += p;
        if (Math.Abs(sum - 1) > SumTolerance)
            throw new TransferException(
                FormattableString.Invariant(
                    $"its probabilities for a plain image sum to {sum:g6}; 1 was expected. Train the model again."
                )
            );
    }

    private static ExecutionPlan PlanOf(TransferModelOptions options) =>
        ExecutionPlan.For(options.Device, options.Workers) with
        {
            BatchSize = options.Device == ExecutionProvider.Cpu ? 1 : options.MaxBatchSize,
            BatchesInFlight = 1,
        };
}

/// <summary>
/// A small image in memory that every model can be tried on: a BMP of 16 x 16 pixels with a ramp in each channel.
/// </summary>
internal static class WarmUpImage
{
    private const int Side = 16,
        Header = 54;

    public static ReadOnlyMemory<byte> Bytes { get; } = Make();

    private static byte[] Make()
    {
        var file = new byte[Header + 3 * Side * Side];
        "BM"u8.CopyTo(file);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(2), file.Length);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(10), Header);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(14), 40);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(18), Side);
        BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan(22), Side);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(26), 1);
        BinaryPrimitives.WriteInt16LittleEndian(file.AsSpan(28), 24);
        for (int i = 0; i < Side * Side; i++)
        {
            file[Header + 3 * i] = (byte)i;
            file[Header + 3 * i + 1] = (byte)(255 - i);
            file[Header + 3 * i + 2] = (byte)(i % Side * Side);
        }

        return file;
    }
}
