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
    /// <param name="model">Image [N, 3, height, width] to anything; operator set 18 or later.</param>
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
        string resized = preprocessing.Framing switch
        {
            Framing.CenterCrop => Resize(graph, Crop(graph, pixels, preprocessing), preprocessing),
            Framing.ResizeCrop => ResizeCrop(graph, pixels, preprocessing),
            _ => Resize(graph, pixels, preprocessing),
        };
        resized = graph.Node("Transpose", "planes", [resized], Attributes.Of("perm", (long[])[0, 3, 1, 2]));
        Normalise(graph, resized, preprocessing, tensor);
        return model.Append(graph.Nodes, graph.Constants);
    }

    /// <summary>
    /// The largest centred box of the input's shape; where it cannot be centred exactly it lies towards the top left.
    /// </summary>
    private static string Crop(Prefix graph, string pixels, Preprocessing preprocessing)
    {
        (int width, int height) = preprocessing.Shape;
        string sides = Sides(graph, pixels, "crop");
        string other = graph.Node("Gather", "crop/turned", [sides, graph.Longs("crop/order", 1, 0)]);
        string scaled = graph.Node("Mul", "crop/scaled", [other, graph.Longs("crop/shape", height, width)]);
        string fitting = graph.Node("Div", "crop/fitting", [scaled, graph.Longs("crop/turned_shape", width, height)]);
        string box = graph.Node("Min", "crop/box", [sides, fitting]);
        string slack = graph.Node("Sub", "crop/slack", [sides, box]);
        string start = graph.Node("Div", "crop/start", [slack, graph.Longs("crop/two", 2)]);
        return Slice(graph, pixels, start, box);
    }

    /// <summary>
    /// Resized with its aspect ratio until it covers what the input is cut from, of which the middle is cut out.
    /// </summary>
    private static string ResizeCrop(Prefix graph, string pixels, Preprocessing preprocessing)
    {
        (int width, int height) = preprocessing.Shape;
        (int coverWidth, int coverHeight) = preprocessing.Cover;
        string sides = Sides(graph, pixels, "resize");
        string other = graph.Node("Gather", "resize/turned", [sides, graph.Longs("resize/order", 1, 0)]);
        string scaled = graph.Node(
            "Mul",
            "resize/scaled",
            [sides, graph.Longs("resize/turned_cover", coverWidth, coverHeight)]
        );
        string fitting = graph.Node("Div", "resize/fitting", [scaled, other]);
        string sizes = graph.Node(
            "Max",
            "resize/sizes",
            [fitting, graph.Longs("resize/cover", coverHeight, coverWidth)]
        );
        string resized = Resize(graph, pixels, sizes, preprocessing.Interpolation);
        string shape = graph.Longs("crop/shape", height, width);
        string slack = graph.Node("Sub", "crop/slack", [sizes, shape]);
        string real = graph.Node("Cast", "crop/real", [slack], Attributes.Of("to", (long)DataType.Float));
        string half = graph.Node(
            "Mul",
            "crop/half",
            [real, graph.Constant(n => TensorData.Floats(n, [0.5f], 1), "crop/by")]
        );
        string even = graph.Node("Round", "crop/even", [half]);
        string start = graph.Node("Cast", "crop/start", [even], Attributes.Of("to", (long)DataType.Int64));
        return Slice(graph, resized, start, shape);
    }

    /// <summary>Height and width of the pixels.</summary>
    private static string Sides(Prefix graph, string pixels, string owner) =>
        graph.Node("Shape", $"{owner}/sides", [pixels], Attributes.Of("start", 1), Attributes.Of("end", 3));

    private static string Slice(Prefix graph, string pixels, string start, string length)
    {
        string end = graph.Node("Add", "crop/end", [start, length]);
        return graph.Node("Slice", "crop", [pixels, start, end, graph.Longs("crop/axes", 1, 2)]);
    }

    private static string Resize(Prefix graph, string pixels, Preprocessing preprocessing) =>
        Resize(
            graph,
            pixels,
            graph.Longs("resize/sizes", preprocessing.Shape.Height, preprocessing.Shape.Width),
            preprocessing.Interpolation
        );

    /// <exception cref="TransferException">ONNX has no operator for the filter.</exception>
    private static string Resize(Prefix graph, string pixels, string sizes, Interpolation interpolation)
    {
        List<AttributeProto> attributes =
        [
            Attributes.Of("axes", (long[])[1, 2]),
            Attributes.Of("coordinate_transformation_mode", "half_pixel"),
            Attributes.Of(
                "mode",
                interpolation switch
                {
                    Interpolation.Bilinear => "linear",
                    Interpolation.Bicubic => "cubic",
                    Interpolation.Nearest => "nearest",
                    _ => throw new TransferException(
                        $"ONNX has no operator for the filter {interpolation}, which the model's images are resized "
                            + "by. Export with --format onnx, whose input is the tensor; or add the backbone again "
                            + "with --interpolation bicubic and train again."
                    ),
                }
            ),
        ];
        if (interpolation == Interpolation.Nearest)
            attributes.Add(Attributes.Of("nearest_mode", "round_prefer_ceil"));
        else
            attributes.AddRange([Attributes.Of("antialias", 1L), Attributes.Of("exclude_outside", 1L)]);
        if (interpolation == Interpolation.Bicubic)
            attributes.Add(Attributes.Of("cubic_coeff_a", -0.5f));
        return graph.Node("Resize", "resize", [pixels, "", "", sizes], [.. attributes]);
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

        public string Longs(string name, params long[] values) =>
            Constant(n => TensorData.Longs(n, values, values.Length), name);

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
