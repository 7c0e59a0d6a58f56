using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>Images to try a network with: the user's, or made ones that have the statistics of photographs.</summary>
internal static class SampleImages
{
    /// <summary>Images that are tried.</summary>
    public const int Count = 24;

    /// <summary>Leaves of one image; more are hidden by others.</summary>
    private const int Leaves = 1500;

    /// <summary>Some of the user's images, as a preprocessing frames them [3 × height × width], 0..255.</summary>
    /// <param name="items">The images; those that cannot be read are passed over.</param>
    /// <param name="preprocessing">Framing, filter and shape.</param>
    /// <param name="labels">Receives the index of the class of each image; null for not needed.</param>
    /// <param name="most">Images at most, evenly over all.</param>
    public static List<float[]> Of(
        IReadOnlyList<DataItem> items,
        Preprocessing preprocessing,
        List<int>? labels = null,
        int most = Count
    )
    {
        using var reader = new ItemReader();
        using var preprocessor = new ImagePreprocessor(
            preprocessing with
            {
                Mean = new(0, 0, 0),
                Std = new(1 / 255f, 1 / 255f, 1 / 255f),
            }
        );
        List<float[]> found = [];
        int count = Math.Min(most, items.Count);
        for (int i = 0; i < count; i++)
        {
            DataItem item = items[(int)((long)i * items.Count / count)];
            var tensor = new float[preprocessing.TensorLength];
            try
            {
                preprocessor.Process(reader.Read(item), tensor);
            }
            catch (ImageRejectedException)
            {
                continue;
            }

            found.Add(tensor);
            labels?.Add(item.Label);
        }

        return found;
    }

    /// <summary>
    /// Made images [3 × height × width], 0..255, the same at every call: dead leaves, whose edges, sizes and colours
    /// are
    /// spread as those of photographs are (Lee, Mumford and Huang, Occlusion Models for Natural Images, 2001).
    /// </summary>
    /// <param name="shape">Width and height.</param>
    public static List<float[]> Made((int Width, int Height) shape)
    {
        Rng rng = new(1);
        return [.. Enumerable.Range(0, Count).Select(_ => One(shape.Width, shape.Height, rng))];
    }

    private static float[] One(int width, int height, Rng rng)
    {
        int plane = width * height,
            largest = Math.Max(8, Math.Min(width, height));
        var image = new float[3 * plane];
        Array.Fill(image, -1);
        // Each picture has its light and its tint.
        double light = 0.45 + (0.13 * rng.NextNormal());
        double[] tint = [0.03 + (0.03 * rng.NextNormal()), 0.015 * rng.NextNormal(), -0.04 + (0.04 * rng.NextNormal())];
        for (int leaf = 0; leaf < Leaves; leaf++)
        {
            // Areas by the power law that looks the same at every distance: density of radii r^-3.
            double radius = Math.Min(largest, 2 / Math.Sqrt(1 - (rng.NextDouble() * (1 - (4.0 / largest / largest)))));
            if (leaf == Leaves - 1)
                radius = width + height;
            Draw(image, width, height, radius, light, tint, rng);
        }

        return image;
    }

    /// <summary>One leaf, where nothing lies yet: a disc with a colour, a gradient and a grain of its own.</summary>
    private static void Draw(float[] image, int width, int height, double radius, double light, double[] tint, Rng rng)
    {
        double x = rng.NextDouble() * width,
            y = rng.NextDouble() * height,
            grey = light + (0.22 * rng.NextNormal()),
            slopeX = 0.05 * rng.NextNormal() / radius,
            slopeY = 0.05 * rng.NextNormal() / radius,
            grain = 0.03 * rng.NextDouble();
        double[] colour = [.. tint.Select(t => grey + t + (0.06 * rng.NextNormal()))];
        int top = Math.Max(0, (int)(y - radius)),
            bottom = Math.Min(height - 1, (int)(y + radius)),
            left = Math.Max(0, (int)(x - radius)),
            right = Math.Min(width - 1, (int)(x + radius)),
            plane = width * height;
        for (int row = top; row <= bottom; row++)
        for (int column = left; column <= right; column++)
        {
            double dx = column - x,
                dy = row - y;
            int place = row * width + column;
            if (dx * dx + dy * dy > radius * radius || image[place] >= 0)
                continue;
            double shade = slopeX * dx + slopeY * dy + (grain * rng.NextNormal());
            for (int c = 0; c < 3; c++)
                image[c * plane + place] = (float)Math.Round(255 * Math.Clamp(colour[c] + shade, 0, 1));
        }
    }
}
