using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Tests.Imaging.Augmentation;

[TestClass]
public sealed class BatchMixerTests
{
    private const int Size = 21,
        Length = 3 * Size * Size;

    private static readonly Preprocessing Small = new() { Size = Size };

    /// <summary>
    /// Row i is the value i everywhere and of class i, so the mean of a mixed row is what its target says.
    /// </summary>
    [TestMethod]
    [DataRow(1.0, 0.0, 6)]
    [DataRow(0.0, 1.0, 7)]
    [DataRow(0.4, 0.7, 7)]
    public void Apply_ConstantImages_TargetsAreTheSharesOfThePixels(double mixup, double cutMix, int rows)
    {
        BatchMixer mixer = new(
            new()
            {
                Probability = 1,
                MixupAlpha = mixup,
                CutMixAlpha = cutMix,
            },
            Small
        );
        int mixed = 0;
        for (int batch = 0; batch < 50; batch++)
        {
            (float[] tensors, float[] targets) = Batch(rows);
            mixer.Apply(new(1, batch, 0), tensors, targets, rows);
            for (int row = 0; row < rows; row++)
            {
                float[] target = targets[(row * rows)..((row + 1) * rows)];
                // Sums of a thousand floats up to 7, rounded to 24 bits each: below 1e-3 at worst, 1e-5 in fact.
                Assert.AreEqual(
                    target.Select((share, i) => (double)share * i).Sum(),
                    tensors.AsSpan(row * Length, Length).ToArray().Average(v => (double)v),
                    1e-5
                );
                Assert.AreEqual(1.0, target.Sum(v => (double)v), 1e-6);
                Assert.AreEqual(0, target.Where((_, i) => i != row && i != rows - 1 - row).Sum());
                if (target[row] < 1)
                    mixed++;
            }
            if (rows % 2 == 1)
                Assert.AreEqual(1, targets[(rows / 2 * rows) + (rows / 2)], "The middle row has no partner.");
        }
        Assert.IsGreaterThan(50, mixed);
    }

    [TestMethod]
    public void Apply_CutMix_SwapsOneBoxOfTheStatedShare()
    {
        BatchMixer mixer = new(new() { Probability = 1, MixupAlpha = 0 }, Small);
        for (int batch = 0; batch < 50; batch++)
        {
            (float[] tensors, float[] targets) = Batch(2);
            mixer.Apply(new(1, batch, 0), tensors, targets, 2);
            int[] swapped = [.. Enumerable.Range(0, Size * Size).Where(i => tensors[i] == 1)];
            Assert.AreEqual(1 - (swapped.Length / (double)(Size * Size)), targets[0], 1e-6);
            for (int i = 0; i < Length; i++)
            {
                Assert.AreEqual(1, tensors[i] + tensors[Length + i], "A pixel is swapped in both or in neither.");
                Assert.AreEqual(tensors[i % (Size * Size)], tensors[i], "The box is the same in every channel.");
            }
            if (swapped.Length == 0)
                continue;
            int width = swapped.Max(i => i % Size) - swapped.Min(i => i % Size) + 1,
                height = (swapped[^1] / Size) - (swapped[0] / Size) + 1;
            Assert.AreEqual(width * height, swapped.Length, "It is a box.");
        }
    }

    [TestMethod]
    public void Apply_Probability_MixesThatShareOfPairs()
    {
        BatchMixer mixer = new(
            new()
            {
                Probability = 0.3,
                MixupAlpha = 1,
                CutMixAlpha = 0,
            },
            Small
        );
        int mixed = 0;
        for (int batch = 0; batch < 500; batch++)
        {
            (float[] tensors, float[] targets) = Batch(8);
            mixer.Apply(new(1, batch, 0), tensors, targets, 8);
            for (int i = 0; i < 4; i++)
                mixed += targets[i * 9] < 1 ? 1 : 0;
        }
        Assert.AreEqual(0.3, mixed / 2000.0, 5 * Math.Sqrt(0.3 * 0.7 / 2000), "five binomial standard deviations");
    }

    [TestMethod]
    public void Apply_SameDraw_SameBytes()
    {
        BatchMixer used = new(new() { Probability = 1 }, Small),
            fresh = new(new() { Probability = 1 }, Small);
        (float[] first, float[] firstTargets) = Batch(6);
        used.Apply(new(9, 9, 9), first, firstTargets, 6);
        (first, firstTargets) = Batch(6);
        (float[] second, float[] secondTargets) = Batch(6);
        used.Apply(new(1, 2, 3), first, firstTargets, 6);
        fresh.Apply(new(1, 2, 3), second, secondTargets, 6);
        CollectionAssert.AreEqual(first, second);
        CollectionAssert.AreEqual(firstTargets, secondTargets);
        fresh.Apply(new(1, 2, 4), second, secondTargets, 6);
        CollectionAssert.AreNotEqual(firstTargets, secondTargets);
    }

    [TestMethod]
    public void Apply_WrongLengths_SaysWhatWasExpected()
    {
        BatchMixer mixer = new(new(), Small);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() => mixer.Apply(default, new float[Length], new float[4], 2))
                .Message,
            $"expected 2 x {Length}"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() => mixer.Apply(default, new float[2 * Length], new float[5], 2))
                .Message,
            "multiple of 2"
        );
    }

    private static (float[] Tensors, float[] Targets) Batch(int rows)
    {
        float[] tensors = new float[rows * Length],
            targets = new float[rows * rows];
        for (int i = 0; i < rows; i++)
        {
            tensors.AsSpan(i * Length, Length).Fill(i);
            targets[(i * rows) + i] = 1;
        }
        return (tensors, targets);
    }
}
