using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Tests.Imaging.Augmentation.Operations;

[TestClass]
public sealed class EraserTests
{
    [TestMethod]
    public void Apply_ManyImages_ErasesTheStatedShareOfThemAndOfTheirArea()
    {
        const int size = 64,
            images = 4000;
        RandomErasing options = new()
        {
            Probability = 0.3,
            MinArea = 0.1,
            MaxArea = 0.3,
            MaxAspect = 3,
        };
        Rng rng = new(8);
        int erased = 0;
        double area = 0;
        for (int i = 0; i < images; i++)
        {
            using Square square = new(size);
            Eraser.Apply(options, square.Pixels, rng);
            byte[] pixels = square.Interleaved();
            int count = Enumerable
                .Range(0, size * size)
                .Count(p => (pixels[3 * p] | pixels[(3 * p) + 1] | pixels[(3 * p) + 2]) != 0);
            if (count == 0)
                continue;
            erased++;
            area += count / (double)(size * size);
            Assert.IsTrue(
                count > 0.09 * size * size && count < 0.32 * size * size,
                "Both sides are rounded to pixels, which is 2 % of the smallest."
            );
        }
        Assert.AreEqual(
            0.3,
            erased / (double)images,
            5 * Math.Sqrt(0.3 * 0.7 / images),
            "five binomial standard deviations"
        );
        // Uniform in [0.1, 0.3]; five standard errors of 0.0577/√1200, and no box is refused: √(0.3 · 3) < 1.
        Assert.AreEqual(0.2, area / erased, 0.0085);
    }

    [TestMethod]
    public void Draw_ManyBoxes_LieInsideWithTheStatedAspects()
    {
        RandomErasing options = new()
        {
            MinArea = 0.02,
            MaxArea = 0.9,
            MaxAspect = 4,
        };
        Rng rng = new(9);
        double logs = 0;
        for (int i = 0; i < 10_000; i++)
        {
            if (Eraser.Draw(options, 200, 200, rng) is not { } box)
                continue;
            Assert.IsTrue(
                box is { Left: >= 0, Top: >= 0, Width: >= 1, Height: >= 1 }
                    && box.Left + box.Width <= 200
                    && box.Top + box.Height <= 200,
                $"{box}"
            );
            double aspect = box.Width / (double)box.Height;
            Assert.IsTrue(aspect > 1 / 4.2 && aspect < 4.2, $"{box}");
            logs += Math.Log(aspect);
        }
        Assert.AreEqual(
            0,
            logs / 10_000,
            5 * 0.8 / 100,
            "width and height are alike; log-aspect has a deviation of at most ln 4/√3 = 0.8"
        );
    }

    [TestMethod]
    public void Apply_AllErased_IsUniformNoise()
    {
        const int size = 224;
        using Square square = new(size);
        Eraser.Apply(
            new()
            {
                Probability = 1,
                MinArea = 1,
                MaxArea = 1,
                MaxAspect = 1,
            },
            square.Pixels,
            new Rng(3)
        );
        int[] counts = new int[256];
        foreach (byte sample in square.Interleaved())
            counts[sample]++;
        double expected = 3.0 * size * size / 256;
        // Chi-square with 255 degrees of freedom: mean 255, deviation 22.6; five of them.
        Assert.AreEqual(255, counts.Sum(count => (count - expected) * (count - expected) / expected), 113);
    }
}
