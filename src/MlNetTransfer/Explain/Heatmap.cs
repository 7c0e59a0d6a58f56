using MlNetTransfer.Imaging;

namespace MlNetTransfer.Explain;

/// <summary>Where in an image the evidence for a class lies. Immutable.</summary>
/// <remarks>
/// A grid over what the network saw of the image: of a crop, over the crop. Values are in [0, 1], 1 being the strongest
/// place; all are 0 where nothing speaks for the class.
/// </remarks>
public sealed class Heatmap
{
    private readonly float[] values;

    /// <summary>
    /// Scales so that the strongest place is 1; what speaks against the class (below 0) counts as nothing.
    /// </summary>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="evidence">Evidence of each place [rows × columns], row-major.</param>
    internal Heatmap(int rows, int columns, ReadOnlySpan<float> evidence)
    {
        (Rows, Columns, values) = (rows, columns, evidence.ToArray());
        float most = 0;
        foreach (float value in values)
            most = Math.Max(most, value);
        for (int i = 0; i < values.Length; i++)
            values[i] = most > 0 ? Math.Max(0, values[i]) / most : 0;
    }

    /// <summary>Rows of the grid.</summary>
    public int Rows { get; }

    /// <summary>Columns of the grid.</summary>
    public int Columns { get; }

    /// <summary>[Rows × Columns], row-major, each in [0, 1].</summary>
    public ReadOnlyMemory<float> Values => values;

    /// <summary>
    /// The value at a point between the middles of the cells, bilinear; outside those, that of the nearest.
    /// </summary>
    /// <param name="x">From the left edge, 0, to the right, 1.</param>
    /// <param name="y">From the upper edge, 0, to the lower, 1.</param>
    public float At(double x, double y) => Resampled.At(values, Rows, Columns, x, y);

    /// <summary>
    /// The image in grey, with the evidence laid over it: from nothing over yellow to red. Parts that the network
    /// did not see are darker.
    /// </summary>
    /// <param name="image">The image, upright, at any size.</param>
    /// <param name="preprocessing">How the network sees it.</param>
    public RgbImage Over(RgbImage image, Preprocessing preprocessing)
    {
        ArgumentNullException.ThrowIfNull(image);
        ArgumentNullException.ThrowIfNull(preprocessing);
        (double left, double top, double width, double height) = Seen(preprocessing, image.Width, image.Height);
        ReadOnlySpan<byte> from = image.Pixels.Span;
        var to = new byte[from.Length];
        for (int y = 0; y < image.Height; y++)
        for (int x = 0; x < image.Width; x++)
        {
            double across = (((x + 0.5) / image.Width) - left) / width,
                down = (((y + 0.5) / image.Height) - top) / height;
            int i = 3 * ((y * image.Width) + x);
            double grey = (0.299 * from[i]) + (0.587 * from[i + 1]) + (0.114 * from[i + 2]);
            if (across is < 0 or > 1 || down is < 0 or > 1)
            {
                to[i] = to[i + 1] = to[i + 2] = (byte)(grey / 3);
                continue;
            }

            double heat = At(across, down),
                share = 0.75 * heat;
            to[i] = Mixed(grey, 255 - (45 * heat), share);
            to[i + 1] = Mixed(grey, 215 * (1 - heat), share);
            to[i + 2] = Mixed(grey, 40 * heat, share);
        }

        return new RgbImage(image.Width, image.Height, to);
    }

    /// <summary>The part of an image that a network sees, in shares of its sides.</summary>
    internal static (double Left, double Top, double Width, double Height) Seen(
        Preprocessing preprocessing,
        int width,
        int height
    )
    {
        if (preprocessing.Framing == Framing.Stretch)
            return (0, 0, 1, 1);
        (int coverWidth, int coverHeight) = preprocessing.Cover;
        double scale = Math.Max((double)coverWidth / width, (double)coverHeight / height);
        double across = Math.Min(1, preprocessing.Shape.Width / (width * scale)),
            down = Math.Min(1, preprocessing.Shape.Height / (height * scale));
        return ((1 - across) / 2, (1 - down) / 2, across, down);
    }

    private static byte Mixed(double under, double over, double share) =>
        (byte)Math.Clamp(Math.Round((under * (1 - share)) + (over * share)), 0, 255);
}

/// <summary>Reads a grid between its cells.</summary>
internal static class Resampled
{
    /// <param name="values">[rows × columns], row-major.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="x">From the left edge, 0, to the right, 1.</param>
    /// <param name="y">From the upper edge, 0, to the lower, 1.</param>
    public static float At(ReadOnlySpan<float> values, int rows, int columns, double x, double y)
    {
        double column = Math.Clamp((x * columns) - 0.5, 0, columns - 1),
            row = Math.Clamp((y * rows) - 0.5, 0, rows - 1);
        int left = (int)column,
            top = (int)row,
            right = Math.Min(left + 1, columns - 1),
            bottom = Math.Min(top + 1, rows - 1);
        double across = column - left,
            down = row - top;
        double upper = (values[(top * columns) + left] * (1 - across)) + (values[(top * columns) + right] * across),
            lower = (values[(bottom * columns) + left] * (1 - across)) + (values[(bottom * columns) + right] * across);
        return (float)((upper * (1 - down)) + (lower * down));
    }

    /// <summary>A grid of another size over the same place.</summary>
    public static float[] To(ReadOnlySpan<float> values, int rows, int columns, int newRows, int newColumns)
    {
        var made = new float[newRows * newColumns];
        for (int y = 0; y < newRows; y++)
        for (int x = 0; x < newColumns; x++)
            made[(y * newColumns) + x] = At(values, rows, columns, (x + 0.5) / newColumns, (y + 0.5) / newRows);
        return made;
    }
}
