using MlNetTransfer.Onnx.Quantization;

namespace MlNetTransfer.Onnx.Tests.Quantization;

[TestClass]
public sealed class ValueHistogramTests
{
    [TestMethod]
    public void Add_AnyValues_EachIsInTheBinThatHoldsIt()
    {
        float[] values = Values(3, 5000);
        var histogram = new ValueHistogram();
        foreach (float[] part in values.Chunk(700))
            histogram.Add(part);
        var expected = new long[2 * ValueHistogram.Side];
        foreach (float value in values.Where(v => v != 0))
            expected[(int)Math.Floor(value / histogram.Width) + ValueHistogram.Side]++;
        CollectionAssert.AreEqual(expected, histogram.Counts.ToArray());
        Assert.AreEqual(new ValueRange(values.Min(), values.Max()), histogram.Range);
        Assert.AreEqual(values.Length, histogram.Count);
        Assert.AreEqual(values.Count(v => v == 0), histogram.Zeros);
        double reach = Math.Max(values.Max(), -values.Min()) / histogram.Width;
        Assert.IsTrue(
            reach is > ValueHistogram.Side / 2 and <= ValueHistogram.Side,
            "the bins are as narrow as powers of two allow"
        );
    }

    [TestMethod]
    public void Merge_AnyDivisionAndOrder_GivesTheSame()
    {
        float[] values = Values(4, 4000);
        var whole = new ValueHistogram();
        whole.Add(values);
        var parts = values
            .Reverse()
            .Chunk(333)
            .Select(part =>
            {
                var own = new ValueHistogram();
                own.Add(part);
                return own;
            })
            .Append(new ValueHistogram());
        var merged = new ValueHistogram();
        foreach (ValueHistogram part in parts)
            merged.Merge(part);
        CollectionAssert.AreEqual(whole.Counts.ToArray(), merged.Counts.ToArray());
        Assert.AreEqual(
            (whole.Width, whole.Range, whole.Count, whole.Zeros),
            (merged.Width, merged.Range, merged.Count, merged.Zeros)
        );
    }

    [TestMethod]
    public void Add_TinyThenHuge_KeepsEveryCount()
    {
        var histogram = new ValueHistogram();
        histogram.Add([1e-30f, -1e-30f, 1e-45f]);
        histogram.Add([3e38f, -3e38f]);
        Assert.AreEqual(5, histogram.Counts.ToArray().Sum());
        Assert.AreEqual(2, histogram.Counts[ValueHistogram.Side], "1e-30 and 1e-45 are beside zero now");
        Assert.AreEqual(1, histogram.Counts[ValueHistogram.Side - 1]);
    }

    [TestMethod]
    public void Range_WithoutValues_SaysSo() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => new ValueHistogram().Range).Message,
            "at least one image"
        );

    [TestMethod]
    public void Add_NotFinite_IsRefused() =>
        StringAssert.Contains(
            Assert.ThrowsExactly<GraphException>(() => new ValueHistogram().Add([float.NaN])).Message,
            "NaN"
        );

    private static float[] Values(int seed, int count)
    {
        var random = new Random(seed);
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(i =>
                    i % 9 == 0 ? 0 : (float)((random.NextDouble() - 0.3) * Math.Pow(10, 6 * random.NextDouble() - 3))
                ),
        ];
    }
}
