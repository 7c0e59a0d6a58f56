using SkiaSharp;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>JPEG images of 1/f noise, as photographs have it: decoding costs what it costs with those.</summary>
internal static class Photo
{
    /// <summary>Encodes an image of a size; equal sizes give equal bytes.</summary>
    public static byte[] Jpeg(int width, int height)
    {
        float[] light = new float[width * height * 3];
        Array.Fill(light, 128f);
        var rng = new Rng(1);
        for (int cells = 4; cells < Math.Max(width, height); cells *= 2)
            AddOctave(light, width, height, cells, 256 / MathF.Pow(cells, 0.7f), rng);
        byte[] pixels = new byte[width * height * 4];
        for (int i = 0; i < width * height; i++)
        {
            for (int c = 0; c < 3; c++)
                pixels[4 * i + c] = (byte)Math.Clamp(light[3 * i + c], 0, 255);
            pixels[4 * i + 3] = 255;
        }

        using SKImage image = SKImage.FromPixelCopy(
            new SKImageInfo(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque),
            pixels
        );
        using SKData data = image.Encode(SKEncodedImageFormat.Jpeg, 90);
        return data.ToArray();
    }

    /// <summary>Adds a grid of random values, bilinearly between its points.</summary>
    private static void AddOctave(float[] light, int width, int height, int cells, float strength, Rng rng)
    {
        int side = cells + 1;
        float[] grid = new float[side * side * 3];
        foreach (ref float value in grid.AsSpan())
            value = strength * ((float)rng.NextDouble() * 2 - 1);
        Parallel.For(
            0,
            height,
            y =>
            {
                (int top, float down) = Split(y, height);
                for (int x = 0; x < width; x++)
                {
                    (int left, float right) = Split(x, width);
                    int at = 3 * (top * side + left);
                    for (int c = 0; c < 3; c++, at++)
                        light[3 * (y * width + x) + c] +=
                            (1 - down) * ((1 - right) * grid[at] + right * grid[at + 3])
                            + down * ((1 - right) * grid[at + 3 * side] + right * grid[at + 3 * side + 3]);
                }
            }
        );

        (int Cell, float Share) Split(int position, int length)
        {
            float place = (float)position / length * cells;
            return ((int)place, place - (int)place);
        }
    }
}
