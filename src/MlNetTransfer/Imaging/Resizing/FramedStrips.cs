using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Imaging.Resizing;

/// <summary>Gives what the framing takes of an image to a resizer.</summary>
internal sealed unsafe class FramedStrips(StripResizer resizer, Preprocessing preprocessing) : IStripSink
{
    private int width;

    public (int Left, int Top, int Width, int Height) Begin(PixelSource source)
    {
        int left = 0,
            top = 0,
            width = source.Width,
            height = source.Height;
        if (preprocessing.Framing == Framing.CenterCrop)
        {
            (left, top, width) = OutputOrder.Of(source.Orientation).CentredSquare(width, height);
            height = width;
        }
        this.width = width;
        resizer.Begin(width, height, source.Bands <= 2 ? 1 : 3, preprocessing.Size);
        return (left, top, width, height);
    }

    public void Push(byte* strip, int channels, int rows) => resizer.Push(strip, channels * (nint)width, rows);
}
