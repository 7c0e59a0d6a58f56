using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Explain;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Tests.Explain;

[TestClass]
public sealed class ExplainTests
{
    /// <summary>By PyTorch in float64, see grad_cam.py; each map divided by its greatest value.</summary>
    private static readonly float[][] Torch =
    [
        [
            0.032996f,
            0.025397f,
            0.019198f,
            0.005448f,
            0.497930f,
            1.000000f,
            0.865197f,
            0.440591f,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ],
        [
            0.203340f,
            0.156508f,
            0.118309f,
            0.033574f,
            0.609546f,
            1.000000f,
            0.713137f,
            0,
            0,
            0,
            0,
            0,
            0,
            0.322266f,
            0.482263f,
            0.559391f,
        ],
        [
            0.219593f,
            0.169018f,
            0.127766f,
            0.036257f,
            0.127491f,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            0.158225f,
            1.000000f,
            0.970417f,
            0.801266f,
        ],
    ];

    [TestMethod]
    [DataRow(0)]
    [DataRow(1)]
    [DataRow(2)]
    public void GradCam_ConvolutionalNetwork_IsThatOfPyTorch(int label)
    {
        OnnxModel model = new GraphBuilder("small")
            .Input("image", ["N", 3, 8, 8])
            .Initializer("w1", Numbers(108, 0), 4, 3, 3, 3)
            .Node("Conv", ["image", "w1"], ["c1"], Attributes.Of("pads", [1, 1, 1, 1]))
            .Node("Relu", ["c1"], ["r1"])
            .Initializer("w2", Numbers(180, 1), 5, 4, 3, 3)
            .Node("Conv", ["r1", "w2"], ["c2"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2]))
            .Node("Relu", ["c2"], ["r2"])
            .Node("GlobalAveragePool", ["r2"], ["pool"])
            .Node("Flatten", ["pool"], ["row"])
            .Initializer("fc", Numbers(15, 2), 5, 3)
            .Node("MatMul", ["row", "fc"], ["logits"])
            .Node("Softmax", ["logits"], ["probabilities"], Attributes.Of("axis", 1))
            .Output("probabilities", ["N", 3])
            .Build();
        using var gradCam = new GradCam(model, 3);
        float[] image = [.. Enumerable.Range(0, 192).Select(i => (float)Math.Cos(0.1 * i))];
        Heatmap map = Explained(gradCam, image, 8, label);
        Assert.AreEqual((4, 4), (map.Rows, map.Columns));
        // float32 sums of at most 36 products of numbers up to 5 against float64: relative 1e-5.
        AreClose(Torch[label], map.Values.ToArray(), 2e-5f);
    }

    /// <summary>
    /// A head on two taps: what the first map adds on its own way to the head counts, what it adds through the second
    /// map is counted there. Weights are chosen so that the sum is known: w1·A1 + w2·A2 with A2 = 2·A1.
    /// </summary>
    [TestMethod]
    public void GradCam_TwoTaps_IsTheSumOfWhatEachAdds()
    {
        OnnxModel model = new GraphBuilder("taps")
            .Input("image", ["N", 1, 4, 4])
            .Initializer("one", [1f], 1, 1, 1, 1)
            .Node("Conv", ["image", "one"], ["a1"])
            .Initializer("two", [2f], 1, 1, 1, 1)
            .Node("Conv", ["a1", "two"], ["a2"])
            .Node("GlobalAveragePool", ["a1"], ["p1"])
            .Node("GlobalAveragePool", ["a2"], ["p2"])
            .Node("Concat", ["p1", "p2"], ["both"], Attributes.Of("axis", 1))
            .Node("Flatten", ["both"], ["row"])
            .Initializer("fc", [3f, -1f, -1f, 4f], 2, 2)
            .Node("MatMul", ["row", "fc"], ["logits"])
            .Node("Softmax", ["logits"], ["probabilities"], Attributes.Of("axis", 1))
            .Output("probabilities", ["N", 2])
            .Build();
        using var gradCam = new GradCam(model, 2);
        float[] image = [.. Enumerable.Range(0, 16).Select(i => i / 15f)];
        // Class 0: 3·x - 1·2x = x; class 1: -1·x + 4·2x = 7x. Both have the shape of x, which rises.
        AreClose(image, Explained(gradCam, image, 4, 0).Values.ToArray(), 1e-6f);
        AreClose(image, Explained(gradCam, image, 4, 1).Values.ToArray(), 1e-6f);
    }

    [TestMethod]
    public void GradCam_Attention_IsRefusedByName()
    {
        OnnxModel model = new GraphBuilder("attention")
            .Input("image", ["N", 1, 4, 4])
            .Node("Softmax", ["image"], ["weights"], Attributes.Of("axis", 3))
            .Node("GlobalAveragePool", ["weights"], ["pool"])
            .Node("Flatten", ["pool"], ["row"])
            .Initializer("fc", [3f, -1f], 1, 2)
            .Node("MatMul", ["row", "fc"], ["logits"])
            .Node("Softmax", ["logits"], ["probabilities"], Attributes.Of("axis", 1))
            .Output("probabilities", ["N", 2])
            .Build();
        GraphException e = Assert.ThrowsExactly<GraphException>(() => new GradCam(model, 2).Dispose());
        StringAssert.Contains(e.Message, "attention");
    }

    /// <summary>A network that sees its upper left quarter alone: only places there speak for the class.</summary>
    [TestMethod]
    public void Occlusion_NetworkOfOneCorner_FindsTheCorner()
    {
        const int side = 16;
        float[] corner = new float[side * side];
        for (int y = 0; y < side / 2; y++)
            Array.Fill(corner, 1, y * side, side / 2);
        OnnxModel model = new GraphBuilder("corner")
            .Input("image", ["N", 3, side, side])
            .Initializer("mask", corner, 1, 1, side, side)
            .Node("Mul", ["image", "mask"], ["seen"])
            .Node("GlobalAveragePool", ["seen"], ["pool"])
            .Node("Flatten", ["pool"], ["row"])
            .Initializer("fc", [4f, 0, 4, 0, 4, 0], 3, 2)
            .Node("MatMul", ["row", "fc"], ["logits"])
            .Node("Softmax", ["logits"], ["probabilities"], Attributes.Of("axis", 1))
            .Output("probabilities", ["N", 2])
            .Build();
        using var graph = new ItemGraph(model.ToBytes(), "probabilities", new Preprocessing { Size = side });
        using var occlusion = new Occlusion(graph);
        occlusion.Target.Tensor<float>(0).Fill(1);
        Heatmap map = occlusion.Explain(0, 1 / (1 + Math.Exp(-3)), CancellationToken.None);
        for (int y = 0; y < Occlusion.Cells; y++)
        for (int x = 0; x < Occlusion.Cells; x++)
        {
            float value = map.Values.Span[(y * Occlusion.Cells) + x];
            // A square that covers the cell beside the corner reaches into it by a cell.
            bool near = x <= Occlusion.Cells / 2 && y <= Occlusion.Cells / 2;
            Assert.AreEqual(near, value > 0, $"{x}, {y}: {value}");
        }

        Assert.AreEqual(1, map.Values.Span[0], "well inside the corner");
    }

    /// <summary>Of an image that is cut, the evidence lies over the part that was seen; the rest is darkened.</summary>
    [TestMethod]
    public void Over_CentreCrop_LeavesTheEndsDark()
    {
        var map = new Heatmap(1, 2, [0, 1]);
        var white = new byte[3 * 8 * 4];
        Array.Fill(white, (byte)255);
        RgbImage made = map.Over(
            new RgbImage(8, 4, white),
            new Preprocessing { Size = 32, Framing = Framing.CenterCrop }
        );
        byte[] row = made.Pixels[..(3 * 8)].ToArray();
        Assert.AreEqual(85, row[0], "outside: a third of 255");
        Assert.AreEqual(85, row[^1]);
        Assert.AreEqual(255, row[3 * 2], "left of the crop: no evidence, the grey stays");
        Assert.IsLessThan(160, row[(3 * 5) + 1], "right of the crop: evidence");
    }

    [TestMethod]
    public void Heatmap_NothingSpeaksForTheClass_IsZeroThroughout() =>
        CollectionAssert.AreEqual(new float[4], new Heatmap(2, 2, [-1, -2, 0, -3]).Values.ToArray());

    private static Heatmap Explained(GradCam gradCam, float[] image, int side, int label)
    {
        using OrtValue value = OrtValue.CreateTensorValueFromMemory(
            image,
            [1, image.Length / (side * side), side, side]
        );
        return gradCam.Explain(new Dictionary<string, OrtValue> { ["image"] = value }, label).Map;
    }

    private static float[] Numbers(int count, double phase) =>
        [.. Enumerable.Range(0, count).Select(i => (float)Math.Sin((0.37 * i) + phase))];

    private static void AreClose(float[] expected, float[] found, float tolerance)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < expected.Length; i++)
            Assert.AreEqual(expected[i], found[i], tolerance, $"cell {i}");
    }
}
