using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Graphs.Tests.Differentiation;

/// <summary>Gradients of all parameters of whole networks, as torch.onnx exports them at operator sets 13 to 17, against PyTorch in float64. The benchmark "gradients" has the large ones.</summary>
[TestClass]
public sealed class NetworkGradientTests
{
    private static readonly (string Name, string Module, int[] Shape, int Opset)[] Networks =
    [
        ("mobilenet_v3_small", "M.mobilenet_v3_small()", [2, 3, 64, 64], 13),
        ("shufflenet_v2_x0_5", "M.shufflenet_v2_x0_5(num_classes=10)", [2, 3, 64, 64], 14),
        ("squeezenet1_1", "M.squeezenet1_1(num_classes=10)", [2, 3, 64, 64], 15),
        ("efficientnet_b0", "M.efficientnet_b0(num_classes=10)", [1, 3, 64, 64], 16),
        ("densenet", "M.DenseNet(8, (2, 2), 16, num_classes=10)", [2, 3, 64, 64], 16),
        ("convnext", "M.ConvNeXt([M.convnext.CNBlockConfig(16, 32, 1), M.convnext.CNBlockConfig(32, None, 1)], num_classes=10)", [2, 3, 32, 32], 13),
        ("vit_block", "M.vision_transformer.EncoderBlock(4, 32, 64, 0.0, 0.0)", [2, 17, 32], 17),
        ("vit", "M.VisionTransformer(16, 8, 1, 2, 16, 32, num_classes=10)", [2, 3, 16, 16], 14),
        ("many_operators", "Many()", [2, 3, 10, 12], 17),
    ];

    /// <summary>PyTorch's own float32 gradients are off by up to 1e-5 here; 1e-3 leaves room for a sign of ReLU that rounding turns.</summary>
    [TestMethod]
    public void VectorJacobianProduct_ExportedNetworks_AsPyTorch()
    {
        Python.Require("torch", "torchvision", "onnx");
        using TempFolder folder = new();
        Python.Run(NetworkGradients.Script, folder.Path, JsonSerializer.Serialize(Networks.Select(n => new object[] { n.Name, n.Module, n.Shape, n.Opset })));
        NetworkComparison[] wrong = [.. Networks.Select(n => NetworkGradients.Compare(folder.Path, n.Name)).Where(c => !(c.Error < 1e-3))];
        Assert.AreEqual("", string.Join('\n', wrong.Select(c => FormattableString.Invariant($"{c.Name}: {c.Worst} is off by {c.Error:g3} of its largest gradient; PyTorch in float32 by {c.PeerError:g3}"))));
    }
}
