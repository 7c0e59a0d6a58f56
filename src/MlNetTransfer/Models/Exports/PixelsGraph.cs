using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Models.Exports;

/// <summary>Puts preprocessing before a model: crop, antialiased resize and normalisation as ONNX operators.</summary>
/// <remarks>
/// The resize is of 8-bit samples, in fixed point with a rounding between its two passes, as the product's own (and
/// Pillow's) is; of the ways tried it is the nearest and the fastest. Samples outside the image have no weight.
/// Normalising is division, subtraction, division in float32, so that it gives the numbers of
/// <see cref="Preprocessing"/> to the last bit.
/// </remarks>
internal static class PixelsGraph
{
    /// <summary>Name of the input, uint8 [N, height, width, 3], RGB.</summary>
    public const string Input = "pixels";

    /// <summary>Replaces the model's input.</summary>
    /// <param name="model">Image [N, 3, Size, Size] to anything; operator set 18 or later.</param>
    /// <param name="preprocessing">What its input is made with.</param>
    public static OnnxModel Build(OnnxModel model, Preprocessing preprocessing)
    {
        string tensor = model.Inputs[0].Name;
        model = model.With(proto =>
        {
            proto.Graph.Input.Remove(proto.Graph.Input.First(i => i.Name == tensor));
        });
        string pixels = model.UniqueName(Input);
        model = model.With(proto =>
            proto.Graph.Input.Insert(0, new TensorShape(DataType.Uint8, ["N", "H", "W", 3]).ToValueInfo(pixels))
        );
        var graph = new Prefix(model);
        string square = preprocessing.Framing == Framing.CenterCrop ? Crop(graph, pixels) : pixels;
        Normalise(graph, Resize(graph, square, preprocessing), preprocessing, tensor);
        return model.Append(graph.Nodes, graph.Constants);
    }

    /// <summary>The largest centred square; where it cannot be centred exactly it lies towards the top left.</summary>
    private static string Crop(Prefix graph, string pixels)
    {
        string sides = graph.Node("Shape", "crop/sides", [pixels], Attributes.Of("start", 1), Attributes.Of("end", 3));
        string side = graph.Node("ReduceMin", "crop/side", [sides]);
        string slack = graph.Node("Sub", "crop/slack", [sides, side]);
        string start = graph.Node(
            "Div",
            "crop/start",
            [slack, graph.Constant(n => TensorData.Longs(n, [2L], 1), "crop/two")]
        );
        string end = graph.Node("Add", "crop/end", [start, side]);
        return graph.Node(
            "Slice",
            "crop",
            [pixels, start, end, graph.Constant(n => TensorData.Longs(n, [1L, 2], 2), "crop/axes")]
        );
    }

    private static string Resize(Prefix graph, string pixels, Preprocessing preprocessing)
    {
        string sizes = graph.Constant(
            n => TensorData.Longs(n, [(long)preprocessing.Size, preprocessing.Size], 2),
            "resize/sizes"
        );
        List<AttributeProto> attributes =
        [
            Attributes.Of("antialias", 1L),
            Attributes.Of("axes", (long[])[1, 2]),
            Attributes.Of("coordinate_transformation_mode", "half_pixel"),
            Attributes.Of("exclude_outside", 1L),
            Attributes.Of("mode", preprocessing.Interpolation == Interpolation.Bicubic ? "cubic" : "linear"),
        ];
        if (preprocessing.Interpolation == Interpolation.Bicubic)
            attributes.Add(Attributes.Of("cubic_coeff_a", -0.5f));
        string resized = graph.Node("Resize", "resize", [pixels, "", "", sizes], [.. attributes]);
        return graph.Node("Transpose", "planes", [resized], Attributes.Of("perm", (long[])[0, 3, 1, 2]));
    }

    private static void Normalise(Prefix graph, string planes, Preprocessing preprocessing, string tensor)
    {
        string values = graph.Node("Cast", "samples", [planes], Attributes.Of("to", (long)DataType.Float));
        ChannelValues mean = preprocessing.Mean,
            std = preprocessing.Std;
        List<(string Operator, string Name, float[] Values)> steps = [("Div", "unit", [255f])];
        if (mean != new ChannelValues(0, 0, 0))
            steps.Add(("Sub", "centred", [mean.Red, mean.Green, mean.Blue]));
        if (std != new ChannelValues(1, 1, 1))
            steps.Add(("Div", "scaled", [std.Red, std.Green, std.Blue]));
        for (int i = 0; i < steps.Count; i++)
        {
            (string op, string name, float[] constants) = steps[i];
            string constant = graph.Constant(
                n => TensorData.Floats(n, constants, 1, constants.Length, 1, 1),
                $"{name}/by"
            );
            if (i < steps.Count - 1)
                values = graph.Node(op, name, [values, constant]);
            else
                graph.Last(op, tensor, [values, constant]);
        }
    }

    /// <summary>Nodes and constants under names that are free in the model.</summary>
    private sealed class Prefix(OnnxModel model)
    {
        public List<NodeProto> Nodes { get; } = [];

        public List<TensorProto> Constants { get; } = [];

        public string Constant(Func<string, TensorProto> make, string name)
        {
            TensorProto constant = make(model.UniqueName($"pixels/{name}"));
            Constants.Add(constant);
            return constant.Name;
        }

        public string Node(
            string operatorType,
            string name,
            IReadOnlyList<string> inputs,
            params IReadOnlyList<AttributeProto> attributes
        )
        {
            string free = model.UniqueName($"pixels/{name}");
            Nodes.Add(
                new NodeProto
                {
                    OpType = operatorType,
                    Name = free,
                    Input = { inputs },
                    Output = { free },
                    Attribute = { attributes },
                }
            );
            return free;
        }

        /// <summary>The node that gives the tensor that was the model's input.</summary>
        public void Last(string operatorType, string output, IReadOnlyList<string> inputs) =>
            Nodes.Add(
                new NodeProto
                {
                    OpType = operatorType,
                    Name = model.UniqueName($"pixels/{output}"),
                    Input = { inputs },
                    Output = { output },
                }
            );
    }
}
