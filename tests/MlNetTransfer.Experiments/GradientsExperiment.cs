using System.Diagnostics;
using System.Text.Json;
using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Gradients of all parameters of whole networks, exported by PyTorch with random weights, against PyTorch in float64.
/// </summary>
internal static class GradientsExperiment
{
    private const double Allowed = 1e-4;

    /// <summary>Name, module, shape of the input, operator set.</summary>
    private static readonly (string Name, string Module, int[] Shape, int Opset)[] Networks =
    [
        ("resnet18", "M.resnet18()", [2, 3, 64, 64], 13),
        ("resnet18_224", "M.resnet18()", [1, 3, 224, 224], 13),
        (
            "resnet18_layer4",
            "torch.nn.Sequential(M.resnet18().layer4, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten())",
            [16, 256, 14, 14],
            13
        ),
        ("mobilenet_v2", "M.mobilenet_v2()", [2, 3, 64, 64], 14),
        ("mobilenet_v3_small", "M.mobilenet_v3_small()", [2, 3, 64, 64], 13),
        ("mobilenet_v3_large", "M.mobilenet_v3_large()", [2, 3, 64, 64], 15),
        ("efficientnet_b0", "M.efficientnet_b0()", [2, 3, 64, 64], 16),
        ("efficientnet_v2_s", "M.efficientnet_v2_s()", [1, 3, 64, 64], 17),
        ("densenet121", "M.densenet121()", [2, 3, 64, 64], 17),
        ("inception_v3", "M.inception_v3(init_weights=False, aux_logits=False)", [1, 3, 96, 96], 15),
        ("googlenet", "M.googlenet(init_weights=False, aux_logits=False)", [2, 3, 64, 64], 14),
        ("vgg11_bn", "M.vgg11_bn(num_classes=10)", [1, 3, 224, 224], 13),
        ("alexnet", "M.alexnet(num_classes=10)", [1, 3, 224, 224], 14),
        ("squeezenet1_1", "M.squeezenet1_1()", [2, 3, 64, 64], 15),
        ("shufflenet_v2_x0_5", "M.shufflenet_v2_x0_5()", [2, 3, 64, 64], 16),
        ("mnasnet0_5", "M.mnasnet0_5()", [2, 3, 64, 64], 13),
        ("regnet_y_400mf", "M.regnet_y_400mf()", [2, 3, 64, 64], 17),
        ("convnext_tiny", "M.convnext_tiny()", [1, 3, 64, 64], 17),
        ("convnext_tiny_13", "M.convnext_tiny()", [1, 3, 64, 64], 13),
        ("swin_t", "M.swin_t()", [1, 3, 64, 64], 16),
        ("vit_block", "M.vision_transformer.EncoderBlock(4, 32, 64, 0.0, 0.0)", [2, 17, 32], 17),
        ("vit_b_16", "M.vit_b_16()", [1, 3, 224, 224], 14),
        ("many_operators", "Many()", [2, 3, 10, 12], 17),
    ];

    public static int Run(string[] names, Experiment experiment)
    {
        if (names.Except(Networks.Select(n => n.Name)).FirstOrDefault() is { } unknown)
            throw new TransferException(
                $"There is no network '{unknown}'; there are {string.Join(", ", Networks.Select(n => n.Name))}."
            );
        HashSet<string> operators = [];
        bool good = true;
        Table table = experiment.Table(
            "Largest error of a gradient against PyTorch in float64, relative to the largest of its tensor",
            Column.Text("network", 18),
            Column.Number("opset"),
            Column.Number("parameters", "N0", 12),
            Column.Number("tensors"),
            Column.Number("relativeError", "0.0e+00"),
            Column.Number("pytorchFloat32", "0.0e+00"),
            Column.Number("seconds", "0.0"),
            Column.Number("inputs"),
            Column.Text("worstTensor")
        );
        foreach (
            (string name, string module, int[] shape, int opset) in Networks.Where(n =>
                names.Length == 0 || names.Contains(n.Name)
            )
        )
        {
            using Scratch folder = new();
            Export(folder.Path, name, module, shape, opset);
            long started = Stopwatch.GetTimestamp();
            NetworkComparison c = NetworkGradients.Compare(folder.Path, name, Allowed, threads: 2);
            operators.UnionWith(c.Operators);
            good &= c.Error <= Allowed;
            table.Add(
                c.Name,
                opset,
                c.Parameters,
                c.Tensors,
                c.Error,
                c.PeerError,
                Stopwatch.GetElapsedTime(started).TotalSeconds,
                c.Inputs,
                c.Worst
            );
        }

        experiment.Note($"Operators of these networks: {string.Join(", ", operators.Order(StringComparer.Ordinal))}.");
        experiment.Note($"Operators with a gradient: {string.Join(", ", Differentiator.Operators)}.");
        experiment.Note(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"{(good ? "All" : "NOT all")} gradients are within {Allowed:e0} of PyTorch's in float64, relative "
                    + $"to the largest of their tensor."
            )
        );
        return good ? 0 : 1;
    }

    private static void Export(string folder, string name, string module, int[] shape, int opset)
    {
        string list = JsonSerializer.Serialize(new object[] { new object[] { name, module, shape, opset, true } });
        PythonProgram.Output(NetworkGradients.Script, "python3-torch python3-torchvision python3-onnx", folder, list);
    }
}
