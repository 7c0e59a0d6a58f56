namespace MlNetTransfer.Imaging;

/// <summary>One image could not be used. The image is rejected and recorded; the job goes on.</summary>
/// <param name="reason">Why, in one line without the file's name: the ledger adds it.</param>
/// <param name="inner">The cause, where there is one.</param>
public class ImageRejectedException(string reason, Exception? inner = null) : TransferException(reason, inner)
{
    /// <summary>Why the image was rejected, in one line.</summary>
    public string Reason => Message;
}
