using System.Globalization;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Resizing;

namespace MlNetTransfer.Tests.Imaging;

/// <summary>
/// The resize against Pillow itself, byte for byte: no tolerance, since both compute the same integers.
/// </summary>
[TestClass]
public sealed class PillowResizeTests
{
    /// <summary>
    /// Noise of many shapes, larger and smaller than the target, to sizes that are and are not multiples of 16; sizes
    /// travel in the file's name.
    /// </summary>
    private const string Script = """
        import random
        from PIL import Image
        random.seed(7)
        shapes = [(500, 375), (375, 500), (224, 224), (33, 17), (17, 33), (1, 1), (1, 40), (40, 1), (97, 640), (641, 98), (1023, 257), (16, 16), (300, 299)]
        filters = {'Bilinear': Image.BILINEAR, 'Bicubic': Image.BICUBIC}
        for n, (w, h) in enumerate(shapes):
            for mode, bands in (('RGB', 3), ('L', 1)):
                image = Image.frombytes(mode, (w, h), random.randbytes(w * h * bands))
                if n % 2: image = image.point(lambda v: 255 if v > 127 else 0)
                image.save(f'{folder}/{n}-{mode}.png')
                side = min(w, h)
                left, top = (w - side) // 2, (h - side) // 2
                square = image.crop((left, top, left + side, top + side))
                for size in (8, 31, 64, 224):
                    for name, filter in filters.items():
                        for framing, source in (('Stretch', image), ('CenterCrop', square)):
                            data = source.resize((size, size), filter).convert('RGB').tobytes()
                            open(f'{folder}/{n}-{mode}_{name}_{framing}_{size}.rgb', 'wb').write(data)
        """;

    [TestMethod]
    [DataRow(nameof(SimdLevel.Scalar))]
    [DataRow(nameof(SimdLevel.Vector128))]
    [DataRow(nameof(SimdLevel.Avx2))]
    public void Pixels_NoiseOfManyShapes_AreBitIdenticalToPillow(string instructions)
    {
        SimdLevel level = Enum.Parse<SimdLevel>(instructions);
        if (level > SimdLevels.Best)
            Assert.Inconclusive($"This processor has no {level}.");
        using PillowFolder folder = Pillow.Run(Script);
        int compared = 0;
        foreach (string name in folder.Names("*.rgb"))
        {
            string[] parts = Path.GetFileNameWithoutExtension(name).Split('_');
            Preprocessing preprocessing = new()
            {
                Size = int.Parse(parts[3], CultureInfo.InvariantCulture),
                Interpolation = Enum.Parse<Interpolation>(parts[1]),
                Framing = Enum.Parse<Framing>(parts[2]),
            };
            using ImagePreprocessor preprocessor = new(preprocessing, null, level);
            byte[] pixels = new byte[preprocessing.TensorLength];
            preprocessor.ProcessToPixels(folder.Read(parts[0] + ".png"), pixels);
            CollectionAssert.AreEqual(folder.Read(name), pixels, name);
            compared++;
        }
        Assert.AreEqual(13 * 2 * 4 * 2 * 2, compared);
    }

    /// <summary>
    /// What torchvision's Resize and CenterCrop and Keras' crop_to_aspect_ratio do, written down once more: the sizes,
    /// roundings and offsets of their code, with Pillow's filters; and upright images as other orientations store them.
    /// </summary>
    private const string FramingScript = """
        import random
        from PIL import Image
        random.seed(8)
        shapes = [(500, 375), (375, 501), (224, 224), (33, 17), (17, 33), (640, 97), (301, 300)]
        inputs = [(32, 32), (48, 31), (24, 65), (224, 224)]
        filters = {'Bilinear': Image.BILINEAR, 'Bicubic': Image.BICUBIC, 'Lanczos': Image.LANCZOS, 'Nearest': Image.NEAREST}
        def cover(w, h, across, down, share):
            cw, ch = int(across / share + 1e-6), int(down / share + 1e-6)
            return (cw, int(cw * h / w)) if cw * h >= ch * w else (int(ch * w / h), ch)
        for n, (w, h) in enumerate(shapes):
            image = Image.frombytes('RGB', (w, h), random.randbytes(w * h * 3))
            image.save(f'{folder}/{n}.png')
            exif = Image.Exif(); exif[0x0112] = 3
            image.transpose(Image.ROTATE_180).save(f'{folder}/{n}-turned.png', exif=exif)
            for across, down in inputs:
                for name, filter in filters.items():
                    def put(framing, share, made):
                        for turned in ('', '-turned'):
                            open(f'{folder}/{n}{turned}_{name}_{framing}_{across}_{down}_{share}.rgb', 'wb').write(made.tobytes())
                    put('Stretch', 0, image.resize((across, down), filter))
                    bw, bh = min(w, max(1, h * across // down)), min(h, max(1, w * down // across))
                    left, top = (w - bw) // 2, (h - bh) // 2
                    put('CenterCrop', 0, image.crop((left, top, left + bw, top + bh)).resize((across, down), filter))
                    for share in (0.875, 0.95, 1.0):
                        cw, ch = cover(w, h, across, down, share)
                        left, top = int(round((cw - across) / 2.0)), int(round((ch - down) / 2.0))
                        put('ResizeCrop', share, image.resize((cw, ch), filter).crop((left, top, left + across, top + down)))
        """;

    [TestMethod]
    public void Pixels_FramingsAndFiltersOfOthers_AreBitIdentical()
    {
        using PillowFolder folder = Pillow.Run(FramingScript);
        int compared = 0;
        foreach (string name in folder.Names("*.rgb"))
        {
            string[] parts = Path.GetFileNameWithoutExtension(name).Split('_');
            double share = double.Parse(parts[5], CultureInfo.InvariantCulture);
            Preprocessing preprocessing = new()
            {
                Size = int.Parse(parts[4], CultureInfo.InvariantCulture),
                Width = int.Parse(parts[3], CultureInfo.InvariantCulture),
                Interpolation = Enum.Parse<Interpolation>(parts[1]),
                Framing = Enum.Parse<Framing>(parts[2]),
                CropFraction = share == 0 ? null : share,
            };
            // A nearest pixel of an image that is stored upside down is that of the mirrored centre.
            if (
                preprocessing.Interpolation == Interpolation.Nearest
                && parts[0].EndsWith("turned", StringComparison.Ordinal)
            )
                continue;
            using ImagePreprocessor preprocessor = new(preprocessing);
            byte[] pixels = new byte[preprocessing.TensorLength];
            preprocessor.ProcessToPixels(folder.Read(parts[0] + ".png"), pixels);
            byte[] expected = folder.Read(name);
            if (parts[0].EndsWith("turned", StringComparison.Ordinal))
                Assert.IsLessThan(2, expected.Zip(pixels, (a, b) => Math.Abs(a - b)).Max(), name);
            else
                CollectionAssert.AreEqual(expected, pixels, name);
            compared++;
        }

        Assert.AreEqual(7 * 4 * (4 + 3) * 5, compared);
    }
}
