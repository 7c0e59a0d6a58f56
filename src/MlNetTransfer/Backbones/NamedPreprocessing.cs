using System.Globalization;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Backbones;

/// <summary>Preprocessings by the names that people call them.</summary>
public static class NamedPreprocessing
{
    /// <summary>Scales that files state without a name, too.</summary>
    internal static readonly ChannelScale Unit = ChannelScale.Uniform(1, 0, 1),
        MinusOneToOne = ChannelScale.Uniform(1, 0.5f, 0.5f),
        Raw = ChannelScale.Uniform(255, 0, 1);

    /// <summary>That of Caffe's networks, which take blue first.</summary>
    internal static readonly ChannelScale Caffe = ChannelScale.Of(255, new(123.68f, 116.779f, 103.939f), new(1, 1, 1));

    private static readonly ChannelScale ImageNet = new(new(0.485f, 0.456f, 0.406f), new(0.229f, 0.224f, 0.225f)),
        CaffeOfTorchvision = ChannelScale.Of(1, new(0.48235f, 0.45882f, 0.40784f), new(1 / 255f, 1 / 255f, 1 / 255f));

    private static readonly (string Name, ChannelScale Scale, ChannelOrder Order)[] Scales =
    [
        ("imagenet", ImageNet, ChannelOrder.Rgb),
        ("unit", Unit, ChannelOrder.Rgb),
        ("minus1to1", MinusOneToOne, ChannelOrder.Rgb),
        ("caffe", Caffe, ChannelOrder.Bgr),
        ("raw255", Raw, ChannelOrder.Rgb),
    ];

    // What preprocess_input of keras.applications does, by family.
    private static readonly (string Scale, string Families)[] Keras =
    [
        ("caffe", "vgg16 vgg19 resnet resnet50 resnet101 resnet152"),
        (
            "minus1to1",
            "inception_v3 inception_resnet_v2 xception mobilenet mobilenet_v2 nasnet resnet_v2 resnet50v2 resnet101v2 "
                + "resnet152v2"
        ),
        ("imagenet", "densenet densenet121 densenet169 densenet201"),
        ("raw255", "efficientnet efficientnet_v2 mobilenet_v3 convnext regnet"),
    ];

    // Input, the shorter side it is cut from, filter and scale of torchvision's weights; where a network has several,
    // their name follows a dot.
    private const string Torchvision = """
        224 224 bicubic imagenet: maxvit_t regnet_y_128gf.imagenet1k_swag_linear_v1
          regnet_y_16gf.imagenet1k_swag_linear_v1 regnet_y_32gf.imagenet1k_swag_linear_v1
          vit_b_16.imagenet1k_swag_linear_v1 vit_h_14.imagenet1k_swag_linear_v1
          vit_l_16.imagenet1k_swag_linear_v1
        224 230 bilinear imagenet: convnext_small
        224 232 bicubic imagenet: swin_t
        224 232 bilinear imagenet: convnext_base convnext_large mnasnet0_75 mnasnet1_3
          mobilenet_v2.imagenet1k_v2 mobilenet_v3_large.imagenet1k_v2 regnet_x_16gf.imagenet1k_v2
          regnet_x_1_6gf.imagenet1k_v2 regnet_x_32gf.imagenet1k_v2 regnet_x_3_2gf.imagenet1k_v2
          regnet_x_400mf.imagenet1k_v2 regnet_x_800mf.imagenet1k_v2 regnet_x_8gf.imagenet1k_v2
          regnet_y_16gf.imagenet1k_v2 regnet_y_1_6gf.imagenet1k_v2 regnet_y_32gf.imagenet1k_v2
          regnet_y_3_2gf.imagenet1k_v2 regnet_y_400mf.imagenet1k_v2 regnet_y_800mf.imagenet1k_v2
          regnet_y_8gf.imagenet1k_v2 resnext101_32x8d.imagenet1k_v2 resnext101_64x4d
          resnext50_32x4d.imagenet1k_v2 resnet101.imagenet1k_v2 resnet152.imagenet1k_v2 resnet50.imagenet1k_v2
          shufflenet_v2_x1_5 shufflenet_v2_x2_0 wide_resnet101_2.imagenet1k_v2 wide_resnet50_2.imagenet1k_v2
        224 236 bilinear imagenet: convnext_tiny
        224 238 bicubic imagenet: swin_b
        224 242 bilinear imagenet: vit_l_16.imagenet1k_v1
        224 246 bicubic imagenet: swin_s
        224 256 bicubic imagenet: efficientnet_b0
        224 256 bilinear imagenet: alexnet densenet121 densenet161 densenet169 densenet201 googlenet mnasnet0_5
          mnasnet1_0 mobilenet_v2.imagenet1k_v1 mobilenet_v3_large.imagenet1k_v1 mobilenet_v3_small
          regnet_x_16gf.imagenet1k_v1 regnet_x_1_6gf.imagenet1k_v1 regnet_x_32gf.imagenet1k_v1
          regnet_x_3_2gf.imagenet1k_v1 regnet_x_400mf.imagenet1k_v1 regnet_x_800mf.imagenet1k_v1
          regnet_x_8gf.imagenet1k_v1 regnet_y_16gf.imagenet1k_v1 regnet_y_1_6gf.imagenet1k_v1
          regnet_y_32gf.imagenet1k_v1 regnet_y_3_2gf.imagenet1k_v1 regnet_y_400mf.imagenet1k_v1
          regnet_y_800mf.imagenet1k_v1 regnet_y_8gf.imagenet1k_v1 resnext101_32x8d.imagenet1k_v1
          resnext50_32x4d.imagenet1k_v1 resnet101.imagenet1k_v1 resnet152.imagenet1k_v1 resnet18 resnet34
          resnet50.imagenet1k_v1 shufflenet_v2_x0_5 shufflenet_v2_x1_0 squeezenet1_0 squeezenet1_1 vgg11_bn
          vgg11 vgg13_bn vgg13 vgg16_bn vgg16.imagenet1k_v1 vgg19_bn vgg19 vit_b_16.imagenet1k_v1 vit_b_32
          vit_l_32 wide_resnet101_2.imagenet1k_v1 wide_resnet50_2.imagenet1k_v1
        224 256 bilinear caffe255: vgg16.imagenet1k_features
        240 255 bilinear imagenet: efficientnet_b1.imagenet1k_v2
        240 256 bicubic imagenet: efficientnet_b1.imagenet1k_v1
        256 260 bicubic imagenet: swin_v2_s swin_v2_t
        256 272 bicubic imagenet: swin_v2_b
        288 288 bicubic imagenet: efficientnet_b2
        299 342 bilinear imagenet: inception_v3
        300 320 bicubic imagenet: efficientnet_b3
        380 384 bicubic imagenet: efficientnet_b4
        384 384 bicubic imagenet: regnet_y_128gf.imagenet1k_swag_e2e_v1 regnet_y_16gf.imagenet1k_swag_e2e_v1
          regnet_y_32gf.imagenet1k_swag_e2e_v1 vit_b_16.imagenet1k_swag_e2e_v1
        384 384 bilinear imagenet: efficientnet_v2_s
        456 456 bicubic imagenet: efficientnet_b5
        480 480 bicubic minus1to1: efficientnet_v2_l
        480 480 bilinear imagenet: efficientnet_v2_m
        512 512 bicubic imagenet: vit_l_16.imagenet1k_swag_e2e_v1
        518 518 bicubic imagenet: vit_h_14.imagenet1k_swag_e2e_v1
        528 528 bicubic imagenet: efficientnet_b6
        600 600 bicubic imagenet: efficientnet_b7
        """;

    private static readonly Lazy<Dictionary<string, PreprocessingParts>> OfTorchvision = new(ReadTorchvision);

    /// <summary>The forms of a name, for help.</summary>
    public const string Forms = "imagenet|unit|minus1to1|caffe|raw255|keras:FAMILY|torchvision:WEIGHTS|timm";

    /// <summary>The candidates that a network is tried with: every scale, in the orders that occur.</summary>
    internal static IEnumerable<(string Name, ChannelScale Scale)> Candidates =>
        Scales.Select(s => (s.Name == "caffe" ? "0 to 255 less the mean" : s.Name, s.Scale));

    /// <summary>What a name stands for.</summary>
    /// <param name="name">One of <see cref="Forms"/>. "timm" states nothing: it is read from the config.json beside the
    /// file.</param>
    /// <exception cref="TransferException">The name is not known; the message lists those that are.</exception>
    public static PreprocessingParts Find(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (Array.Find(Scales, s => s.Name == name) is { Scale: { } scale, Order: var order })
            return new PreprocessingParts { Scale = scale, Order = order };
        return name.Split(':', 2) switch
        {
            ["timm"] => PreprocessingParts.None,
            ["keras", var family] => OfKeras(family.ToLowerInvariant()),
            ["torchvision", var weights] => Weights(weights.ToLowerInvariant()),
            _ => throw new TransferException(
                $"'{name}' is no preprocessing that is known. Known: {Forms}; or give its parts: --scale, --mean, "
                    + "--std, --channels."
            ),
        };
    }

    /// <summary>The name of a scale; empty where it has none.</summary>
    internal static string NameOf(ChannelScale scale) =>
        Array.Find(Scales, s => s.Scale.IsNear(scale)) is { Name: { } name } ? name : "";

    private static PreprocessingParts OfKeras(string family)
    {
        (string scale, string families) = Array.Find(Keras, k => k.Families.Split(' ').Contains(family));
        return families is null
            ? throw new TransferException(
                $"keras:{family} is not known. Families of keras.applications: "
                    + $"{string.Join(", ", Keras.SelectMany(k => k.Families.Split(' ')))}."
            )
            : Find(scale);
    }

    private static PreprocessingParts Weights(string name)
    {
        name = name.Replace("_weights.", ".", StringComparison.Ordinal);
        if (OfTorchvision.Value.TryGetValue(name, out PreprocessingParts? parts))
            return parts;
        string network = name.Split('.')[0];
        string[] several =
        [
            .. OfTorchvision.Value.Keys.Where(k =>
                k == network || k.StartsWith(network + ".", StringComparison.Ordinal)
            ),
        ];
        throw new TransferException(
            several.Length > 0
                ? $"torchvision has these weights for '{network}', whose preprocessing may differ: "
                    + $"{string.Join(", ", several)}. Say which, for example --preprocessing torchvision:{several[0]}"
                : $"torchvision:{name} is not known. Give the name of the network, such as torchvision:resnet18 or "
                    + "torchvision:resnet50.imagenet1k_v2; for another's weights --preprocessing imagenet is what most "
                    + "networks of torchvision take."
        );
    }

    private static Dictionary<string, PreprocessingParts> ReadTorchvision()
    {
        Dictionary<string, PreprocessingParts> found = new(StringComparer.Ordinal);
        foreach (string group in Torchvision.Replace("\n  ", " ", StringComparison.Ordinal).Split('\n'))
        {
            string[] halves = group.Trim().Split(':'),
                head = halves[0].Split(' ');
            int size = int.Parse(head[0], CultureInfo.InvariantCulture);
            PreprocessingParts parts = (
                head[3] == "caffe255" ? new() { Scale = CaffeOfTorchvision } : Find(head[3])
            ) with
            {
                Height = size,
                Width = size,
                Framing = Framing.ResizeCrop,
                CropFraction = size / double.Parse(head[1], CultureInfo.InvariantCulture),
                Interpolation = Enum.Parse<Interpolation>(head[2], ignoreCase: true),
                Order = ChannelOrder.Rgb,
            };
            foreach (string name in halves[1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
                found.Add(name, parts);
        }

        return found;
    }
}
