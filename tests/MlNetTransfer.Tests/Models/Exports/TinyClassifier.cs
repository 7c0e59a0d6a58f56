using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Tests.Models.Exports;

/// <summary>
/// A model that is a closed form: the logits are the means of the channels after preprocessing, times a gain.
/// </summary>
internal static class TinyClassifier
{
    public static OnnxModel Build(Preprocessing preprocessing, float gain = 1)
    {
        OnnxModel model = new GraphBuilder("tiny")
            .Input("image", ["N", 3, preprocessing.Size, preprocessing.Size])
            .Node("GlobalAveragePool", ["image"], ["pool"])
            .Node("Flatten", ["pool"], ["flat"], Attributes.Of("axis", 1))
            .Node("Identity", ["flat"], ["features"])
            .Initializer("gain.weight", [gain, 0, 0, 0, gain, 0, 0, 0, gain], 3, 3)
            .Initializer("gain.bias", new float[3], 3)
            .Node("Gemm", ["features", "gain.weight", "gain.bias"], ["scaled"], Attributes.Of("transB", 1L))
            .Node("Softmax", ["scaled"], [TransferModel.ProbabilitiesOutput], Attributes.Of("axis", 1))
            .Node(
                "ArgMax",
                ["scaled"],
                [TransferModel.LabelOutput],
                Attributes.Of("axis", 1),
                Attributes.Of("keepdims", 0)
            )
            .Output(TransferModel.ProbabilitiesOutput, ["N", 3])
            .Output(TransferModel.LabelOutput, ["N"], DataType.Int64)
            .Build();
        var metadata = new ModelMetadata
        {
            Labels = ["red", "green", "blue"],
            Encoder = new ImageEncoder(preprocessing),
            Backbone = "none",
            CardDigest = "",
            Taps = ["flat"],
            TrainingDigest = "",
            ModelCard = "# card",
        };
        foreach ((string key, string value) in metadata.ToEntries())
            model = model.WithMetadata(key, value);
        return model;
    }

    /// <summary>A picture of noise: the file, a BMP, and its samples [height × width × 3].</summary>
    public static (byte[] File, byte[] Rgb) Noise(int width, int height, int seed)
    {
        var rgb = new byte[3 * width * height];
        new Random(seed).NextBytes(rgb);
        int stride = (3 * width + 3) / 4 * 4;
        var file = new byte[54 + (stride * height)];
        "BM"u8.CopyTo(file);
        BitConverter.GetBytes(file.Length).CopyTo(file, 2);
        BitConverter.GetBytes(54).CopyTo(file, 10);
        BitConverter.GetBytes(40).CopyTo(file, 14);
        BitConverter.GetBytes(width).CopyTo(file, 18);
        BitConverter.GetBytes(height).CopyTo(file, 22);
        BitConverter.GetBytes((short)1).CopyTo(file, 26);
        BitConverter.GetBytes((short)24).CopyTo(file, 28);
        for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
        for (int c = 0; c < 3; c++)
            file[54 + ((height - 1 - y) * stride) + (3 * x) + 2 - c] = rgb[(3 * ((y * width) + x)) + c];
        return (file, rgb);
    }
}
