using MlNetTransfer.Models;

namespace MlNetTransfer.Tests.Models;

[TestClass]
public sealed class TensorSampleTests
{
    [TestMethod]
    public void Offer_FewerThanTheSize_KeepsAll()
    {
        var sample = new TensorSample(8, 1);
        for (int i = 0; i < 5; i++) sample.Offer([i]);
        CollectionAssert.AreEqual(new[] { 0, 1, 2, 3, 4 }, sample.Rows);
        CollectionAssert.AreEqual(new float[] { 0, 1, 2, 3, 4 }, sample.Tensors.Select(t => t[0]).ToArray());
    }

    [TestMethod]
    public void Offer_LongStream_KeepsEachWithTheSameChance()
    {
        const int Length = 40, Size = 10, Draws = 4000;
        var kept = new int[Length];
        for (int seed = 0; seed < Draws; seed++)
        {
            var sample = new TensorSample(Size, seed);
            for (int i = 0; i < Length; i++) sample.Offer([i]);
            Assert.HasCount(Size, sample.Rows.Distinct());
            CollectionAssert.AreEqual(sample.Rows.Select(r => (float)r).ToArray(), sample.Tensors.Select(t => t[0]).ToArray(), "rows and tensors belong together");
            foreach (int row in sample.Rows) kept[row]++;
        }

        // Binomial(4000, 1/4): standard deviation 27.4; 5 of them, over 40 rows, fail by chance once in 40,000 such tests. Seeds are fixed.
        foreach (int count in kept) Assert.AreEqual(Draws * Size / Length, count, 137);
    }

    [TestMethod]
    public void Offer_TheSameMemoryAgain_IsCopied()
    {
        var sample = new TensorSample(2, 1);
        float[] memory = [1];
        sample.Offer(memory);
        memory[0] = 2;
        sample.Offer(memory);
        CollectionAssert.AreEqual(new float[] { 1, 2 }, sample.Tensors.Select(t => t[0]).ToArray());
    }
}
