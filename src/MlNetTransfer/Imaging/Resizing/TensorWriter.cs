namespace MlNetTransfer.Imaging.Resizing;

/// <summary>Writes a resized square in upright order, as a normalised tensor or as pixels.</summary>
internal sealed unsafe class TensorWriter
{
    private readonly int size;
    private readonly float[] values;

    public TensorWriter(Preprocessing preprocessing)
    {
        size = preprocessing.Size;
        values = PixelValues.Table(preprocessing.Mean, preprocessing.Std);
    }

    /// <summary>
    /// Resized bytes → [3 × Size × Size]; a table lookup, so every value is the correctly rounded formula.
    /// </summary>
    public void WriteTensor(StripResizer resized, OutputOrder order, Span<float> destination)
    {
        fixed (
            float* values = this.values,
                start = destination
        )
        {
            float* output = start;
            for (int channel = 0; channel < 3; channel++)
            {
                for (int y = 0; y < size; y++)
                {
                    (nint offset, nint step) = Locate(resized, order, y);
                    byte* pixel = Plane(resized, channel) + offset;
                    float* table = values + (256 * channel);
                    for (float* end = output + size; output < end; output++, pixel += step)
                        *output = table[*pixel];
                }
            }
        }
    }

    /// <summary>Resized bytes → [Size × Size × 3].</summary>
    public void WritePixels(StripResizer resized, OutputOrder order, Span<byte> destination)
    {
        fixed (byte* start = destination)
        {
            byte* output = start;
            for (int y = 0; y < size; y++)
            {
                (nint offset, nint step) = Locate(resized, order, y);
                for (int x = 0; x < size; x++, offset += step)
                {
                    for (int channel = 0; channel < 3; channel++)
                        *output++ = Plane(resized, channel)[offset];
                }
            }
        }
    }

    private static byte* Plane(StripResizer resized, int channel) =>
        resized.Frame + (resized.Channels == 3 ? channel * resized.PlaneStride : 0);

    /// <summary>
    /// Offset of the first pixel of upright row <paramref name="y"/> in a plane, and from one pixel of that row to the
    /// next.
    /// </summary>
    private (nint Offset, nint Step) Locate(StripResizer resized, OutputOrder order, int y)
    {
        int last = size - 1;
        nint row = resized.RowStride;
        int storedX = order.Transposed ? y : 0,
            storedY = order.Transposed ? 0 : y;
        if (order.FlippedX)
            storedX = last - storedX;
        if (order.FlippedY)
            storedY = last - storedY;
        nint step = order.Transposed ? (order.FlippedY ? -row : row) : (order.FlippedX ? -1 : 1);
        return ((storedY * row) + storedX, step);
    }
}
