namespace MlNetTransfer.Hosting;

/// <summary>One image on its way through an engine. It is over exactly once: answered, refused or withdrawn.</summary>
internal sealed class PredictRequest : IDisposable
{
    private readonly TaskCompletionSource<TransferPrediction> completion = new(
        TaskCreationOptions.RunContinuationsAsynchronously
    );
    private readonly EncodedImage image;

    public PredictRequest(EncodedImage image, CancellationToken cancellation)
    {
        (this.image, Cancellation) = (image, cancellation);
        Node = new LinkedListNode<PredictRequest>(this);
    }

    public ReadOnlyMemory<byte> Encoded => image.Bytes;

    public CancellationToken Cancellation { get; }

    /// <summary>The request's place in whatever queue it is in.</summary>
    public LinkedListNode<PredictRequest> Node { get; }

    /// <summary>When it entered the queue it is in.</summary>
    public long Queued { get; set; }

    /// <summary>The decoded image, while it waits for a batch.</summary>
    public float[]? Tensor { get; set; }

    public Task<TransferPrediction> Answer => completion.Task;

    public void Complete(TransferPrediction prediction)
    {
        Dispose();
        completion.TrySetResult(prediction);
    }

    public void Fail(Exception reason)
    {
        Dispose();
        if (reason is OperationCanceledException)
            completion.TrySetCanceled(Cancellation);
        else
            completion.TrySetException(reason);
    }

    /// <summary>Gives the encoded bytes back; they are not looked at after decoding.</summary>
    public void Dispose() => image.Dispose();
}
