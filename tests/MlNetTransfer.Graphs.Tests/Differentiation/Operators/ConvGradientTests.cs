using static MlNetTransfer.Graphs.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Graphs.Tests.Differentiation.Operators;

[TestClass]
public sealed class ConvGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() => GradientCheck.AgainstTorch(
        Node("1x1", "Conv", "F.conv2d(x, w, b)", ["x:2,5,4,6", "w:7,5,1,1", "b:7"]),
        Node("1x1 stride 2", "Conv", "F.conv2d(x, w, stride=2)", ["x:2,5,7,6", "w:7,5,1,1"], Attributes.Of("strides", [2, 2])),
        Node("3x3", "Conv", "F.conv2d(x, w, b, padding=1)", ["x:2,6,9,8", "w:4,6,3,3", "b:4"], Attributes.Of("pads", [1, 1, 1, 1])),
        Node("3x3 stride 2, odd", "Conv", "F.conv2d(x, w, b, stride=2, padding=1)", ["x:2,6,9,9", "w:4,6,3,3", "b:4"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2])),
        Node("3x3 stride 2, even", "Conv", "F.conv2d(x, w, b, stride=2, padding=1)", ["x:2,6,8,8", "w:4,6,3,3", "b:4"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2])),
        Node("5x3 stride 3x2, dilated", "Conv", "F.conv2d(x, w, stride=(3, 2), padding=(2, 1), dilation=(1, 2))", ["x:2,3,14,13", "w:4,3,5,3"], Attributes.Of("pads", [2, 1, 2, 1]), Attributes.Of("strides", [3, 2]), Attributes.Of("dilations", [1, 2])),
        Node("dilated 2", "Conv", "F.conv2d(x, w, padding=2, dilation=2)", ["x:2,3,9,9", "w:4,3,3,3"], Attributes.Of("pads", [2, 2, 2, 2]), Attributes.Of("dilations", [2, 2])),
        Node("pads wider than the kernel", "Conv", "F.conv2d(x, w, padding=2)", ["x:2,3,5,5", "w:4,3,2,2"], Attributes.Of("pads", [2, 2, 2, 2])),
        Node("same upper, stride 2", "Conv", "F.conv2d(F.pad(x, (0, 1, 0, 1)), w, stride=2)", ["x:2,3,8,8", "w:4,3,3,3"], Attributes.Of("auto_pad", "SAME_UPPER"), Attributes.Of("strides", [2, 2])),
        Node("same lower, stride 2", "Conv", "F.conv2d(F.pad(x, (1, 0, 1, 0)), w, stride=2)", ["x:2,3,8,8", "w:4,3,3,3"], Attributes.Of("auto_pad", "SAME_LOWER"), Attributes.Of("strides", [2, 2])),
        Node("valid", "Conv", "F.conv2d(x, w)", ["x:2,3,8,8", "w:4,3,3,3"], Attributes.Of("auto_pad", "VALID")),
        Node("asymmetric pads, stride 2", "Conv", "F.conv2d(F.pad(x, (0, 1, 2, 0)), w, stride=2)", ["x:2,3,9,10", "w:4,3,3,3"], Attributes.Of("pads", [2, 0, 0, 1]), Attributes.Of("strides", [2, 2])),
        Node("7x7 stride 2, 3 channels", "Conv", "F.conv2d(x, w, stride=2, padding=3)", ["x:2,3,16,16", "w:8,3,7,7"], Attributes.Of("pads", [3, 3, 3, 3]), Attributes.Of("strides", [2, 2])),
        Node("stride larger than the kernel", "Conv", "F.conv2d(x, w, stride=4)", ["x:2,3,15,15", "w:8,3,2,2"], Attributes.Of("strides", [4, 4])),
        Node("grouped", "Conv", "F.conv2d(x, w, b, padding=1, groups=3)", ["x:2,6,7,7", "w:9,2,3,3", "b:9"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("group", 3)),
        Node("grouped stride 2", "Conv", "F.conv2d(x, w, b, padding=1, stride=2, groups=2)", ["x:2,6,7,7", "w:8,3,3,3", "b:8"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2]), Attributes.Of("group", 2)),
        Node("depthwise", "Conv", "F.conv2d(x, w, b, padding=1, groups=6)", ["x:2,6,7,9", "w:6,1,3,3", "b:6"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("group", 6)),
        Node("depthwise stride 2", "Conv", "F.conv2d(x, w, b, padding=1, stride=2, groups=6)", ["x:2,6,8,8", "w:6,1,3,3", "b:6"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2]), Attributes.Of("group", 6)),
        Node("depthwise with multiplier", "Conv", "F.conv2d(x, w, padding=2, groups=3)", ["x:2,3,8,8", "w:6,1,5,5"], Attributes.Of("pads", [2, 2, 2, 2]), Attributes.Of("group", 3)),
        Node("3x2 on a small map, dilated", "Conv", "F.conv2d(F.pad(x, (1, 0, 1, 2)), w, dilation=(2, 1))", ["x:3,5,7,6", "w:6,5,3,2"], Attributes.Of("pads", [1, 1, 2, 0]), Attributes.Of("dilations", [2, 1])),
        Node("1x1 on a small map", "Conv", "F.conv2d(x, w)", ["x:3,5,7,7", "w:6,5,1,1"]),
        Node("1x1 on a larger map", "Conv", "F.conv2d(x, w)", ["x:3,5,9,8", "w:6,5,1,1"]),
        Node("3x3 on a large map", "Conv", "F.conv2d(x, w, padding=1)", ["x:2,5,28,30", "w:6,5,3,3"], Attributes.Of("pads", [1, 1, 1, 1])) with { Differences = false },
        Node("5x3 on a large map, dilated, asymmetric pads", "Conv", "F.conv2d(F.pad(x, (2, 1, 0, 3)), w, dilation=(1, 3))", ["x:2,5,31,33", "w:6,5,5,3"], Attributes.Of("pads", [0, 2, 3, 1]), Attributes.Of("dilations", [1, 3])) with { Differences = false },
        Node("3x3 stride 2 on a large map", "Conv", "F.conv2d(x, w, padding=1, stride=2)", ["x:2,5,57,56", "w:6,5,3,3"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2])) with { Differences = false },
        Node("valid on a large map", "Conv", "F.conv2d(x, w)", ["x:2,5,30,30", "w:6,5,3,3"]) with { Differences = false },
        Node("depthwise on a large map", "Conv", "F.conv2d(x, w, padding=1, groups=6)", ["x:2,6,28,30", "w:6,1,3,3"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("group", 6)) with { Differences = false },
        Node("depthwise stride 2 on a large map", "Conv", "F.conv2d(x, w, padding=1, stride=2, groups=6)", ["x:2,6,56,57", "w:6,1,3,3"], Attributes.Of("pads", [1, 1, 1, 1]), Attributes.Of("strides", [2, 2]), Attributes.Of("group", 6)) with { Differences = false },
        Node("depthwise 5x5, stride 2x3, dilated", "Conv", "F.conv2d(x, w, padding=(2, 3), stride=(2, 3), dilation=(1, 2), groups=4)", ["x:2,4,41,29", "w:4,1,5,5"], Attributes.Of("pads", [2, 3, 2, 3]), Attributes.Of("strides", [2, 3]), Attributes.Of("dilations", [1, 2]), Attributes.Of("group", 4)) with { Differences = false },
        Node("depthwise on 17 rows", "Conv", "F.conv2d(F.pad(x, (0, 1, 0, 1)), w, stride=2, groups=4)", ["x:2,4,34,6", "w:4,1,3,3"], Attributes.Of("auto_pad", "SAME_UPPER"), Attributes.Of("strides", [2, 2]), Attributes.Of("group", 4)),
        Node("one axis", "Conv", "F.conv1d(x, w, b, padding=1)", ["x:2,3,11", "w:4,3,3", "b:4"], Attributes.Of("pads", [1, 1])),
        Node("one axis, stride 2, dilated", "Conv", "F.conv1d(x, w, padding=2, stride=2, dilation=2)", ["x:2,3,12", "w:4,3,3"], Attributes.Of("pads", [2, 2]), Attributes.Of("strides", [2]), Attributes.Of("dilations", [2])));
}
