using MlNetTransfer.Imaging;

namespace MlNetTransfer.Hosting;

/// <summary>
/// A hosted model: gives the class of one image at a time to any number of concurrent callers. Thread-safe.
/// </summary>
/// <remarks>
/// The model is loaded when the host starts, before any hosted service, or at first use where there is no host. While
/// its file is exchanged, requests go on: those already accepted are answered by the model they were accepted by.
/// </remarks>
public interface ITransferPredictor
{
    /// <summary>Name under which the model was registered.</summary>
    string Name { get; }

    /// <summary>What is being served at this moment, and how the last reload went.</summary>
    TransferModelStatus Status { get; }

    /// <summary>Predicts the class of an image in memory.</summary>
    /// <param name="image">The bytes of an image file (JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP). They must not change
    /// until the task ends.</param>
    /// <param name="cancellation">Ends a waiting request at once. One whose image is being decoded or run ends right
    /// after that, a matter of milliseconds, so that its memory is not given back too early.</param>
    /// <exception cref="ImageTooLargeException">The image has more bytes than
    /// <see cref="ImageLimits.MaxBytes"/>.</exception>
    /// <exception cref="ImageRejectedException">The image cannot be used; no other request is affected.</exception>
    /// <exception cref="ModelBusyException">As many requests are waiting as may wait.</exception>
    /// <exception cref="ModelStoppedException">The host is shutting down.</exception>
    /// <exception cref="TransferException">The model could not be loaded, or the device failed.</exception>
    Task<TransferPrediction> PredictAsync(ReadOnlyMemory<byte> image, CancellationToken cancellation = default);

    /// <summary>
    /// Predicts the class of an image that is read from a stream, into pooled memory and no further than one byte past
    /// the limit.
    /// </summary>
    /// <param name="image">The bytes of an image file, such as the body of a request. Read to its end, not
    /// disposed.</param>
    /// <param name="cancellation">Ends reading and waiting at once.</param>
    /// <exception cref="ImageTooLargeException">The stream has more bytes than <see cref="ImageLimits.MaxBytes"/>;
    /// where its length is known, nothing was read.</exception>
    /// <exception cref="ImageRejectedException">The image cannot be used; no other request is affected.</exception>
    /// <exception cref="ModelBusyException">As many requests are waiting as may wait; where that is so from the start,
    /// nothing was read.</exception>
    /// <exception cref="ModelStoppedException">The host is shutting down.</exception>
    /// <exception cref="TransferException">The model could not be loaded, or the device failed.</exception>
    Task<TransferPrediction> PredictAsync(Stream image, CancellationToken cancellation = default);
}
