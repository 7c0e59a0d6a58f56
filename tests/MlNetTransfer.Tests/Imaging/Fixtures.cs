using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Imaging;

/// <summary>The committed images; fixtures/make-fixtures.py says how each was made.</summary>
internal static class Fixtures
{
    public const int Size = 16;

    public static string Folder { get; } = Path.Combine(AppContext.BaseDirectory, "Imaging", "fixtures");

    /// <summary>Every image that is to be decoded, by file name.</summary>
    public static IReadOnlyList<string> Good { get; } =
    [
        .. Directory
            .EnumerateFiles(Folder)
            .Select(file => Path.GetFileName(file))
            .Where(name => File.Exists(PathOf(name + ".rgb")))
            .Order(StringComparer.Ordinal),
    ];

    public static string PathOf(string name) => Path.Combine(Folder, name);

    public static byte[] Read(string name) => File.ReadAllBytes(PathOf(name));

    public static byte[] Pixels(ReadOnlySpan<byte> encoded, Framing framing = Framing.Stretch, int size = Size)
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = size, Framing = framing });
        byte[] pixels = new byte[3 * size * size];
        preprocessor.ProcessToPixels(encoded, pixels);
        return pixels;
    }

    /// <summary>The reason for which an image is rejected.</summary>
    public static string Rejection(ReadOnlySpan<byte> encoded, ImageLimits? limits = null)
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = Size }, limits);
        try
        {
            preprocessor.Process(encoded, new float[3 * Size * Size]);
        }
        catch (ImageRejectedException e)
        {
            Assert.IsFalse(e.Reason.AsSpan().ContainsAny('\n', '\r'), "A reason is one line.");
            return e.Reason;
        }
        throw new AssertFailedException("The image was accepted.");
    }

    public static int LargestDifference(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        Assert.AreEqual(a.Length, b.Length);
        int largest = 0;
        for (int i = 0; i < a.Length; i++)
            largest = Math.Max(largest, Math.Abs(a[i] - b[i]));
        return largest;
    }
}
