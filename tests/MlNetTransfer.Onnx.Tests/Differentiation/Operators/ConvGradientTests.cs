using MlNetTransfer.Onnx.Differentiation.Convolution;
using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

[TestClass]
public sealed class ConvGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch(
            Node("1x1", "Conv", "F.conv2d(x, w, b)", ["x:2,5,4,6", "w:7,5,1,1", "b:7"]),
            Node(
                "1x1 stride 2",
                "Conv",
                "F.conv2d(x, w, stride=2)",
                ["x:2,5,7,6", "w:7,5,1,1"],
                Attributes.Of("strides", [2, 2])
            ),
            Node(
                "3x3",
                "Conv",
                "F.conv2d(x, w, b, padding=1)",
                ["x:2,6,9,8", "w:4,6,3,3", "b:4"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ),
            Node(
                "3x3 stride 2, odd",
                "Conv",
                "F.conv2d(x, w, b, stride=2, padding=1)",
                ["x:2,6,9,9", "w:4,6,3,3", "b:4"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("strides", [2, 2])
            ),
            Node(
                "3x3 stride 2, even",
                "Conv",
                "F.conv2d(x, w, b, stride=2, padding=1)",
                ["x:2,6,8,8", "w:4,6,3,3", "b:4"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("strides", [2, 2])
            ),
            Node(
                "5x3 stride 3x2, dilated",
                "Conv",
                "F.conv2d(x, w, stride=(3, 2), padding=(2, 1), dilation=(1, 2))",
                ["x:2,3,14,13", "w:4,3,5,3"],
                Attributes.Of("pads", [2, 1, 2, 1]),
                Attributes.Of("strides", [3, 2]),
                Attributes.Of("dilations", [1, 2])
            ),
            Node(
                "dilated 2",
                "Conv",
                "F.conv2d(x, w, padding=2, dilation=2)",
                ["x:2,3,9,9", "w:4,3,3,3"],
                Attributes.Of("pads", [2, 2, 2, 2]),
                Attributes.Of("dilations", [2, 2])
            ),
            Node(
                "pads wider than the kernel",
                "Conv",
                "F.conv2d(x, w, padding=2)",
                ["x:2,3,5,5", "w:4,3,2,2"],
                Attributes.Of("pads", [2, 2, 2, 2])
            ),
            Node(
                "same upper, stride 2",
                "Conv",
                "F.conv2d(F.pad(x, (0, 1, 0, 1)), w, stride=2)",
                ["x:2,3,8,8", "w:4,3,3,3"],
                Attributes.Of("auto_pad", "SAME_UPPER"),
                Attributes.Of("strides", [2, 2])
            ),
            Node(
                "same lower, stride 2",
                "Conv",
                "F.conv2d(F.pad(x, (1, 0, 1, 0)), w, stride=2)",
                ["x:2,3,8,8", "w:4,3,3,3"],
                Attributes.Of("auto_pad", "SAME_LOWER"),
                Attributes.Of("strides", [2, 2])
            ),
            Node("valid", "Conv", "F.conv2d(x, w)", ["x:2,3,8,8", "w:4,3,3,3"], Attributes.Of("auto_pad", "VALID")),
            Node(
                "asymmetric pads, stride 2",
                "Conv",
                "F.conv2d(F.pad(x, (0, 1, 2, 0)), w, stride=2)",
                ["x:2,3,9,10", "w:4,3,3,3"],
                Attributes.Of("pads", [2, 0, 0, 1]),
                Attributes.Of("strides", [2, 2])
            ),
            Node(
                "7x7 stride 2, 3 channels",
                "Conv",
                "F.conv2d(x, w, stride=2, padding=3)",
                ["x:2,3,16,16", "w:8,3,7,7"],
                Attributes.Of("pads", [3, 3, 3, 3]),
                Attributes.Of("strides", [2, 2])
            ),
            Node(
                "stride larger than the kernel",
                "Conv",
                "F.conv2d(x, w, stride=4)",
                ["x:2,3,15,15", "w:8,3,2,2"],
                Attributes.Of("strides", [4, 4])
            ),
            Node(
                "grouped",
                "Conv",
                "F.conv2d(x, w, b, padding=1, groups=3)",
                ["x:2,6,7,7", "w:9,2,3,3", "b:9"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("group", 3)
            ),
            Node(
                "grouped stride 2",
                "Conv",
                "F.conv2d(x, w, b, padding=1, stride=2, groups=2)",
                ["x:2,6,7,7", "w:8,3,3,3", "b:8"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("group", 2)
            ),
            Node(
                "depthwise",
                "Conv",
                "F.conv2d(x, w, b, padding=1, groups=6)",
                ["x:2,6,7,9", "w:6,1,3,3", "b:6"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("group", 6)
            ),
            Node(
                "depthwise stride 2",
                "Conv",
                "F.conv2d(x, w, b, padding=1, stride=2, groups=6)",
                ["x:2,6,8,8", "w:6,1,3,3", "b:6"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("group", 6)
            ),
            Node(
                "depthwise with multiplier",
                "Conv",
                "F.conv2d(x, w, padding=2, groups=3)",
                ["x:2,3,8,8", "w:6,1,5,5"],
                Attributes.Of("pads", [2, 2, 2, 2]),
                Attributes.Of("group", 3)
            ),
            Node(
                "3x2 on a small map, dilated",
                "Conv",
                "F.conv2d(F.pad(x, (1, 0, 1, 2)), w, dilation=(2, 1))",
                ["x:3,5,7,6", "w:6,5,3,2"],
                Attributes.Of("pads", [1, 1, 2, 0]),
                Attributes.Of("dilations", [2, 1])
            ),
            Node("1x1 on a small map", "Conv", "F.conv2d(x, w)", ["x:3,5,7,7", "w:6,5,1,1"]),
            Node("1x1 on a larger map", "Conv", "F.conv2d(x, w)", ["x:3,5,9,8", "w:6,5,1,1"]),
            Node(
                "3x3 on a large map",
                "Conv",
                "F.conv2d(x, w, padding=1)",
                ["x:2,5,28,30", "w:6,5,3,3"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ) with
            {
                Differences = false,
            },
            Node(
                "5x3 on a large map, dilated, asymmetric pads",
                "Conv",
                "F.conv2d(F.pad(x, (2, 1, 0, 3)), w, dilation=(1, 3))",
                ["x:2,5,31,33", "w:6,5,5,3"],
                Attributes.Of("pads", [0, 2, 3, 1]),
                Attributes.Of("dilations", [1, 3])
            ) with
            {
                Differences = false,
            },
            Node(
                "3x3 stride 2 on a large map",
                "Conv",
                "F.conv2d(x, w, padding=1, stride=2)",
                ["x:2,5,57,56", "w:6,5,3,3"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("strides", [2, 2])
            ) with
            {
                Differences = false,
            },
            Node("valid on a large map", "Conv", "F.conv2d(x, w)", ["x:2,5,30,30", "w:6,5,3,3"]) with
            {
                Differences = false,
            },
            Node(
                "depthwise on a large map",
                "Conv",
                "F.conv2d(x, w, padding=1, groups=6)",
                ["x:2,6,28,30", "w:6,1,3,3"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("group", 6)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise stride 2 on a large map",
                "Conv",
                "F.conv2d(x, w, padding=1, stride=2, groups=6)",
                ["x:2,6,56,57", "w:6,1,3,3"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("group", 6)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise 5x5, stride 2x3, dilated",
                "Conv",
                "F.conv2d(x, w, padding=(2, 3), stride=(2, 3), dilation=(1, 2), groups=4)",
                ["x:2,4,41,29", "w:4,1,5,5"],
                Attributes.Of("pads", [2, 3, 2, 3]),
                Attributes.Of("strides", [2, 3]),
                Attributes.Of("dilations", [1, 2]),
                Attributes.Of("group", 4)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise on wide rows",
                "Conv",
                "F.conv2d(x, w, padding=1, groups=6)",
                ["x:2,6,28,40", "w:6,1,3,3"],
                Attributes.Of("pads", [1, 1, 1, 1]),
                Attributes.Of("group", 6)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise 3x5 on wide rows, dilated, asymmetric pads",
                "Conv",
                "F.conv2d(F.pad(x, (3, 6, 0, 2)), w, dilation=(2, 1), groups=4)",
                ["x:2,4,31,35", "w:4,1,3,5"],
                Attributes.Of("pads", [0, 3, 2, 6]),
                Attributes.Of("dilations", [2, 1]),
                Attributes.Of("group", 4)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise 7x7, without pads",
                "Conv",
                "F.conv2d(x, w, groups=4)",
                ["x:2,4,34,33", "w:4,1,7,7"],
                Attributes.Of("group", 4)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise 21x1, taller than a block",
                "Conv",
                "F.conv2d(x, w, padding=(10, 0), groups=4)",
                ["x:2,4,24,5", "w:4,1,21,1"],
                Attributes.Of("pads", [10, 0, 10, 0]),
                Attributes.Of("group", 4)
            ) with
            {
                Differences = false,
            },
            Node(
                "depthwise on 17 rows",
                "Conv",
                "F.conv2d(F.pad(x, (0, 1, 0, 1)), w, stride=2, groups=4)",
                ["x:2,4,34,6", "w:4,1,3,3"],
                Attributes.Of("auto_pad", "SAME_UPPER"),
                Attributes.Of("strides", [2, 2]),
                Attributes.Of("group", 4)
            ),
            Node(
                "by tiles, whole",
                "Conv",
                "F.conv2d(x, w, b, padding=1)",
                ["x:8,48,8,12", "w:40,48,3,3", "b:40"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ) with
            {
                Differences = false,
            },
            Node(
                "by tiles, cut",
                "Conv",
                "F.conv2d(x, w, b, padding=1)",
                ["x:8,48,7,14", "w:40,48,3,3", "b:40"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ) with
            {
                Differences = false,
            },
            Node("by tiles, without pads and bias", "Conv", "F.conv2d(x, w)", ["x:8,48,9,17", "w:40,48,3,3"]) with
            {
                Differences = false,
            },
            Node(
                "by tiles, asymmetric pads",
                "Conv",
                "F.conv2d(F.pad(x, (3, 2, 0, 1)), w, b)",
                ["x:8,48,9,7", "w:40,48,3,3", "b:40"],
                Attributes.Of("pads", [0, 3, 1, 2])
            ) with
            {
                Differences = false,
            },
            Node(
                "by tiles, more filters than tiles",
                "Conv",
                "F.conv2d(x, w, b, padding=1)",
                ["x:8,48,8,8", "w:40,48,3,3", "b:40"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ) with
            {
                Differences = false,
            },
            Node(
                "by tiles, the kernel alone",
                "Conv",
                "F.conv2d(x, w, b, padding=1)",
                ["x:8,48,8,8", "w:40,48,3,3", "b:40"],
                Attributes.Of("pads", [1, 1, 1, 1])
            ) with
            {
                Differences = false,
                Wanted = ["w"],
            },
            Node(
                "one axis",
                "Conv",
                "F.conv1d(x, w, b, padding=1)",
                ["x:2,3,11", "w:4,3,3", "b:4"],
                Attributes.Of("pads", [1, 1])
            ),
            Node(
                "one axis, stride 2, dilated",
                "Conv",
                "F.conv1d(x, w, padding=2, stride=2, dilation=2)",
                ["x:2,3,12", "w:4,3,3"],
                Attributes.Of("pads", [2, 2]),
                Attributes.Of("strides", [2]),
                Attributes.Of("dilations", [2])
            )
        );

    /// <summary>The sizes of the cases above are such that the tiles pay; their code is reached only so.</summary>
    [TestMethod]
    [DataRow(512, 512, 7, 16, true, "small maps, many channels")]
    [DataRow(128, 128, 28, 16, true, "middle")]
    [DataRow(64, 64, 56, 16, false, "large maps, few channels: the maps along the axes cost too much")]
    [DataRow(512, 512, 7, 1, false, "one image: the kernel's maps cost too much")]
    [DataRow(40, 48, 8, 8, true, "the cases above")]
    [DataRow(4, 4, 7, 16, false, "few channels")]
    public void Pays_BySize_AsMeasured(int filters, int channels, int size, int batch, bool expected, string what)
    {
        ConvGeometry geometry = new(
            batch,
            channels,
            filters,
            1,
            [size, size],
            [size, size],
            [3, 3],
            [1, 1],
            [1, 1],
            [1, 1],
            [1, 1]
        );
        Assert.AreEqual(expected, WinogradConvolution.Pays(geometry), what);
    }

    [TestMethod]
    [DataRow(new long[] { 3, 3 }, new long[] { 2, 1 }, new long[] { 1, 1 }, 1, DisplayName = "stride")]
    [DataRow(new long[] { 3, 3 }, new long[] { 1, 1 }, new long[] { 1, 2 }, 1, DisplayName = "dilation")]
    [DataRow(new long[] { 3, 1 }, new long[] { 1, 1 }, new long[] { 1, 1 }, 1, DisplayName = "taps")]
    [DataRow(new long[] { 3, 3 }, new long[] { 1, 1 }, new long[] { 1, 1 }, 2, DisplayName = "groups")]
    public void Fits_OtherForms_DoNot(long[] kernel, long[] strides, long[] dilations, int groups) =>
        Assert.IsFalse(
            WinogradConvolution.Fits(
                new ConvGeometry(8, 48, 48, groups, [9, 9], [9, 9], kernel, strides, dilations, [1, 1], [1, 1])
            )
        );

    /// <summary>
    /// The convolution of polynomials: evaluating at enough points, multiplying and interpolating gives every output
    /// exactly.
    /// </summary>
    [TestMethod]
    public void WinogradPoints_AnyInputAndKernel_GiveTheConvolution()
    {
        double[] x = [0.3, -1.2, 2.5, 0.7, -0.4, 1.9],
            w = [0.8, -0.5, 1.7];
        for (int i = 0; i < WinogradPoints.Tile; i++)
        {
            double sum = Enumerable
                .Range(0, WinogradPoints.Count)
                .Sum(p =>
                    WinogradPoints.Output[p, i]
                    * Enumerable.Range(0, 6).Sum(j => WinogradPoints.Input[p, j] * x[j])
                    * Enumerable.Range(0, 3).Sum(k => WinogradPoints.Kernel[p, k] * w[k])
                );
            Assert.AreEqual(x[i] * w[0] + x[i + 1] * w[1] + x[i + 2] * w[2], sum, 1e-12, $"output {i}");
        }
    }
}
