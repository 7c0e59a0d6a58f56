using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Onnx.Tests.Quantization;

[TestClass]
public sealed class AffineQuantizationTests
{
    [TestMethod]
    [DataRow(0f, 255f, 1f, 0)]
    [DataRow(-128f, 127f, 1f, 128)]
    [DataRow(-255f, 0f, 1f, 255)]
    [DataRow(2f, 51f, 0.2f, 0, DisplayName = "zero is taken in: 0 to 51")]
    [DataRow(-51f, -2f, 0.2f, 255, DisplayName = "zero is taken in: -51 to 0")]
    [DataRow(-0.5f, 254.5f, 1f, 0, DisplayName = "halves to even: 0.5 to 0")]
    [DataRow(-1.5f, 253.5f, 1f, 2, DisplayName = "halves to even: 1.5 to 2")]
    [DataRow(0f, 0f, 1f, 0, DisplayName = "nothing but zero")]
    [DataRow(0f, 1e-40f, 1f, 0, DisplayName = "steps that are no normal number")]
    public void Of_Range_HasTheStepsAndTheZeroOfTheFormula(float low, float high, float scale, int zero) =>
        Assert.AreEqual(new AffineQuantization(scale, (byte)zero), AffineQuantization.Of(new ValueRange(low, high)));

    [TestMethod]
    [DataRow(float.NaN, 1f)]
    [DataRow(0f, float.PositiveInfinity)]
    [DataRow(2f, 1f)]
    public void Of_NoRange_SaysWhatWasFound(float low, float high) =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => AffineQuantization.Of(new ValueRange(low, high))).Message,
            "cannot be quantised"
        );

    [TestMethod]
    public void Dequantize_OfQuantize_IsWithinHalfAStepAndZeroIsExact()
    {
        var random = new Random(1);
        for (int i = 0; i < 2000; i++)
        {
            float low = -10 * random.NextSingle(),
                high = 10 * random.NextSingle(),
                value = low + ((high - low) * random.NextSingle());
            AffineQuantization bytes = AffineQuantization.Of(new ValueRange(low, high));
            Assert.AreEqual(0f, bytes.Dequantize(bytes.Quantize(0)));
            // The zero point is rounded by up to half a step, so that the ends may lie a further half step beyond the
            // bytes.
            bool inside = value >= bytes.Dequantize(0) && value <= bytes.Dequantize(255);
            Assert.AreEqual(
                value,
                bytes.Dequantize(bytes.Quantize(value)),
                (inside ? 0.5 : 1) * bytes.Scale * 1.0001,
                "half a step, and float32's rounding"
            );
        }
    }

    [TestMethod]
    public void Quantize_BeyondTheRange_IsClipped()
    {
        AffineQuantization bytes = AffineQuantization.Of(new ValueRange(-1, 1));
        Assert.AreEqual((byte)0, bytes.Quantize(-1e9f));
        Assert.AreEqual((byte)255, bytes.Quantize(float.PositiveInfinity));
    }
}
