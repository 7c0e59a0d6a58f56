using MlNetTransfer.Numerics;

namespace MlNetTransfer.Imaging.Augmentation.Operations;

/// <summary>Does what <see cref="RandomErasing"/> says.</summary>
internal static class Eraser
{
    private const int Attempts = 10;

    public static void Apply(RandomErasing options, PixelSquare square, Rng rng)
    {
        if (rng.NextDouble() < options.Probability && Draw(options, square.Size, rng) is { } box)
            FillWithNoise(square, box, rng);
    }

    /// <summary>The box to be erased, inside a square of the given side; null when none fits.</summary>
    public static CropBox? Draw(RandomErasing options, int size, Rng rng)
    {
        double reach = Math.Log(options.MaxAspect);
        for (int attempt = 0; attempt < Attempts; attempt++)
        {
            double side = size * Math.Sqrt(options.MinArea + (rng.NextDouble() * (options.MaxArea - options.MinArea)));
            double stretch = Math.Exp(0.5 * reach * ((2 * rng.NextDouble()) - 1));
            int width = (int)Math.Round(side * stretch),
                height = (int)Math.Round(side / stretch);
            if (width >= 1 && height >= 1 && width <= size && height <= size)
                return new(rng.Next(size - width + 1), rng.Next(size - height + 1), width, height);
        }
        return null;
    }

    private static void FillWithNoise(PixelSquare square, CropBox box, Rng rng)
    {
        for (int y = box.Top; y < box.Top + box.Height; y++)
        {
            for (int channel = 0; channel < 3; channel++)
                rng.Fill(square.Row(y, channel).Slice(box.Left, box.Width));
        }
    }
}
