using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace MlNetTransfer.Backbones;

/// <summary>
/// An image that is subtracted of every image, as Caffe and CNTK do: [3 × height × width], RGB, on the scale 0..1.
/// </summary>
/// <param name="Height">Rows.</param>
/// <param name="Width">Columns.</param>
/// <param name="Values">Values, row-major.</param>
public sealed partial record MeanImage(int Height, int Width, ReadOnlyMemory<float> Values)
{
    private const int MostBytes = 256 << 20;

    /// <summary>Reads a mean image from an .npy file of numpy.</summary>
    /// <param name="file">The file: [3, height, width] or [height, width, 3], float32, float64 or uint8, C
    /// order.</param>
    /// <param name="most">What the pixel 255 is on the file's scale: 255 or 1.</param>
    /// <param name="order">Order of the file's channels.</param>
    /// <exception cref="TransferException">The file cannot be read, or has another form; the message says what was
    /// found.</exception>
    public static MeanImage Read(string file, float most, ChannelOrder order)
    {
        byte[] bytes;
        try
        {
            var info = new FileInfo(file);
            if (info.Length > MostBytes)
                throw new TransferException(
                    $"{file} has {info.Length:N0} bytes; a mean image has at most {MostBytes:N0}."
                );
            bytes = File.ReadAllBytes(file);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"{file} could not be read ({cause.Message}). Give an .npy file.", cause);
        }

        return Parse(file, bytes, most, order);
    }

    // numpy/lib/format.py: the magic string, a version, the length of a header, the header as a Python dictionary.
    private static MeanImage Parse(string file, ReadOnlySpan<byte> bytes, float most, ChannelOrder order)
    {
        if (bytes.Length < 12 || bytes[0] != 0x93 || !bytes[1..].StartsWith("NUMPY"u8))
            throw Wrong(file, "no .npy file");
        bool first = bytes[6] == 1;
        int start = first ? 10 : 12,
            length = first ? bytes[8] | (bytes[9] << 8) : BitConverter.ToInt32(bytes[8..12]);
        if (length < 0 || length > bytes.Length - start)
            throw Wrong(file, "an .npy file that ends in its header");
        string header = Encoding.ASCII.GetString(bytes.Slice(start, length));
        ReadOnlySpan<byte> data = bytes[(start + length)..];
        Match type = TypeForm().Match(header),
            shape = ShapeForm().Match(header);
        if (!type.Success || !shape.Success || header.Contains("'fortran_order': True", StringComparison.Ordinal))
            throw Wrong(file, $"{header.Trim()}");
        int[] sides =
        [
            .. shape
                .Groups[1]
                .Value.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(s => int.TryParse(s, CultureInfo.InvariantCulture, out int side) ? side : -1),
        ];
        bool last = sides is [_, _, 3],
            planes = sides is [3, _, _];
        if (!last && !planes || sides.Any(s => s is < 1 or > 8192))
            throw Wrong(file, $"the shape ({shape.Groups[1].Value})");
        (int height, int width) = planes ? (sides[1], sides[2]) : (sides[0], sides[1]);
        int size = type.Groups[1].Value switch
        {
            "f8" => 8,
            "f4" => 4,
            _ => 1,
        };
        if (data.Length != (long)size * 3 * height * width)
            throw Wrong(file, $"{data.Length:N0} bytes for {width} x {height} pixels");
        var values = new float[3 * height * width];
        for (int i = 0; i < values.Length; i++)
        {
            int channel = planes ? i / (height * width) : i % 3,
                place = planes ? i % (height * width) : i / 3;
            double value = size switch
            {
                8 => BitConverter.ToDouble(data[(8 * i)..]),
                4 => BitConverter.ToSingle(data[(4 * i)..]),
                _ => data[i],
            };
            if (!double.IsFinite(value))
                throw Wrong(file, $"the value {value}");
            values[(order == ChannelOrder.Bgr ? 2 - channel : channel) * height * width + place] = (float)(
                value / most
            );
        }

        return new MeanImage(height, width, values);
    }

    private static TransferException Wrong(string file, string found) =>
        new(
            $"{file} is {found}; a mean image was expected: an .npy file of [3, height, width] or [height, width, 3], "
                + "float32, float64 or uint8."
        );

    [GeneratedRegex(@"'descr':\s*'[<|=](f4|f8|u1)'")]
    private static partial Regex TypeForm();

    [GeneratedRegex(@"'shape':\s*\(([0-9, ]+)\)")]
    private static partial Regex ShapeForm();
}
