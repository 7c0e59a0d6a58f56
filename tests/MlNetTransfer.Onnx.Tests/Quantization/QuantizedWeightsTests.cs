using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Onnx.Tests.Quantization;

[TestClass]
public sealed class QuantizedWeightsTests
{
    [TestMethod]
    public void Of_TwoChannels_EachHasItsOwnScaleAndRoundsHalvesToEven()
    {
        QuantizedWeights found = QuantizedWeights.Of(
            [127, 0.5f, 1.5f, -2.5f, 0.254f, -0.001f, 0.003f, 0.005f],
            channels: 2,
            inner: 4
        );
        CollectionAssert.AreEqual(new[] { 1f, 0.254f / 127 }, found.Scales);
        CollectionAssert.AreEqual(new sbyte[] { 127, 0, 2, -2, 127, 0, 2, 2 }, found.Values);
    }

    [TestMethod]
    public void Of_ChannelsOnTheLastAxis_AreToldApart()
    {
        QuantizedWeights found = QuantizedWeights.Of([127, 1.27f, -254, 0.5f], channels: 2, inner: 1);
        CollectionAssert.AreEqual(new[] { 2f, 1.27f / 127 }, found.Scales);
        CollectionAssert.AreEqual(new sbyte[] { 64, 127, -127, 50 }, found.Values);
    }

    [TestMethod]
    public void Of_ChannelOfZeros_TakesItsBoundOrOne()
    {
        CollectionAssert.AreEqual(new[] { 1f, 1f / 127 }, QuantizedWeights.Of([0, 0, 1, -1], 2, 2).Scales);
        CollectionAssert.AreEqual(
            new[] { 0.125f, 1f / 127 },
            QuantizedWeights.Of([0, 0, 1, -1], 2, 2, WeightBits.Eight, [0.125f, 0]).Scales
        );
    }

    [TestMethod]
    public void Of_ScaleBelowItsBound_TakesTheBound()
    {
        QuantizedWeights found = QuantizedWeights.Of([1, -3], 1, 2, WeightBits.Eight, [0.5f]);
        CollectionAssert.AreEqual(new[] { 0.5f }, found.Scales);
        CollectionAssert.AreEqual(new sbyte[] { 2, -6 }, found.Values);
    }

    [TestMethod]
    [DataRow(WeightBits.Eight, 127)]
    [DataRow(WeightBits.Seven, 63)]
    public void Of_Random_IsWithinHalfAStepAndReachesTheEnd(WeightBits bits, int end)
    {
        var random = new Random(2);
        float[] weights = [.. Enumerable.Range(0, 5 * 40).Select(i => (i / 40 + 1) * (random.NextSingle() - 0.5f))];
        QuantizedWeights found = QuantizedWeights.Of(weights, 5, 40, bits);
        for (int c = 0; c < 5; c++)
        {
            Assert.AreEqual(weights.Skip(40 * c).Take(40).Max(Math.Abs) / end, found.Scales[c]);
            Assert.AreEqual(end, found.Values.Skip(40 * c).Take(40).Max(v => Math.Abs((int)v)));
        }

        for (int i = 0; i < weights.Length; i++)
            Assert.AreEqual(
                weights[i],
                found.Scales[i / 40] * found.Values[i],
                0.50001 * found.Scales[i / 40],
                "half a step, and float32's rounding"
            );
    }

    /// <summary>
    /// What <see cref="WeightBits.Seven"/> promises: the largest pair of products fits 16 bits, which that of eight
    /// bits does not.
    /// </summary>
    [TestMethod]
    public void Seven_LargestPairOfProducts_FitsSixteenBits()
    {
        int most = QuantizedWeights.Of([1], 1, 1, WeightBits.Seven).Values[0];
        Assert.IsLessThanOrEqualTo(short.MaxValue, 2 * most * byte.MaxValue);
        Assert.IsGreaterThan(short.MaxValue, 2 * QuantizedWeights.Of([1], 1, 1).Values[0] * byte.MaxValue);
    }

    [TestMethod]
    public void Of_NotFinite_NamesTheWeight() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => QuantizedWeights.Of([1, float.NaN], 1, 2)).Message,
            "Weight 1 is NaN"
        );
}
