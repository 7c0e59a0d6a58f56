using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>
/// A foreign ONNX classifier whose answer is known: three layers that change nothing, then ten times the mean of each
/// channel.
/// </summary>
internal static class ColourNetwork
{
    private static readonly float[] Identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];

    /// <summary>Writes the network, without metadata and with logits as its output.</summary>
    public static string Save(TempFolder folder)
    {
        GraphBuilder graph = new GraphBuilder("colours").Input("pixels", ["N", 3, 16, 16]);
        string x = "pixels";
        for (int layer = 0; layer < 3; layer++)
        {
            graph.Initializer($"w{layer}", Identity, 3, 3, 1, 1).Node("Conv", [x, $"w{layer}"], [$"c{layer}"]);
            graph.Node("Relu", [$"c{layer}"], [x = $"r{layer}"]);
        }

        graph.Node("GlobalAveragePool", [x], ["pool"]).Node("Flatten", ["pool"], ["row"]);
        graph.Initializer("fc", [.. Identity.Select(v => 10 * v)], 3, 3).Node("MatMul", ["row", "fc"], ["logits"]);
        graph.Output("logits", ["N", 3]).Build().Save(folder.File("colours.onnx"));
        return folder.File("colours.onnx");
    }

    /// <summary>
    /// Writes the same in the form in which a browser saves a TensorFlow.js model of models; the logits are those of
    /// the values that it is given, which may be negative. Returns the folder.
    /// </summary>
    public static string SaveTfjs(TempFolder folder)
    {
        const string topology = """
            {"modelTopology": {"class_name": "Sequential", "config": {"name": "all", "layers": [
              {"class_name": "Sequential", "config": {"name": "base", "layers": [
                {"class_name": "Conv2D", "config": {"name": "conv1", "batch_input_shape": [null, 16, 16, 3], "filters": 3, "kernel_size": [1, 1], "strides": [1, 1], "padding": "same", "use_bias": false, "activation": "linear"}},
                {"class_name": "Conv2D", "config": {"name": "conv2", "filters": 3, "kernel_size": [1, 1], "strides": [1, 1], "padding": "same", "use_bias": false, "activation": "linear"}},
                {"class_name": "GlobalAveragePooling2D", "config": {"name": "pool"}}]}},
              {"class_name": "Sequential", "config": {"name": "head", "layers": [
                {"class_name": "Dense", "config": {"name": "scores", "units": 3, "use_bias": false, "activation": "softmax"}}]}}]},
              "keras_version": "tfjs-layers 1.3.1", "backend": "tensor_flow.js"},
            "weightsManifest": [{"paths": ["./weights.bin"], "weights": [
              {"name": "conv1/kernel", "shape": [1, 1, 3, 3], "dtype": "float32"},
              {"name": "conv2/kernel", "shape": [1, 1, 3, 3], "dtype": "float32"},
              {"name": "scores/kernel", "shape": [3, 3], "dtype": "float32"}]}]}
            """;
        folder.Write("tm/model.json", System.Text.Encoding.UTF8.GetBytes(topology));
        folder.Write(
            "tm/weights.bin",
            [
                .. Identity
                    .Concat(Identity)
                    .Concat(Identity.Select(v => 10 * v))
                    .SelectMany(v => BitConverter.GetBytes(v)),
            ]
        );
        return folder.File("tm");
    }

    /// <summary>What it says of an image of one colour, each channel in [0, 1].</summary>
    public static double[] Probabilities(params double[] colour)
    {
        double[] powers = [.. colour.Select(c => Math.Exp(10 * c))];
        return [.. powers.Select(p => p / powers.Sum())];
    }

    /// <summary>An uncompressed image of one colour.</summary>
    public static string Image(TempFolder folder, string name, int red, int green, int blue)
    {
        const int side = 16,
            start = 54,
            length = start + side * side * 3;
        var file = new byte[length];
        "BM"u8.CopyTo(file);
        (int At, int Value)[] header =
        [
            (2, length),
            (10, start),
            (14, 40),
            (18, side),
            (22, side),
            (26, 1 | 24 << 16),
            (34, length - start),
        ];
        foreach ((int at, int value) in header)
            BitConverter.TryWriteBytes(file.AsSpan(at), value);
        for (int i = start; i < length; i += 3)
            (file[i], file[i + 1], file[i + 2]) = ((byte)blue, (byte)green, (byte)red);
        return folder.Write(name, file);
    }
}
