using System.Diagnostics;
using Microsoft.Extensions.Logging;
using MlNetTransfer.Imaging;

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

    public HostedModel(
        string name,
        string path,
        TransferModelOptions options,
        TransferInstruments instruments,
        TimeProvider clock,
        ILogger logger
    )
    {
        (Name, this.options, this.instruments, this.clock) = (name, options, instruments, clock);
        admission = new Admission(name, options.MaxWaiting, instruments);
        slot = new ModelSlot(name, path, options, admission, instruments, clock, logger);
    }

    public string Name { get; }

    public TransferModelStatus Status => slot.Status;

    /// <summary>Requests waiting, and requests that workers have in hand.</summary>
    internal (int Waiting, int Active) Load => (admission.Waiting, admission.Active);

    public Task<TransferPrediction> PredictAsync(
        ReadOnlyMemory<byte> image,
        CancellationToken cancellation = default
    ) => PredictAsync(image, null, cancellation);

    public Task<TransferPrediction> PredictAsync(Stream image, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(image);
        return PredictAsync(default, image, cancellation);
    }

    public Task StartAsync(CancellationToken cancellation) => slot.StartAsync(cancellation);

    public Task<bool> ReloadAsync(CancellationToken cancellation) => slot.ReloadAsync(cancellation);

    public Task StopAsync(CancellationToken hurry) => slot.StopAsync(hurry);

    private async Task<TransferPrediction> PredictAsync(
        ReadOnlyMemory<byte> image,
        Stream? stream,
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
            TransferPrediction prediction = await SubmitAsync(new PredictRequest(encoded, cancellation))
                .ConfigureAwait(false);
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
