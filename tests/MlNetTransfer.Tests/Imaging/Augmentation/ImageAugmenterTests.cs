using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;

namespace MlNetTransfer.Tests.Imaging.Augmentation;

[TestClass]
public sealed class ImageAugmenterTests
{
    private static readonly Preprocessing Imagenet = new() { Size = 40, Mean = new(0.485f, 0.456f, 0.406f), Std = new(0.229f, 0.224f, 0.225f) };

    private static readonly AugmentationOptions Mirrored = new() { FlipProbability = 1 };

    [TestMethod]
    [DataRow(Framing.Stretch)]
    [DataRow(Framing.CenterCrop)]
    public void Process_PresetNone_IsThePreprocessorBitForBit(Framing framing)
    {
        Preprocessing preprocessing = Imagenet with { Framing = framing };
        using ImagePreprocessor preprocessor = new(preprocessing);
        using ImageAugmenter augmenter = new(preprocessing, AugmentationOptions.Of(AugmentationPreset.None));
        float[] expected = new float[preprocessing.TensorLength], actual = new float[preprocessing.TensorLength];
        foreach (string name in Fixtures.Good)
        {
            preprocessor.Process(Fixtures.Read(name), expected);
            augmenter.Process(Fixtures.Read(name), new(1, 2, 3), actual);
            CollectionAssert.AreEqual(expected, actual, name);
        }
    }

    /// <summary>The path of the variants itself, against the other one: whole frames held, upright before the resize instead of after it.</summary>
    [TestMethod]
    [DataRow(Framing.Stretch)]
    [DataRow(Framing.CenterCrop)]
    public void Process_MirrorAlone_IsThePreprocessorMirrored(Framing framing)
    {
        Preprocessing preprocessing = new() { Size = 40, Framing = framing, Std = new(1 / 255f, 1 / 255f, 1 / 255f) };
        using ImagePreprocessor preprocessor = new(preprocessing);
        using ImageAugmenter augmenter = new(preprocessing, Mirrored);
        float[] expected = new float[preprocessing.TensorLength], actual = new float[preprocessing.TensorLength];
        foreach (string name in Fixtures.Good)
        {
            preprocessor.Process(Fixtures.Read(name), expected);
            augmenter.Process(Fixtures.Read(name), new(1, 2, 3), actual);
            for (int row = 0; row < expected.Length; row += 40) Array.Reverse(expected, row, 40);
            // One level where the two passes run in the other order (orientations 5 to 8), none elsewhere; 1e-3 for the rounding of the tables.
            double most = name.StartsWith("orientation-", StringComparison.Ordinal) && name[12] >= '5' ? 1.001 : 0;
            Assert.IsLessThanOrEqualTo(most, expected.Zip(actual, (a, b) => (double)Math.Abs(a - b)).Max(), name);
        }
    }
}
