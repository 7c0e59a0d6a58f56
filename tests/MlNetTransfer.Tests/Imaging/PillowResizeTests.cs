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
}
