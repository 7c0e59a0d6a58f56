using MlNetTransfer.Imaging.Resizing;
using MlNetTransfer.Numerics;

namespace MlNetTransfer.Imaging.Augmentation;

/// <summary>A rectangle of an upright image, in pixels.</summary>
internal readonly record struct CropBox(int Left, int Top, int Width, int Height)
{
    private const int Attempts = 10;

    /// <summary>What a framing takes.</summary>
    public static CropBox Of(Framing framing, int width, int height)
    {
        if (framing == Framing.Stretch)
            return new(0, 0, width, height);
        (int left, int top, int side) = OutputOrder.Of(1).CentredSquare(width, height);
        return new(left, top, side, side);
    }

    /// <summary>
    /// A random box: area = share · frame area, width / height = aspect · frame width / frame height, place uniform.
    /// </summary>
    public static CropBox Draw(RandomCrop crop, Framing framing, int width, int height, Rng rng)
    {
        CropBox frame = Of(framing, width, height);
        double reach = Math.Log(crop.MaxAspect);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double area = crop.MinArea + (rng.NextDouble() * (crop.MaxArea - crop.MinArea));
            double stretch = Math.Exp(0.5 * reach * ((2 * rng.NextDouble()) - 1));
            double side = Math.Sqrt(area);
            int across = (int)Math.Round(frame.Width * side * stretch),
                down = (int)Math.Round(frame.Height * side / stretch);
            if (across < 1 || down < 1 || across > width || down > height)
                continue;
            return new(rng.Next(width - across + 1), rng.Next(height - down + 1), across, down);
        }
        return frame;
    }
}
