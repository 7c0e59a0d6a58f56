using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Tests.Models.Exports;

/// <summary>Oracle: the product's own preprocessing, which is bit for bit Pillow's.</summary>
[TestClass]
public sealed class PixelsGraphTests
{
    private static readonly Preprocessing Normalised = new()
    {
        Size = 32,
        Mean = new(0.485f, 0.456f, 0.406f),
        Std = new(0.229f, 0.224f, 0.225f),
    };

    [TestMethod]
    [DataRow(Framing.Stretch, Interpolation.Bilinear)]
    [DataRow(Framing.Stretch, Interpolation.Bicubic)]
    [DataRow(Framing.CenterCrop, Interpolation.Bilinear)]
    [DataRow(Framing.CenterCrop, Interpolation.Bicubic)]
    [DataRow(Framing.ResizeCrop, Interpolation.Bilinear)]
    [DataRow(Framing.ResizeCrop, Interpolation.Bicubic)]
    [DataRow(Framing.Stretch, Interpolation.Nearest)]
    [DataRow(Framing.Stretch, Interpolation.Bilinear, 24)]
    [DataRow(Framing.CenterCrop, Interpolation.Bilinear, 47)]
    [DataRow(Framing.ResizeCrop, Interpolation.Bilinear, 24)]
    [DataRow(Framing.ResizeCrop, Interpolation.Bilinear, 47)]
    public void Build_AnyShape_IsThePreprocessing(Framing framing, Interpolation interpolation, int width = 32)
    {
        Preprocessing preprocessing = Normalised with
        {
            Framing = framing,
            Interpolation = interpolation,
            Width = width,
        };
        using InferenceSession session = Open(preprocessing);
        using var reference = new ImagePreprocessor(preprocessing);
        int samples = 0,
            other = 0;
        foreach ((int across, int height) in new[] { (32, 32), (65, 40), (33, 100), (128, 128), (17, 9), (301, 200) })
        {
            (byte[] file, byte[] rgb) = TinyClassifier.Noise(across, height, across);
            var expected = new float[preprocessing.TensorLength];
            reference.Process(file, expected);
            float[] found = Run(session, rgb, 1, across, height);
            for (int i = 0; i < expected.Length; i++)
            {
                double levels =
                    Math.Abs(expected[i] - found[i])
                    * 255
                    * (i / (32 * width)) switch
                    {
                        0 => 0.229,
                        1 => 0.224,
                        _ => 0.225,
                    };
                Assert.IsLessThan(
                    2.01,
                    levels,
                    $"{across} x {height}: the weights are float32, the product's double, so that a sample near one "
                        + $"half is rounded the other way, once per pass"
                );
                if (levels > 0.01)
                    other++;
                samples++;
            }

            if ((across, height) == (width, 32) && framing != Framing.ResizeCrop)
                CollectionAssert.AreEqual(expected, found, "nothing to resize");
        }

        // Noise has as many samples near one half as an image can have; only ties differ.
        Assert.IsLessThan(0.03, (double)other / samples);
    }

    [TestMethod]
    public void Build_Batch_GivesWhatEachImageGives()
    {
        using InferenceSession session = Open(Normalised with { Framing = Framing.CenterCrop });
        byte[] one = TinyClassifier.Noise(50, 70, 1).Rgb,
            two = TinyClassifier.Noise(50, 70, 2).Rgb;
        CollectionAssert.AreEqual(
            (float[])[.. Run(session, one, 1, 50, 70), .. Run(session, two, 1, 50, 70)],
            Run(session, [.. one, .. two], 2, 50, 70)
        );
    }

    [TestMethod]
    public void Build_FilterThatOnnxHasNot_IsRefusedByName() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => Open(Normalised with { Interpolation = Interpolation.Lanczos }))
                .Message,
            "Lanczos"
        );

    [TestMethod]
    public void Build_NoMeanNoStd_HasNoStepsForThem()
    {
        OnnxModel model = PixelsGraph.Build(Input(new Preprocessing { Size = 32 }), new Preprocessing { Size = 32 });
        Assert.AreEqual(0, model.Nodes.Count(n => n.OpType == "Sub"));
        Assert.AreEqual(1, model.Nodes.Count(n => n.OpType == "Div"));
        Assert.AreEqual("Uint8 [N, H, W, 3]", model.DeclaredShape(PixelsGraph.Input)!.ToString());
    }

    private static OnnxModel Input(Preprocessing preprocessing) =>
        new GraphBuilder()
            .Input("image", ["N", 3, preprocessing.Shape.Height, preprocessing.Shape.Width])
            .Node("Identity", ["image"], ["y"])
            .Output("y", ["N", 3, preprocessing.Shape.Height, preprocessing.Shape.Width])
            .Build(18);

    private static InferenceSession Open(Preprocessing preprocessing) =>
        new(PixelsGraph.Build(Input(preprocessing), preprocessing).ToBytes());

    private static float[] Run(InferenceSession session, byte[] rgb, int count, int width, int height)
    {
        using OrtValue pixels = OrtValue.CreateTensorValueFromMemory(rgb, [count, height, width, 3]);
        using RunOptions run = new();
        using IDisposableReadOnlyCollection<OrtValue> result = session.Run(
            run,
            new Dictionary<string, OrtValue> { [PixelsGraph.Input] = pixels },
            ["y"]
        );
        return result[0].GetTensorDataAsSpan<float>().ToArray();
    }
}
