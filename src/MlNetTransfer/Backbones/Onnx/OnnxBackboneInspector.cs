using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Makes a backbone of any ONNX image model: everything is found from the graph and from running it, nothing from
/// names.
/// </summary>
/// <remarks>
/// Input: the only one, float or half precision, [N, 3, H, W] or [N, H, W, 3]; converted by a Cast or Transpose where
/// needed. A fixed batch is made dynamic; two images run together and alone must agree. Taps: see
/// docs/decisions/005-user-backbones.md.
/// </remarks>
public static class OnnxBackboneInspector
{
    /// <summary>Inspects a model. Runs it a few times, so it takes up to seconds.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="options">What the user knows; null for nothing.</param>
    /// <exception cref="TransferException">The model cannot be a backbone, or something that only the user can know is
    /// missing; the message says what and how to mend it.</exception>
    /// <exception cref="GraphException">The graph is damaged.</exception>
    public static InspectedBackbone Inspect(OnnxModel model, OnnxInspectionOptions? options = null)
    {
        options ??= new OnnxInspectionOptions();
        OperatorCheck.Require(model);
        model = model.WithConstantWeights();
        if (TextInputs.AreLike(model))
            throw new TransferException(
                $"The model takes token numbers ({string.Join(", ", model.Inputs.Select(i => $"'{i.Name}'"))}), not "
                    + "images: it is a model of texts. Add it with --kind text (Text) and its vocabulary."
            );
        ImageInput input = ImageInput.Find(model);
        int size = input.SizeOr(options.InputSize);
        Imaging.Preprocessing preprocessing = StatedPreprocessing.Of(model, options, size);

        OnnxModel normal = input.Normalise(model, size);
        if (input.Batch is { } batch)
            normal = normal
                .Outputs.Select(o => o.Name)
                .Where(o => normal.Nodes.Any(n => n.Output.Contains(o)))
                .Aggregate(
                    normal,
                    (m, o) => BatchDimension.Free(m, GraphPath.Between(m, Backbone.InputName, o), batch)
                );
        string output = ClassifierOutput.Find(normal, options.Output, size);
        normal = GraphCut.At(normal, [output], typed: false).RemoveUnusedInitializers();

        GraphPath path = GraphPath.Between(normal, Backbone.InputName, output);
        IReadOnlyDictionary<string, SampleRun.Result> values = SampleRun.Of(
            normal,
            [.. path.Waypoints.Select(w => w.Tensor)],
            SampleRun.Noise(1, size),
            1,
            size
        );
        IReadOnlyList<BackboneTap> taps = TapProposals.Propose(path, values, size);
        if (taps.Count == 0)
            throw new TransferException(
                $"No tensor of the model can be tapped: of {path.Waypoints.Count} that every path passes through, "
                    + $"none is a square map [N, channels, side, side] or the row that a last layer takes. Export a "
                    + $"convolutional classifier, or one whose last layer takes one row per image."
            );
        BatchDimension.Check(normal, [.. taps.Select(t => t.Tensor), output], size, input.Batch);
        int classes =
            values[output].Shape is [_, > 1] or [_, > 1, 1, 1] && taps[^1].Tensor != output
                ? values[output].Shape[1]
                : 0;
        IReadOnlyList<string> labels = StatedPreprocessing.Labels(model.Metadata);
        return new InspectedBackbone(
            Declare(normal, taps, values, output),
            preprocessing,
            taps,
            classes,
            labels.Count == classes ? labels : []
        );
    }

    /// <summary>
    /// States the shapes that were found, so that nobody has to infer them, and what an exporter computes while the
    /// model runs is known before.
    /// </summary>
    private static OnnxModel Declare(
        OnnxModel model,
        IReadOnlyList<BackboneTap> taps,
        IReadOnlyDictionary<string, SampleRun.Result> values,
        string output
    ) =>
        model.With(proto =>
        {
            IReadOnlyDictionary<string, TensorShape> types = TensorShapes.Of(
                model,
                [.. taps.Select(t => t.Tensor), output]
            );
            TensorShape Known(string tensor) =>
                new(types[tensor].ElementType, ["N", .. values[tensor].Shape.Skip(1).Select(d => (Dimension)d)]);
            proto.Graph.ValueInfo.AddRange(
                taps.Select(t => t.Tensor).Where(t => t != output).Distinct().Select(t => Known(t).ToValueInfo(t))
            );
            proto.Graph.Output.Clear();
            proto.Graph.Output.Add(Known(output).ToValueInfo(output));
        });
}

/// <summary>What the inspection of an ONNX model found, and the model in the form that every backbone has.</summary>
/// <param name="Model">The model with one input <c>image</c>, float32 [N, 3, size, size], a dynamic batch and one
/// output.</param>
/// <param name="Preprocessing">What turns an image into the input.</param>
/// <param name="Taps">Where it can be cut, from the input to the output; at least one.</param>
/// <param name="Classes">Scores that the output has per image; 0 where the model is no classifier.</param>
/// <param name="Labels">Names of the classes as the file's metadata states them [Classes]; empty where it does
/// not.</param>
public sealed record InspectedBackbone(
    OnnxModel Model,
    Preprocessing Preprocessing,
    IReadOnlyList<BackboneTap> Taps,
    int Classes,
    IReadOnlyList<string> Labels
);

/// <summary>What the user knows of an ONNX model that its graph may not state. Immutable.</summary>
public sealed record OnnxInspectionOptions
{
    /// <summary>
    /// Side of the square input in pixels, in [8, 4096]; needed where the graph leaves height and width open. Default
    /// null: the graph's own.
    /// </summary>
    public int? InputSize
    {
        get;
        init => field = value is { } size ? Check.InRange(size, 8, 4096) : null;
    }

    /// <summary>Mean per channel, RGB, on the scale 0..1. Default null: as the file's metadata states it.</summary>
    public ChannelValues? Mean { get; init; }

    /// <summary>
    /// Standard deviation per channel, RGB, on the scale 0..1, each above 0. Default null: as the file's metadata
    /// states it.
    /// </summary>
    public ChannelValues? Std
    {
        get;
        init =>
            field = value is null or { Red: > 0, Green: > 0, Blue: > 0 }
                ? value
                : throw new ArgumentOutOfRangeException(
                    nameof(Std),
                    value,
                    "Every standard deviation must be above 0."
                );
    }

    /// <summary>
    /// How the image fills the square. Default null: as the file's metadata states it, else
    /// <see cref="Framing.Stretch"/>.
    /// </summary>
    public Framing? Framing { get; init; }

    /// <summary>
    /// The resampling filter. Default null: as the file's metadata states it, else
    /// <see cref="Interpolation.Bilinear"/>.
    /// </summary>
    public Interpolation? Interpolation { get; init; }

    /// <summary>
    /// Name of the output with the scores of the classes, for a model with several outputs that could be it. Default
    /// null: found from the graph.
    /// </summary>
    public string? Output { get; init; }
}

/// <summary>Runs a model on noise: what its tensors are, once all sizes are known.</summary>
/// <remarks>
/// Real shapes, not inferred ones: exporters write reshapes whose sizes are computed while the model runs.
/// </remarks>
internal static class SampleRun
{
    /// <summary>One tensor of a run.</summary>
    /// <param name="Shape">Dimensions.</param>
    /// <param name="Values">Values as float32, row-major; empty where the type is not float32, float16 or
    /// float64.</param>
    public sealed record Result(int[] Shape, float[] Values)
    {
        public bool IsNumber => Values.Length > 0;
    }

    /// <summary>
    /// Standard normal noise [batch, 3, size, size]; a smaller batch is the beginning of a larger one.
    /// </summary>
    public static float[] Noise(int batch, int size)
    {
        Rng rng = new(1);
        return [.. Enumerable.Range(0, batch * 3 * size * size).Select(_ => (float)rng.NextNormal())];
    }

    /// <summary>The given tensors for a batch of images.</summary>
    /// <param name="model">The model, with the input <c>image</c>.</param>
    /// <param name="tensors">Tensors to read.</param>
    /// <param name="images">Images [batch, 3, size, size].</param>
    /// <param name="batch">Images in the batch.</param>
    /// <param name="size">Side in pixels.</param>
    public static IReadOnlyDictionary<string, Result> Of(
        OnnxModel model,
        IReadOnlyList<string> tensors,
        float[] images,
        int batch,
        int size
    )
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        try
        {
            using OrtSession session = new(
                cut.ToBytes(),
                OrtSettings.AsWritten with
                {
                    Log = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
                },
                "the model"
            );
            using OrtValue image = OrtValue.CreateTensorValueFromMemory(images, [batch, 3, size, size]);
            string[] names = [.. tensors.Distinct()];
            using IDisposableReadOnlyCollection<OrtValue> values = session.Run(
                new Dictionary<string, OrtValue> { [Backbone.InputName] = image },
                names
            );
            return names.Zip(values).ToDictionary(v => v.First, v => Read(v.Second));
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new TransferException(
                $"ONNX Runtime {OrtSession.RuntimeVersion} cannot run the model on {batch} "
                    + $"image{(batch == 1 ? "" : "s")} of {size} x {size} pixels: {said} Is that "
                    + $"the size it takes? Export it with a dynamic batch and operators that ONNX Runtime knows.",
                e
            );
        }
    }

    /// <summary>A tensor of a run.</summary>
    internal static Result Read(OrtValue value)
    {
        if (!value.IsTensor)
            return new Result([], []);
        OrtTensorTypeAndShapeInfo info = value.GetTensorTypeAndShape();
        float[] values = info.ElementDataType switch
        {
            TensorElementType.Float => value.GetTensorDataAsSpan<float>().ToArray(),
            TensorElementType.Float16 => [.. value.GetTensorDataAsSpan<Float16>().ToArray().Select(h => (float)h)],
            TensorElementType.Double => [.. value.GetTensorDataAsSpan<double>().ToArray().Select(d => (float)d)],
            _ => [],
        };
        return new Result([.. info.Shape.Select(d => (int)d)], values);
    }
}

/// <summary>
/// Refuses operators that neither ONNX nor ONNX Runtime defines, before ONNX Runtime does so in its own words.
/// </summary>
internal static class OperatorCheck
{
    /// <summary>Domains that ONNX Runtime implements.</summary>
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "",
        "ai.onnx",
        "ai.onnx.ml",
        "com.microsoft",
        "com.microsoft.nchwc",
        "com.ms.internal.nhwc",
    };

    public static void Require(OnnxModel model)
    {
        ModelProto proto = model.Proto;
        HashSet<(string Domain, string Name)> own = [.. proto.Functions.Select(f => (f.Domain, f.Name))];
        NodeProto? custom = proto
            .Graph.Node.Concat(proto.Functions.SelectMany(f => f.Node))
            .SelectMany(WithSubgraphs)
            .FirstOrDefault(n => !Known.Contains(n.Domain) && !own.Contains((n.Domain, n.OpType)));
        if (custom is not null)
            throw new TransferException(
                $"The model has the operator '{custom.OpType}' of the domain '{custom.Domain}' "
                    + $"({NodeOrder.Describe(custom)}), which neither ONNX nor ONNX Runtime defines. Export the "
                    + $"model with ONNX's own operators."
            );
    }

    private static IEnumerable<NodeProto> WithSubgraphs(NodeProto node) =>
        Subgraphs.Of(node).SelectMany(g => g.Node).SelectMany(WithSubgraphs).Prepend(node);
}
