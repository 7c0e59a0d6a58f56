using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>What the workers of an engine share.</summary>
/// <param name="Name">Name of the model.</param>
/// <param name="Model">The file being served; the engine disposes it.</param>
/// <param name="Options">How it is served.</param>
/// <param name="Admission">Counts the requests.</param>
/// <param name="Instruments">Told of every decode and run.</param>
/// <param name="Clock">Measures them.</param>
internal sealed record EngineContext(
    string Name,
    LoadedModel Model,
    TransferModelOptions Options,
    Admission Admission,
    TransferInstruments Instruments,
    TimeProvider Clock
)
{
    public ImageGraph Graph => Model.Model.Graph;

    /// <summary>Decodes an image, or ends its request; true where it was decoded.</summary>
    public bool TryDecode(PredictRequest request, ImagePreprocessor preprocessor, Span<float> tensor)
    {
        try
        {
            long started = Clock.GetTimestamp();
            preprocessor.Process(request.Encoded.Span, tensor, request.Cancellation);
            Instruments.Decoded(Name, Clock.GetElapsedTime(started));
            return true;
        }
        catch (Exception e)
        {
            Fail(request, e);
            return false;
        }
    }

    /// <summary>Runs the first places of a batch.</summary>
    public void Run(ImageGraphBatch batch, int count)
    {
        long started = Clock.GetTimestamp();
        batch.Run(count);
        Instruments.Ran(Name, count, Clock.GetElapsedTime(started));
    }

    /// <summary>Answers a request from its place in a batch.</summary>
    public void Answer(PredictRequest request, ImageGraphBatch batch, int place)
    {
        try
        {
            request.Cancellation.ThrowIfCancellationRequested();
            TransferPrediction prediction = TransferPrediction.Of(
                Model.Model.ClassNames,
                batch.Row(place),
                Options.Top,
                Model.Version
            );
            Admission.End();
            request.Complete(prediction);
        }
        catch (Exception e)
        {
            Fail(request, e);
        }
    }

    /// <summary>Ends a request that was begun.</summary>
    public void Fail(PredictRequest request, Exception reason)
    {
        Admission.End();
        request.Fail(
            reason is OperationCanceledException or TransferException
                ? reason
                : new TransferException(
                    $"Model '{Name}' failed on an image: {reason.Message} This is a fault of the product: report it "
                        + $"with the stack trace.",
                    reason
                )
        );
    }
}
