using System.Globalization;
using MlNetTransfer.Imaging.Augmentation.Operations;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Imaging.Augmentation.Operations;

[TestClass]
public sealed class TrivialAugmentationTests
{
    private const int Size = 45;

    private const string Script = """
        import random
        from PIL import Image
        from torchvision.transforms.autoaugment import TrivialAugmentWide, _apply_op
        from torchvision.transforms import InterpolationMode
        S = 45
        random.seed(5)
        image = Image.frombytes('RGB', (9, 9), random.randbytes(243)).resize((S, S), Image.BICUBIC)
        open(f'{folder}/Identity_0_1.rgb', 'wb').write(image.tobytes())
        names = {'Brightness': 'Brightness', 'Saturation': 'Color', 'Contrast': 'Contrast', 'Sharpness': 'Sharpness', 'Posterize': 'Posterize',
                 'AutoContrast': 'AutoContrast', 'Equalize': 'Equalize', 'Rotate': 'Rotate'}
        for ours, theirs in names.items():
            magnitudes, signed = TrivialAugmentWide()._augmentation_space(31)[theirs]
            for strength in range(31):
                for sign in ((1, -1) if signed else (1,)):
                    magnitude = float(magnitudes[strength]) * sign if magnitudes.ndim else 0.0
                    result = _apply_op(image, theirs, magnitude, InterpolationMode.BILINEAR, [128, 128, 128])
                    open(f'{folder}/{ours}_{strength}_{sign}.rgb', 'wb').write(result.tobytes())
        """;

    /// <summary>
    /// The wide space of the paper as its authors' successors wrote it down. Shears and shifts are checked beside
    /// Pillow, and solarize below, since torchvision's threshold of 255 inverts 255.
    /// </summary>
    [TestMethod]
    public void Apply_EveryStrength_IsTorchvisions()
    {
        Python.Require("torchvision");
        using PillowFolder folder = Pillow.Run(Script);
        byte[] image = folder.Read("Identity_0_1.rgb");
        int compared = 0;
        foreach (string name in folder.Names("*.rgb"))
        {
            string[] parts = Path.GetFileNameWithoutExtension(name).Split('_');
            TrivialOperation operation = Enum.Parse<TrivialOperation>(parts[0]);
            int strength = int.Parse(parts[1], CultureInfo.InvariantCulture),
                sign = int.Parse(parts[2], CultureInfo.InvariantCulture);
            byte[] actual = Square.After(
                Size,
                image,
                (square, scratch) => TrivialAugmentation.Apply(operation, strength, sign, square, scratch)
            );
            // One level: Pillow cuts off what it interpolates, and torchvision's strengths are 32-bit floats where
            // blends cut off.
            Assert.IsLessThanOrEqualTo(1, Fixtures.LargestDifference(folder.Read(name), actual), name);
            compared++;
        }
        Assert.AreEqual(1 + (5 * 62) + (3 * 31), compared);
    }

    [TestMethod]
    public void Apply_StrengthZero_LeavesTheImageAsItIs()
    {
        byte[] image = Noise();
        foreach (TrivialOperation operation in Enum.GetValues<TrivialOperation>())
        {
            if (operation is TrivialOperation.AutoContrast or TrivialOperation.Equalize)
                continue;
            foreach (int sign in (int[])[1, -1])
                CollectionAssert.AreEqual(
                    image,
                    Square.After(
                        Size,
                        image,
                        (square, scratch) => TrivialAugmentation.Apply(operation, 0, sign, square, scratch)
                    ),
                    $"{operation}"
                );
        }
    }

    [TestMethod]
    public void Apply_Solarize_InvertsEverythingAtMost()
    {
        byte[] image = Noise();
        byte[] half = Square.After(
            Size,
            image,
            (square, scratch) => TrivialAugmentation.Apply(TrivialOperation.Solarize, 15, 1, square, scratch)
        );
        byte[] all = Square.After(
            Size,
            image,
            (square, scratch) => TrivialAugmentation.Apply(TrivialOperation.Solarize, 30, 1, square, scratch)
        );
        CollectionAssert.AreEqual(image.Select(v => (byte)(v < 128 ? v : 255 - v)).ToArray(), half);
        CollectionAssert.AreEqual(image.Select(v => (byte)(255 - v)).ToArray(), all);
    }

    /// <summary>
    /// A bright dot at the centre of one side is moved by the sizes that the table of the paper gives, scaled from 224
    /// pixels.
    /// </summary>
    [TestMethod]
    [DataRow("TranslateX", 1, 12 + 32, 110)]
    [DataRow("TranslateX", -1, 100 - 32, 110, 100)]
    [DataRow("TranslateY", 1, 12, 110 + 32)]
    public void Apply_TranslationAtMost_Moves32Of224Pixels(string name, int sign, int toX, int toY, int fromX = 12)
    {
        byte[] image = new byte[3 * 224 * 224];
        image[3 * ((110 * 224) + fromX)] = 255;
        byte[] moved = Square.After(
            224,
            image,
            (square, scratch) =>
                TrivialAugmentation.Apply(Enum.Parse<TrivialOperation>(name), 30, sign, square, scratch)
        );
        Assert.AreEqual(255, moved[3 * ((toY * 224) + toX)]);
    }

    [TestMethod]
    public void Apply_ShearXAtMost_MovesRowsByTheirDistanceFromTheCentre()
    {
        byte[] image = new byte[3 * 224 * 224];
        for (int y = 0; y < 224; y++)
            image[3 * ((y * 224) + 112)] = 255;
        byte[] sheared = Square.After(
            224,
            image,
            (square, scratch) => TrivialAugmentation.Apply(TrivialOperation.ShearX, 30, 1, square, scratch)
        );
        // Row 62 is 49.5 above the centre; its column of brightness goes 0.99 times that to the right: 49.005.
        Assert.AreEqual(255, sheared[3 * ((62 * 224) + 112 + 49)], 255 * 0.01);
    }

    [TestMethod]
    public void Apply_ManyDraws_TakesEveryOperationEquallyOften()
    {
        byte[] image = Noise();
        Dictionary<string, TrivialOperation> outcomes = new()
        {
            [Convert.ToHexString(image)] = TrivialOperation.Identity,
        };
        foreach (TrivialOperation operation in Enum.GetValues<TrivialOperation>())
        {
            for (int strength = 0; strength <= TrivialAugmentation.Strongest; strength++)
            {
                foreach (int sign in (int[])[1, -1])
                    outcomes.TryAdd(
                        Convert.ToHexString(
                            Square.After(
                                Size,
                                image,
                                (square, scratch) =>
                                    TrivialAugmentation.Apply(operation, strength, sign, square, scratch)
                            )
                        ),
                        operation
                    );
            }
        }
        const int draws = 2800;
        int[] counts = new int[14];
        Rng rng = new(4);
        for (int i = 0; i < draws; i++)
            counts[
                (int)
                    outcomes[
                        Convert.ToHexString(
                            Square.After(
                                Size,
                                image,
                                (square, scratch) => TrivialAugmentation.Apply(square, scratch, rng)
                            )
                        )
                    ]
            ]++;
        for (int operation = 1; operation < 14; operation++)
        {
            // Noise of full range has nothing for autocontrast to do. Of the others one to three strengths of 31 leave
            // the image as it is, 6 to 19 of 200 draws; five binomial standard deviations are 68.
            if (operation != (int)TrivialOperation.AutoContrast)
                Assert.AreEqual(190, counts[operation], 78, $"{(TrivialOperation)operation}");
        }
    }

    private static byte[] Noise()
    {
        byte[] image = new byte[3 * Size * Size];
        new Rng(1).Fill(image);
        return image;
    }
}
