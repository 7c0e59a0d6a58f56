using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Tests.Imaging.Augmentation;

[TestClass]
public sealed class ImageAugmenterTests
{
    private static readonly Preprocessing Imagenet = new()
    {
        Size = 40,
        Mean = new(0.485f, 0.456f, 0.406f),
        Std = new(0.229f, 0.224f, 0.225f),
    };

    private static readonly AugmentationOptions Mirrored = new() { FlipProbability = 1 };

    private static readonly AugmentationOptions Everything = AugmentationOptions.Of(AugmentationPreset.Strong) with
    {
        Operations =
        [
            new ColourJitter
            {
                Brightness = 0.4,
                Contrast = 0.4,
                Saturation = 0.4,
                Hue = 0.1,
            },
            new TrivialAugment(),
            new RandomErasing { Probability = 0.5 },
        ],
    };

    [TestMethod]
    [DataRow(Framing.Stretch)]
    [DataRow(Framing.CenterCrop)]
    public void Process_PresetNone_IsThePreprocessorBitForBit(Framing framing)
    {
        Preprocessing preprocessing = Imagenet with { Framing = framing };
        using ImagePreprocessor preprocessor = new(preprocessing);
        using ImageAugmenter augmenter = new(preprocessing, AugmentationOptions.Of(AugmentationPreset.None));
        float[] expected = new float[preprocessing.TensorLength],
            actual = new float[preprocessing.TensorLength];
        foreach (string name in Fixtures.Good)
        {
            preprocessor.Process(Fixtures.Read(name), expected);
            augmenter.Process(Fixtures.Read(name), new(1, 2, 3), actual);
            CollectionAssert.AreEqual(expected, actual, name);
        }
    }

    /// <summary>
    /// The path of the variants itself, against the other one: whole frames held, upright before the resize instead of
    /// after it.
    /// </summary>
    [TestMethod]
    [DataRow(Framing.Stretch)]
    [DataRow(Framing.CenterCrop)]
    public void Process_MirrorAlone_IsThePreprocessorMirrored(Framing framing)
    {
        Preprocessing preprocessing = new()
        {
            Size = 40,
            Framing = framing,
            Std = new(1 / 255f, 1 / 255f, 1 / 255f),
        };
        using ImagePreprocessor preprocessor = new(preprocessing);
        using ImageAugmenter augmenter = new(preprocessing, Mirrored);
        float[] expected = new float[preprocessing.TensorLength],
            actual = new float[preprocessing.TensorLength];
        foreach (string name in Fixtures.Good)
        {
            preprocessor.Process(Fixtures.Read(name), expected);
            augmenter.Process(Fixtures.Read(name), new(1, 2, 3), actual);
            for (int row = 0; row < expected.Length; row += 40)
                Array.Reverse(expected, row, 40);
            // One level where the two passes run in the other order (orientations 5 to 8), none elsewhere; 1e-3 for the
            // rounding of the tables.
            double most = name.StartsWith("orientation-", StringComparison.Ordinal) && name[12] >= '5' ? 1.001 : 0;
            Assert.IsLessThanOrEqualTo(most, expected.Zip(actual, (a, b) => (double)Math.Abs(a - b)).Max(), name);
        }
    }

    [TestMethod]
    [DataRow(Framing.Stretch)]
    [DataRow(Framing.CenterCrop)]
    public void Process_KeptPixels_AreTheEncodedImagesVariants(Framing framing)
    {
        // Sizes of 8 and 40: images of 33 x 25 and the like are reduced for the first.
        foreach (int size in (int[])[8, 40])
        {
            Preprocessing preprocessing = Imagenet with { Size = size, Framing = framing };
            using ImageAugmenter augmenter = new(preprocessing, Everything),
                other = new(preprocessing, Everything);
            float[] expected = new float[preprocessing.TensorLength],
                actual = new float[preprocessing.TensorLength];
            foreach (string name in Fixtures.Good)
            {
                RgbImage kept = other.Decode(Fixtures.Read(name));
                for (int number = 0; number < 4; number++)
                {
                    augmenter.Process(Fixtures.Read(name), new(1, 2, number), expected);
                    other.Process(kept, new(1, 2, number), actual);
                    CollectionAssert.AreEqual(expected, actual, name);
                }
            }
        }
    }

    [TestMethod]
    public void Process_AnyOrderAndAnyWorkers_GivesTheSameBytes()
    {
        string[] names = [.. Fixtures.Good];
        (int Image, int Number)[] draws =
        [
            .. Enumerable.Range(0, 8 * names.Length).Select(i => (i % names.Length, i / names.Length)),
        ];
        float[][] inOrder = new float[draws.Length][],
            shuffled = new float[draws.Length][];
        using (ImageAugmenter augmenter = new(Imagenet, Everything))
        {
            for (int i = 0; i < draws.Length; i++)
                inOrder[i] = Draw(augmenter, i);
        }
        Parallel.For(
            0,
            4,
            worker =>
            {
                using ImageAugmenter augmenter = new(Imagenet, Everything);
                for (int i = draws.Length - 1 - worker; i >= 0; i -= 4)
                    shuffled[i] = Draw(augmenter, i);
            }
        );
        for (int i = 0; i < draws.Length; i++)
            CollectionAssert.AreEqual(inOrder[i], shuffled[i], $"{draws[i]}");

        float[] Draw(ImageAugmenter augmenter, int i)
        {
            float[] tensor = new float[Imagenet.TensorLength];
            augmenter.Process(Fixtures.Read(names[draws[i].Image]), new(7, draws[i].Image, draws[i].Number), tensor);
            return tensor;
        }
    }

    [TestMethod]
    public void Process_OtherSeedImageOrNumber_GivesAnotherVariant()
    {
        using ImageAugmenter augmenter = new(Imagenet, Everything);
        float[] tensor = new float[Imagenet.TensorLength];
        HashSet<string> seen = [];
        foreach (
            AugmentationDraw draw in (AugmentationDraw[])
                [
                    new(1, 2, 3),
                    new(2, 2, 3),
                    new(1, 3, 3),
                    new(1, 2, 4),
                    AugmentationDraw.Of(1, new byte[8], 3),
                    AugmentationDraw.Of(1, "12345678"u8, 3),
                ]
        )
        {
            augmenter.Process(Fixtures.Read("rgb.png"), draw, tensor);
            Assert.IsTrue(seen.Add(string.Join(' ', tensor)), $"{draw}");
        }
    }

    [TestMethod]
    public void Process_FlipProbability_MirrorsThatShare()
    {
        using ImageAugmenter augmenter = new(Imagenet, new() { FlipProbability = 0.5 }),
            never = new(Imagenet, new());
        float[] tensor = new float[Imagenet.TensorLength],
            plain = new float[Imagenet.TensorLength];
        RgbImage image = augmenter.Decode(Fixtures.Read("rgb.png"));
        never.Process(image, default, plain);
        int mirrored = 0;
        for (int i = 0; i < 2000; i++)
        {
            augmenter.Process(image, new(1, i % 40, i / 40), tensor);
            if (!tensor.AsSpan().SequenceEqual(plain))
                mirrored++;
        }
        Assert.AreEqual(1000, mirrored, 112, "five binomial standard deviations, 5·√(2000/4)");
    }

    /// <summary>A crop is Pillow's crop and resize of the box that the generator gives.</summary>
    [TestMethod]
    public void Process_CropAlone_IsTheBoxResizedByPillow()
    {
        AugmentationOptions options = new() { Crop = new() { MinArea = 0.2 } };
        Preprocessing preprocessing = new() { Size = 32, Std = new(1 / 255f, 1 / 255f, 1 / 255f) };
        using PillowFolder input = Pillow.Run(
            """
            import random
            from PIL import Image
            random.seed(1)
            Image.frombytes('RGB', (67, 45), random.randbytes(67 * 45 * 3)).save(f'{folder}/image.png')
            """
        );
        byte[] file = input.Read("image.png");
        Rng rng = new(0);
        CropBox[] boxes =
        [
            .. Enumerable
                .Range(0, 20)
                .Select(number =>
                {
                    rng.Restart(11, 12, (ulong)number);
                    return CropBox.Draw(options.Crop!, new Preprocessing { Size = 32 }, 67, 45, rng);
                }),
        ];
        using PillowFolder crops = Pillow.Run(
            $$"""
            from PIL import Image
            image = Image.open(r'''{{input.Path}}/image.png''')
            for i, box in enumerate([{{string.Join(
                ',',
                boxes.Select(b => $"({b.Left},{b.Top},{b.Left + b.Width},{b.Top + b.Height})")
            )}}]):
                open(f'{folder}/{i}.rgb', 'wb').write(image.crop(box).resize((32, 32), Image.BILINEAR).tobytes())
            """
        );
        using ImageAugmenter augmenter = new(preprocessing, options);
        float[] tensor = new float[preprocessing.TensorLength];
        Assert.IsGreaterThan(15, boxes.Distinct().Count());
        for (int number = 0; number < 20; number++)
        {
            augmenter.Process(file, new(11, 12, number), tensor);
            byte[] expected = crops.Read($"{number}.rgb"),
                actual = new byte[expected.Length];
            for (int i = 0; i < actual.Length; i++)
                actual[i] = (byte)Math.Round(tensor[(i % 3 * 32 * 32) + (i / 3)]);
            CollectionAssert.AreEqual(expected, actual, $"{boxes[number]}");
        }
    }

    [TestMethod]
    public void Decode_LargeImages_AreReducedToTwiceTheSize()
    {
        using PillowFolder folder = Pillow.Run(
            """
            from PIL import Image
            for w, h in ((900, 500), (200, 3000), (200, 100)): Image.radial_gradient('L').resize((w, h)).convert('RGB').save(f'{folder}/{w}x{h}.png')
            Image.radial_gradient('L').resize((900, 500)).convert('RGB').resize((128, 128), Image.BILINEAR).save(f'{folder}/expected.png')
            """
        );
        using ImageAugmenter stretch = new(Imagenet with { Size = 64 }, Everything),
            crop = new(Imagenet with { Size = 64, Framing = Framing.CenterCrop }, Everything);
        RgbImage expected = stretch.Decode(folder.Read("expected.png"));
        CollectionAssert.AreEqual(
            expected.Pixels.ToArray(),
            stretch.Decode(folder.Read("900x500.png")).Pixels.ToArray()
        );
        Assert.AreEqual((128, 128), Shape(stretch, "200x3000.png"));
        Assert.AreEqual((200, 100), Shape(stretch, "200x100.png"), "It has fewer than 8 · 64² pixels.");
        Assert.AreEqual((230, 128), Shape(crop, "900x500.png"));
        Assert.AreEqual((128, 1920), Shape(crop, "200x3000.png"));

        (int, int) Shape(ImageAugmenter augmenter, string name) =>
            augmenter.Decode(folder.Read(name)) is var image ? (image.Width, image.Height) : default;
    }

    /// <summary>
    /// Reduced to 16 x 16 for a size of 8: what the preprocessor, which turns images in another place, makes for a size
    /// of 16.
    /// </summary>
    [TestMethod]
    public void Decode_ReducedImages_AreThePreprocessorsOfTwiceTheSize()
    {
        using ImageAugmenter augmenter = new(Imagenet with { Size = 8 }, Mirrored);
        int reduced = 0;
        foreach (string name in Fixtures.Good)
        {
            RgbImage image = augmenter.Decode(Fixtures.Read(name));
            if (image.Pixels.Length != 3 * 16 * 16)
                continue;
            CollectionAssert.AreEqual(Fixtures.Pixels(Fixtures.Read(name), size: 16), image.Pixels.ToArray(), name);
            reduced += name.StartsWith("orientation-", StringComparison.Ordinal) ? 1 : 0;
        }
        Assert.AreEqual(8, reduced);
    }

    [TestMethod]
    public void Process_ManyImages_AllocatesNothing()
    {
        using ImageAugmenter augmenter = new(Imagenet, Everything);
        float[] tensor = new float[Imagenet.TensorLength];
        byte[] file = Fixtures.Read("rgb.png");
        RgbImage kept = augmenter.Decode(file);
        Run(300);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(300);
        // Weights of the resize grow with the largest crop so far; nothing else may be allocated in 600 images.
        Assert.IsLessThan(20_000L, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run(int images)
        {
            for (int i = 0; i < images; i++)
            {
                augmenter.Process(file, new(1, i, 0), tensor);
                augmenter.Process(kept, new(1, i, 1), tensor);
            }
        }
    }

    [TestMethod]
    public void Process_BadInput_SaysWhatIsWrong()
    {
        using ImageAugmenter augmenter = new(Imagenet, Everything);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    augmenter.Process(Fixtures.Read("rgb.png"), default, new float[5])
                )
                .Message,
            "5 elements, expected 3 x 40 x 40 = 4800"
        );
        Assert.ThrowsExactly<ImageRejectedException>(() =>
            augmenter.Process(Fixtures.Read("truncated.png"), default, new float[4800])
        );
        Assert.ThrowsExactly<ImageRejectedException>(() => augmenter.Decode("not an image"u8.ToArray()));
        Assert.ThrowsExactly<ArgumentException>(() => AugmentationDraw.Of(1, new byte[7], 0));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    new ImageAugmenter(
                        Imagenet,
                        new()
                        {
                            Crop = new() { MinArea = 0.5, MaxArea = 0.4 },
                        }
                    )
                )
                .Message,
            "of the crop, 0.5, is above the largest, 0.4"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    new ImageAugmenter(Imagenet, new() { Operations = [new RandomErasing { MinArea = 0.5 }] })
                )
                .Message,
            "of the erased box, 0.5"
        );
        // After a rejection the next image is right.
        float[] after = new float[4800],
            fresh = new float[4800];
        augmenter.Process(Fixtures.Read("rgb.png"), new(1, 1, 1), after);
        ImageAugmenter other = new(Imagenet, Everything);
        other.Process(Fixtures.Read("rgb.png"), new(1, 1, 1), fresh);
        CollectionAssert.AreEqual(fresh, after);
        other.Dispose();
        Assert.ThrowsExactly<ObjectDisposedException>(() => other.Process(Fixtures.Read("rgb.png"), default, fresh));
    }
}
