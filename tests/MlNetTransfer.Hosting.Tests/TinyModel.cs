using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>
/// A model whose answers are known in closed form: the logits are gain · log(mean of a channel), so p(c) = m(c)^gain /
/// Σ m^gain. A black image has no finite answer.
/// </summary>
internal static class TinyModel
{
    public static readonly string[] Labels = ["red", "green", "blue"];

    /// <summary>What the model must say of a plain colour.</summary>
    public static double[] Expected(byte red, byte green, byte blue, double gain = 1)
    {
        double[] powers = [Math.Pow(red, gain), Math.Pow(green, gain), Math.Pow(blue, gain)];
        return [.. powers.Select(p => p / powers.Sum())];
    }

    /// <param name="gain">The exponent; another one makes another file of the same length.</param>
    /// <param name="labels">Names of the classes.</param>
    /// <param name="fragile">Whether a run fails as a whole when some image of it has a channel of 250 or more, as a
    /// device fails.</param>
    public static byte[] Bytes(float gain = 1, string[]? labels = null, bool fragile = false)
    {
        GraphBuilder graph = new GraphBuilder("tiny")
            .Input("image", ["N", 3, 8, 8])
            .Node("GlobalAveragePool", ["image"], ["pool"])
            .Node("Flatten", ["pool"], ["means"], Attributes.Of("axis", 1))
            .Node("Log", ["means"], ["logs"])
            .Initializer("gain", [gain], [1])
            .Node("Mul", ["logs", "gain"], [fragile ? "sound" : "logits"]);
        if (fragile)
        {
            // An index past the end of the table is an error at run time, whatever else is in the batch.
            graph
                .Initializer("levels", [255f], [1])
                .Node("Mul", ["means", "levels"], ["scaled"])
                .Node("ReduceMax", ["scaled"], ["brightest"], Attributes.Of("keepdims", 0))
                .Node("Cast", ["brightest"], ["index"], Attributes.Of("to", (int)DataType.Int64))
                .Initializer("table", new float[250], [250])
                .Node("Gather", ["table", "index"], ["zero"])
                .Node("Add", ["sound", "zero"], ["logits"]);
        }

        OnnxModel model = graph
            .Node("Softmax", ["logits"], [TransferModel.ProbabilitiesOutput], Attributes.Of("axis", 1))
            .Node(
                "ArgMax",
                ["logits"],
                [TransferModel.LabelOutput],
                Attributes.Of("axis", 1),
                Attributes.Of("keepdims", 0)
            )
            .Output(TransferModel.ProbabilitiesOutput, ["N", 3])
            .Output(TransferModel.LabelOutput, ["N"], DataType.Int64)
            .Build();
        var metadata = new ModelMetadata
        {
            Labels = labels ?? Labels,
            Encoder = new ImageEncoder(new Preprocessing { Size = 8 }),
            Backbone = "none",
            CardDigest = "",
            Taps = ["means"],
            TrainingDigest = FormattableString.Invariant($"gain {gain}"),
        };
        foreach ((string key, string value) in metadata.ToEntries())
            model = model.WithMetadata(key, value);
        return model.ToBytes();
    }

    /// <summary>Puts a model where another may be, as a careful writer does: whole, by renaming.</summary>
    public static void Put(string path, byte[] bytes)
    {
        File.WriteAllBytes(path + ".new", bytes);
        File.Move(path + ".new", path, overwrite: true);
    }
}
