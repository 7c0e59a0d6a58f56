namespace MlNetTransfer.Imaging;

/// <summary>How an image of any shape is made to fill the square that a backbone takes.</summary>
public enum Framing
{
    /// <summary>
    /// The whole image, stretched to the input size; the aspect ratio is not kept, nothing is cut off.
    /// </summary>
    Stretch,

    /// <summary>
    /// The largest centred square, resized to the input size; the aspect ratio is kept, the ends of the longer side are
    /// cut off.
    /// </summary>
    CenterCrop,
}
