using System.Globalization;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Imaging.Augmentation;

[TestClass]
public sealed class CropBoxTests
{
    [TestMethod]
    [DataRow(Framing.Stretch, 2000, 1000)]
    [DataRow(Framing.CenterCrop, 2000, 1000)]
    public void Draw_BoxesThatAlwaysFit_HaveUniformAreaLogAspectAndPlace(Framing framing, int width, int height)
    {
        // √(0.5 · 4/3) < 1, so no box is drawn again, and the distributions are those that are stated.
        RandomCrop crop = new()
        {
            MinArea = 0.3,
            MaxArea = 0.5,
            MaxAspect = 4.0 / 3,
        };
        CropBox frame = CropBox.Of(Framed(framing), width, height);
        CropBox[] boxes = Boxes(crop, framing, width, height, 5000);
        double aspect = frame.Width / (double)frame.Height,
            span = 2 * Math.Log(4.0 / 3);
        // A grain is what one pixel of a side is in probability: 1/550 of the area over a range of 0.2/0.4, and so on;
        // sides are at least 474.
        KolmogorovSmirnov.AreEqual(
            boxes.Select(b => (double)b.Width * b.Height / ((double)frame.Width * frame.Height)),
            x => Math.Clamp((x - 0.3) / 0.2, 0, 1),
            0.006,
            "area"
        );
        KolmogorovSmirnov.AreEqual(
            boxes.Select(b => Math.Log(b.Width / (double)b.Height / aspect)),
            x => Math.Clamp((x / span) + 0.5, 0, 1),
            0.008,
            "aspect"
        );
        KolmogorovSmirnov.AreEqual(boxes.Select(b => (b.Left + 0.5) / (width - b.Width + 1)), x => x, 0.004, "left");
        KolmogorovSmirnov.AreEqual(boxes.Select(b => (b.Top + 0.5) / (height - b.Height + 1)), x => x, 0.004, "top");
    }

    [TestMethod]
    public void Draw_SquareImage_IsDistributedAsTorchvisions()
    {
        Python.Require("torchvision");
        const int count = 10_000;
        double[][] theirs =
        [
            .. Python
                .Run(
                    $$"""
                    import torch
                    from torchvision.transforms import RandomResizedCrop
                    torch.manual_seed(1)
                    image = torch.empty(3, 600, 600)
                    for _ in range({{count}}): print(*RandomResizedCrop.get_params(image, (0.6, 1.0), (3 / 4, 4 / 3)))
                    """
                )
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => line.Split(' ').Select(v => double.Parse(v, CultureInfo.InvariantCulture)).ToArray()),
        ];
        CropBox[] ours = Boxes(new RandomCrop(), Framing.Stretch, 600, 600, count);
        KolmogorovSmirnov.AreEqual(theirs.Select(v => v[3]), ours.Select(b => (double)b.Width), "width");
        KolmogorovSmirnov.AreEqual(theirs.Select(v => v[2]), ours.Select(b => (double)b.Height), "height");
        KolmogorovSmirnov.AreEqual(
            theirs.Select(v => v[2] * v[3]),
            ours.Select(b => (double)b.Width * b.Height),
            "area"
        );
        KolmogorovSmirnov.AreEqual(theirs.Select(v => v[1]), ours.Select(b => (double)b.Left), "left");
    }

    [TestMethod]
    public void Draw_AnyShape_StaysInside()
    {
        RandomCrop crop = new()
        {
            MinArea = 0.01,
            MaxArea = 1,
            MaxAspect = 4,
        };
        foreach ((int width, int height) in ((int, int)[])[(1, 1), (1, 50), (50, 1), (2, 3), (640, 97)])
        {
            foreach (Framing framing in Enum.GetValues<Framing>())
            {
                foreach (CropBox box in Boxes(crop, framing, width, height, 500))
                    Assert.IsTrue(
                        box is { Left: >= 0, Top: >= 0, Width: >= 1, Height: >= 1 }
                            && box.Left + box.Width <= width
                            && box.Top + box.Height <= height,
                        $"{box}"
                    );
            }
        }
    }

    private static CropBox[] Boxes(RandomCrop crop, Framing framing, int width, int height, int count)
    {
        Rng rng = new(5);
        return [.. Enumerable.Range(0, count).Select(_ => CropBox.Draw(crop, Framed(framing), width, height, rng))];
    }

    private static Preprocessing Framed(Framing framing) => new() { Size = 32, Framing = framing };
}
