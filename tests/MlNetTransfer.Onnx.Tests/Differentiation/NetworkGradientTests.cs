using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Differentiation;

/// <summary>
/// Gradients of all parameters of whole networks, as torch.onnx exports them at operator sets 13 to 17, against PyTorch
/// in float64. The benchmark "gradients" has the large ones.
/// </summary>
[TestClass]
public sealed class NetworkGradientTests
{
    /// <summary>
    /// Relative to the largest gradient of a tensor. PyTorch's own float32 gradients are off by up to 1e-5 here.
    /// </summary>
    private const double Allowed = 1e-4;

    private static readonly (string Name, string Module, int[] Shape, int Opset, bool Keep)[] Networks =
    [
        ("mobilenet_v3_small", "M.mobilenet_v3_small()", [2, 3, 64, 64], 13, true),
        ("shufflenet_v2_x0_5", "M.shufflenet_v2_x0_5(num_classes=10)", [2, 3, 64, 64], 14, true),
        ("squeezenet1_1", "M.squeezenet1_1(num_classes=10)", [2, 3, 64, 64], 15, true),
        ("efficientnet_b0", "M.efficientnet_b0(num_classes=10)", [1, 3, 64, 64], 16, true),
        ("densenet", "M.DenseNet(8, (2, 2), 16, num_classes=10)", [2, 3, 64, 64], 16, true),
        (
            "convnext",
            "M.ConvNeXt([M.convnext.CNBlockConfig(16, 32, 1), M.convnext.CNBlockConfig(32, None, 1)], num_classes=10)",
            [2, 3, 32, 32],
            13,
            true
        ),
        ("vit_block", "M.vision_transformer.EncoderBlock(4, 32, 64, 0.0, 0.0)", [2, 17, 32], 17, true),
        ("vit", "M.VisionTransformer(16, 8, 1, 2, 16, 32, num_classes=10)", [2, 3, 16, 16], 14, true),
        ("mobilenet_v3_small_folded", "M.mobilenet_v3_small()", [2, 3, 64, 64], 14, false),
        (
            "convnext_folded",
            "M.ConvNeXt([M.convnext.CNBlockConfig(16, 32, 1), M.convnext.CNBlockConfig(32, None, 1)], num_classes=10)",
            [2, 3, 32, 32],
            15,
            false
        ),
        ("vit_folded", "M.VisionTransformer(16, 8, 1, 2, 16, 32, num_classes=10)", [2, 3, 16, 16], 13, false),
        ("many_operators", "Many()", [2, 3, 10, 12], 17, true),
    ];

    [TestMethod]
    public void VectorJacobianProduct_ExportedNetworks_AsPyTorch()
    {
        Python.Require("torch", "torchvision", "onnx");
        using TempFolder folder = new();
        Python.Run(
            NetworkGradients.Script,
            folder.Path,
            JsonSerializer.Serialize(Networks.Select(n => new object[] { n.Name, n.Module, n.Shape, n.Opset, n.Keep }))
        );
        NetworkComparison[] all = [.. Networks.Select(n => NetworkGradients.Compare(folder.Path, n.Name, Allowed))];
        NetworkComparison[] wrong = [.. all.Where(c => !(c.Error <= Allowed))];
        Assert.AreEqual(
            "",
            string.Join(
                '\n',
                wrong.Select(c =>
                    string.Create(
                        System.Globalization.CultureInfo.InvariantCulture,
                        $"{c.Name}: {c.Worst} is off by {c.Error:g3} of its largest gradient; PyTorch in float32 by "
                            + $"{c.PeerError:g3}"
                    )
                )
            )
        );
        foreach (NetworkComparison compared in all.Where((_, i) => Networks[i].Keep))
            Assert.AreEqual(0, compared.Renamed, $"parameters of {compared.Name} that were not compared");
    }
}
