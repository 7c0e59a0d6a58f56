using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Models.Exports;

/// <summary>The model as it is, at a stated operator set and cleaned up.</summary>
public sealed class TensorFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "tensor";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: float32 [N, 3, size, size] after the stated preprocessing; of texts, int64 [N, tokens].";

    /// <inheritdoc/>
    public bool TakesAnyContent => true;

    /// <inheritdoc/>
    public string FileName => "model.tensor.onnx";

    /// <summary>As for a trained file: the same sums, in an order that ONNX Runtime chooses.</summary>
    public double Tolerance => ParityRecord.Tolerance;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) => new OnnxExport(ExportGraph.CleanedUp(ExportGraph.WithOutputs(request)), request);
}

/// <summary>The model with its preprocessing inside: it takes decoded images of any size.</summary>
public sealed class PixelsFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "pixels";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: decoded images, uint8 [N, height, width, 3] of any size; crop, antialiased resize and normalisation "
        + "are in the graph.";

    /// <inheritdoc/>
    public string FileName => "model.pixels.onnx";

    /// <summary>
    /// Resized samples agree to the last bit for about 999 of 1000, else to one level of 255 (float32 against double in
    /// the filter's weights). Large JPEG images differ by more: this product reduces them as it decodes, a caller of
    /// the file does not.
    /// </summary>
    public double Tolerance => 2e-2;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) =>
        new OnnxExport(
            PixelsGraph.Build(ExportGraph.CleanedUp(ExportGraph.WithOutputs(request)), request.Metadata.Preprocessing),
            request
        );
}

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

/// <summary>The network in float16, its head in float32, for devices that are fast at it.</summary>
public sealed class HalfFormat : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "fp16";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: as tensor, weights and computation in float16, for GPUs; half the size, slow on a CPU.";

    /// <inheritdoc/>
    public bool TakesAnyContent => true;

    /// <inheritdoc/>
    public string FileName => "model.fp16.onnx";

    /// <summary>
    /// Features keep 11 bits, which moves them by about 5e-4 of their size; heads with large weights that nearly cancel
    /// make up to 5e-2 of it in a probability near one half. A weight that overflowed or a layer that lost its bits
    /// moves it by far more.
    /// </summary>
    public double Tolerance => 5e-2;

    /// <summary>From the features on it is float32: the head costs nothing, and its sums nearly cancel.</summary>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        OnnxModel model = ExportGraph.WithOutputs(request).FoldConstants();
        string head = ExportGraph.Has(model, FeatureGraph.Output)
            ? FeatureGraph.Output
            : ExportGraph.LogitsOf(request.File, model);
        return new OnnxExport(ExportGraph.CleanedUp(model.ToHalfPrecision(head)), request);
    }
}

/// <summary>The network in int8, calibrated on some images and judged on others.</summary>
public sealed class Int8Format : IExportFormat
{
    /// <inheritdoc/>
    public string Name => "int8";

    /// <inheritdoc/>
    public string Description =>
        "ONNX: as tensor, weights and activations in 8 bits, for CPUs; ranges are taken from images that it is not "
        + "judged on.";

    /// <inheritdoc/>
    public string FileName => "model.int8.onnx";

    /// <summary>
    /// Eight bits move features by percents of their range, and a probability near one half by tenths; what counts are
    /// the labels, which the quantisation is judged by before.
    /// </summary>
    public double Tolerance => 0.3;

    /// <inheritdoc/>
    public bool IsFitted => true;

    /// <inheritdoc/>
    public IExport Convert(
        ExportRequest request,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        if (request.WithFeatures || request.WithLogits)
            throw new TransferException(
                "An int8 export gives probabilities and label only. Leave --features and --logits out."
            );
        Int8Model quantised = new Int8Export(
            request.Quantization with
            {
                SpeedRounds = 0,
            },
            request.Limits,
            ExecutionPlan.For(ExecutionProvider.Cpu)
        ).Run(request.File, request.Calibration, request.Images, progress, cancellation);
        return new OnnxExport(quantised.Onnx, request);
    }
}

/// <summary>What all ONNX exports have in common: the outputs, the operator set, the clean-up.</summary>
internal static class ExportGraph
{
    /// <summary>The operator set that exports state: the first whose Resize is antialiased.</summary>
    public const int Opset = 18;

    /// <summary>Name of the output with the logits, after calibration.</summary>
    public const string LogitsOutput = "logits";

    /// <summary>
    /// The model at <see cref="Opset"/> or its own later one, with the outputs that were asked for: probabilities,
    /// label, features, logits, in this order.
    /// </summary>
    public static OnnxModel WithOutputs(ExportRequest request)
    {
        OnnxModel model = request.Model.UpgradeOpset(Opset);
        List<string> outputs = [.. model.Outputs.Select(o => o.Name)];
        if (request.WithFeatures)
        {
            if (!Has(model, FeatureGraph.Output))
                throw new TransferException(
                    $"'{request.File}' has no tensor '{FeatureGraph.Output}' to give out. Export it without the "
                        + $"features."
                );
            outputs.Add(FeatureGraph.Output);
        }

        if (request.WithLogits)
        {
            string logits = LogitsOf(request.File, model);
            if (logits != LogitsOutput)
                model = model.WithFreeName(LogitsOutput).Model.RenameTensor(logits, LogitsOutput);
            outputs.Add(LogitsOutput);
        }

        return model.CutAt(outputs);
    }

    /// <summary>Constants folded, nodes that do nothing and weights that nothing uses removed.</summary>
    public static OnnxModel CleanedUp(OnnxModel model) =>
        model.FoldConstants().RemoveIdentities().RemoveUnusedInitializers();

    /// <summary>Whether the model has a tensor of the given name that a node makes.</summary>
    public static bool Has(OnnxModel model, string tensor) => model.Nodes.Any(n => n.Output.Contains(tensor));

    /// <summary>The tensor that the probabilities are the softmax of.</summary>
    public static string LogitsOf(string file, OnnxModel model) =>
        model.Nodes.FirstOrDefault(n => n.Output.Contains(TransferModel.ProbabilitiesOutput))
            is { OpType: "Softmax" } softmax
            ? softmax.Input[0]
            : throw new TransferException(
                $"The probabilities of '{file}' are not made by a Softmax, so it has no logits. Export it without "
                    + $"the logits."
            );
}
