using System.Globalization;
using MlNetTransfer.Imaging.Augmentation.Operations;

namespace MlNetTransfer.Tests.Imaging.Augmentation.Operations;

/// <summary>
/// Every operation beside Pillow's own, on noise, a low-contrast scene, plain colours and a scene of few colours.
/// </summary>
[TestClass]
public sealed class PillowOperationTests
{
    private const int Size = 45;

    private const string Script = """
        import random, colorsys
        from PIL import Image, ImageEnhance, ImageOps
        S = 45
        random.seed(3)
        noise = Image.frombytes('RGB', (S, S), random.randbytes(S * S * 3))
        scene = Image.frombytes('RGB', (6, 6), random.randbytes(108)).resize((S, S), Image.BICUBIC)
        images = {'noise': noise, 'scene': scene, 'faint': scene.point(lambda v: 100 + v // 8), 'plain': Image.new('RGB', (S, S), (10, 200, 90)),
                  'grey': noise.convert('L').convert('RGB'), 'few': scene.point(lambda v: v & 0xC0)}
        def hue(image, turn):
            result = []
            for r, g, b in image.getdata():
                h, s, v = colorsys.rgb_to_hsv(r / 255, g / 255, b / 255)
                result.append(tuple(int(c * 255 + 0.5) for c in colorsys.hsv_to_rgb((h + turn) % 1, s, v)))
            out = Image.new('RGB', (S, S)); out.putdata(result); return out
        def warp(image, *m): return image.transform((S, S), Image.AFFINE, m, Image.BILINEAR, fillcolor=(128, 128, 128))
        c = S / 2
        for name, image in images.items():
            def save(op, value, result): open(f'{folder}/{name}_{op}_{value}.rgb', 'wb').write(result.tobytes())
            save('Input', 0, image)
            for f in (0.01, 0.5, 0.77, 1.0, 1.23, 1.99):
                for op in ('Brightness', 'Contrast', 'Color', 'Sharpness'): save(op, f, getattr(ImageEnhance, op)(image).enhance(f))
            for t in (0, 1, 100, 255, 256): save('Solarize', t, ImageOps.solarize(image, t))
            for b in (1, 2, 5, 8): save('Posterize', b, ImageOps.posterize(image, b))
            save('AutoContrast', 0, ImageOps.autocontrast(image))
            save('Equalize', 0, ImageOps.equalize(image))
            for t in (-0.5, -0.13, 0, 0.01, 1 / 6, 0.31, 0.5): save('Hue', t, hue(image, t))
            for a in (-135, -31.5, 0, 4.5, 77, 90): save('Rotate', a, image.rotate(a, Image.BILINEAR, fillcolor=(128, 128, 128)))
            for s in (-0.99, -0.3, 0, 0.66):
                save('ShearX', s, warp(image, 1, s, -s * c, 0, 1, 0))
                save('ShearY', s, warp(image, 1, 0, 0, s, 1, -s * c))
            for p in (-6.43, 0, 0.5, 5):
                save('TranslateX', p, warp(image, 1, 0, -p, 0, 1, 0))
                save('TranslateY', p, warp(image, 1, 0, 0, 0, 1, -p))
        """;

    [TestMethod]
    public void Operations_ManyImagesAndStrengths_GivePillowsBytes()
    {
        using PillowFolder folder = Pillow.Run(Script);
        List<string> wrong = [];
        int compared = 0;
        foreach (string name in folder.Names("*.rgb"))
        {
            string[] parts = Path.GetFileNameWithoutExtension(name).Split('_');
            double value = double.Parse(parts[2], CultureInfo.InvariantCulture);
            byte[] actual = Square.After(
                Size,
                folder.Read($"{parts[0]}_Input_0.rgb"),
                (square, copy) => Apply(parts[1], value, square, copy)
            );
            int difference = Fixtures.LargestDifference(folder.Read(name), actual);
            if (difference > Tolerance(parts[1]))
                wrong.Add($"{name}: {difference}");
            compared++;
        }
        Assert.IsEmpty(wrong, string.Join('\n', wrong));
        Assert.AreEqual(6 * (1 + (6 * 4) + 5 + 4 + 2 + 7 + 6 + (4 * 2) + (4 * 2)), compared);
    }

    /// <summary>
    /// 0, but: Pillow cuts off what it interpolates and we round; hues are floats here and doubles in colorsys.
    /// </summary>
    private static int Tolerance(string operation) =>
        operation is "Hue" or "Rotate" or "ShearX" or "ShearY" or "TranslateX" or "TranslateY" ? 1 : 0;

    private static void Apply(string operation, double value, PixelFrame square, PixelFrame copy)
    {
        switch (operation)
        {
            case "Input":
                break;
            case "Brightness":
                ToneTables.Brightness(square, (float)value);
                break;
            case "Contrast":
                ToneTables.Contrast(square, (float)value);
                break;
            case "Color":
                Colours.Saturation(square, (float)value);
                break;
            case "Sharpness":
                Sharpness.Apply(square, copy, (float)value);
                break;
            case "Solarize":
                ToneTables.Solarize(square, (int)value);
                break;
            case "Posterize":
                ToneTables.Posterize(square, (int)value);
                break;
            case "AutoContrast":
                ToneTables.AutoContrast(square);
                break;
            case "Equalize":
                ToneTables.Equalize(square);
                break;
            case "Hue":
                Colours.Hue(square, value);
                break;
            case "Rotate":
                AffineWarp.Rotation(value, Size, Size).Apply(copy, square);
                break;
            case "ShearX":
                AffineWarp.ShearX(value, Size, Size).Apply(copy, square);
                break;
            case "ShearY":
                AffineWarp.ShearY(value, Size, Size).Apply(copy, square);
                break;
            case "TranslateX":
                AffineWarp.Translation(value, 0).Apply(copy, square);
                break;
            case "TranslateY":
                AffineWarp.Translation(0, value).Apply(copy, square);
                break;
            default:
                throw new AssertFailedException(operation);
        }
    }
}
