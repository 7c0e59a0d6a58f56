using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Tests.Imaging.Decoding;

[TestClass]
public sealed unsafe class StripColoursTests
{
    /// <summary>
    /// All 65,536 pairs of colour and alpha, against division in floating point; 37 more pixels leave a tail that is no
    /// whole vector.
    /// </summary>
    [TestMethod]
    public void Reduce_EveryColourAndAlpha_IsTheRoundedBlendOntoWhite()
    {
        const int pixels = 65_536 + 37;
        byte[] strip = new byte[(4 * pixels) + 64];
        for (int i = 0; i < pixels; i++)
        {
            byte colour = (byte)i,
                alpha = (byte)(i >> 8);
            (strip[4 * i], strip[(4 * i) + 1], strip[(4 * i) + 2], strip[(4 * i) + 3]) = (
                colour,
                (byte)(255 - colour),
                0,
                alpha
            );
        }
        fixed (byte* pointer = strip)
            Assert.AreEqual(3, StripColours.Reduce(pointer, pixels, 4));
        for (int i = 0; i < pixels; i++)
        {
            byte colour = (byte)i,
                alpha = (byte)(i >> 8);
            byte[] expected = [Blend(colour, alpha), Blend((byte)(255 - colour), alpha), Blend(0, alpha)];
            CollectionAssert.AreEqual(expected, strip[(3 * i)..((3 * i) + 3)], $"colour {colour}, alpha {alpha}");
        }
    }

    [TestMethod]
    public void Reduce_ExtraSamples_AreDropped()
    {
        byte[] strip = [1, 2, 3, 4, 5, 11, 12, 13, 14, 15];
        fixed (byte* pointer = strip)
            Assert.AreEqual(3, StripColours.Reduce(pointer, 2, 5));
        CollectionAssert.AreEqual((byte[])[1, 2, 3, 11, 12, 13], strip[..6]);
    }

    private static byte Blend(byte colour, byte alpha) =>
        (byte)Math.Round(((colour * alpha) + (255.0 * (255 - alpha))) / 255);
}
