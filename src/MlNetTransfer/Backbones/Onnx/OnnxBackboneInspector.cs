using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Makes a backbone of any ONNX image model: everything is found from the graph and from running it, nothing from
/// names.
/// </summary>
/// <remarks>
/// Input: the only one, float or uint8, of 1, 3 or 4 channels, first or last; converted by a few nodes where needed. A
/// fixed batch is made dynamic; two images run together and alone must agree. Preprocessing: what is stated, checked
/// against what the network remembers of its training, see <see cref="PreprocessingDetective"/>. Taps: see
/// docs/decisions/005-user-backbones.md.
/// </remarks>
public static class OnnxBackboneInspector
{
    /// <summary>Inspects a model. Runs it a few times, so it takes up to seconds.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="options">What the user knows; null for nothing.</param>
    /// <param name="progress">Told how far the check of the preprocessing is.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <exception cref="TransferException">The model cannot be a backbone, or something that only the user can know is
    /// missing; the message says what and how to mend it.</exception>
    /// <exception cref="GraphException">The graph is damaged.</exception>
    public static InspectedBackbone Inspect(
        OnnxModel model,
        OnnxInspectionOptions? options = null,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        options ??= new OnnxInspectionOptions();
        OperatorCheck.Require(model);
        model = model.WithConstantWeights();
        TextInputs.Refuse(model);
        ImageInput input = ImageInput.Find(model);
        PreprocessingParts parts = StatedPreprocessing.Merge(
            options.Preprocessing,
            [.. StatedPreprocessing.Of(model, input), .. options.Beside],
            options.Overrules
        );
        (int Width, int Height) shape = input.ShapeOr(options.Asked, parts);
        if (parts.MeanImage is { } mean && (mean.Width, mean.Height) != shape)
            throw new TransferException(
                $"The mean image is {mean.Width} x {mean.Height} pixels, the input of the model {shape.Width} x "
                    + $"{shape.Height}. Give the mean image of this network, or its mean colour by --mean."
            );
        Network plain = Network.Of(
            input,
            model,
            options.Output,
            shape,
            ChannelOrder.Rgb,
            parts.Scale,
            null,
            options.Checks
        );
        PreprocessingEvidence? evidence = options.Checks
            ? Evidence(plain, input, shape, parts, options, progress, cancellation)
            : null;
        parts = Choose(parts, evidence, input);
        Network network = parts is { Order: ChannelOrder.Bgr } or { MeanImage: not null }
            ? Network.Of(
                input,
                model,
                options.Output,
                shape,
                parts.Order ?? default,
                parts.Scale,
                parts.MeanImage,
                options.Checks
            )
            : plain;
        Imaging.Preprocessing preprocessing = parts.For(parts.Scale!, shape);

        IReadOnlyDictionary<string, SampleRun.Result> values = network.Sample();
        IReadOnlyList<BackboneTap> taps = TapProposals.Propose(network.Path, values, shape);
        if (taps.Count == 0)
            throw new TransferException(
                $"No tensor of the model can be tapped: of {network.Path.Waypoints.Count} that every path passes "
                    + "through, none is a map [N, channels, height, width] or the row that a last layer takes. Export "
                    + $"a convolutional classifier, or one whose last layer takes one row per image."
            );
        BatchDimension.Check(network.Model, [.. taps.Select(t => t.Tensor), network.Output], shape, input.Batch);
        int classes = (values[network.Output].Shape, taps[^1].Tensor == network.Output) switch
        {
            ([_, 1], false) => 2,
            ([_, var row], false) => row,
            ([_, var map, 1, 1], false) => map,
            _ => 0,
        };
        IReadOnlyList<string> labels = StatedPreprocessing.Labels(model);
        return new InspectedBackbone(
            Declare(network.Model, taps, values, network.Output),
            preprocessing,
            taps,
            classes,
            labels.Count == classes ? labels : []
        )
        {
            Adapted = input.Describe(parts.Order ?? default, parts.MeanImage),
            Evidence = evidence,
            Warning = evidence?.Warning(parts),
        };
    }

    /// <summary>Checks the preprocessing that a backbone's card states. Takes seconds.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="images">Images to try it with, with labels where they have some; none for made ones.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <exception cref="TransferException">It takes no images, or remembers nothing of its training.</exception>
    public static CheckedPreprocessing Check(
        Backbone backbone,
        IReadOnlyList<DataItem> images,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        Imaging.Preprocessing stated = backbone.Card.Images;
        PreprocessingParts parts = PreprocessingParts.Of(stated);
        OnnxModel model = backbone.LoadModel();
        string output = model.Outputs[0].Name;
        var network = new Network(model, output, GraphPath.Between(model, Backbone.InputName, output), stated.Shape);
        var options = new OnnxInspectionOptions { Images = images };
        PreprocessingEvidence evidence =
            Evidence(network, ImageInput.Find(model), stated.Shape, parts, options, progress, cancellation)
            ?? throw new TransferException(
                $"The backbone '{backbone.Card.Id}' has no batch normalisation that would tell how it was trained. "
                    + "Give --images FOLDER with one folder per class, and it is judged by how well it tells these "
                    + "apart."
            );
        return new CheckedPreprocessing(parts, evidence, evidence.Warning(parts));
    }

    /// <summary>What speaks for one preprocessing or another; null where nothing does.</summary>
    private static PreprocessingEvidence? Evidence(
        Network network,
        ImageInput input,
        (int Width, int Height) shape,
        PreprocessingParts parts,
        OnnxInspectionOptions options,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (parts.MeanImage is not null || (input.Channels == 4 && parts.Scale is null))
            return null;
        IReadOnlyList<PreprocessingChoice> candidates = PreprocessingChoice.Candidates(input.Channels, parts);
        Imaging.Preprocessing framing = parts.For(NamedPreprocessing.Raw, shape);
        var detective = new PreprocessingDetective(network.Model);
        if (detective.CanTell)
            return detective.Compare(
                options.Images.Count > 0 ? SampleImages.Of(options.Images, framing) : SampleImages.Made(shape),
                shape,
                candidates,
                progress,
                cancellation
            );
        return options.Images.Select(i => i.Label).Distinct().Count() < 2
            ? null
            : new ClassSeparability(network.Model, network.LastTap()).Compare(
                options.Images,
                framing,
                candidates,
                progress,
                cancellation
            );
    }

    /// <summary>What was stated, and of the rest what is clear from the evidence.</summary>
    /// <exception cref="TransferException">Neither says how pixels become numbers; the message names the
    /// options.</exception>
    private static PreprocessingParts Choose(
        PreprocessingParts parts,
        PreprocessingEvidence? evidence,
        ImageInput input
    )
    {
        if (parts.Scale is null && evidence is not { IsClear: true })
            throw new TransferException(
                "The file does not say how pixels become numbers, and a wrong guess costs accuracy silently. "
                    + (
                        evidence is null
                            ? "The network has no batch normalisation that would tell either. Where you have images "
                                + "with labels, give --images FOLDER with one folder per class, and they are tried. "
                            : "Nor is it clear from the network: " + $"{Shown(evidence)}. "
                    )
                    + "Give --preprocessing imagenet (mean 0.485,0.456,0.406 and standard deviation 0.229,0.224,0.225, "
                    + "as torchvision and timm mostly do), unit (0 to 1), minus1to1, raw255 (0 to 255), caffe (0 to "
                    + "255 less the mean, BGR), keras:FAMILY or torchvision:WEIGHTS; or --mean r,g,b --std r,g,b."
            );
        if (evidence is null)
            return parts;
        RankedPreprocessing best = parts.Scale is { } known
            ? evidence.Ranking.First(r => r.Choice.Scale.IsNear(known))
            : evidence.Best;
        return parts with
        {
            Scale = parts.Scale ?? best.Choice.Scale,
            Order = parts.Order ?? OrderOf(evidence, isStated: parts.Scale is not null),
        };
    }

    /// <summary>
    /// What the network remembers, where that is clear; else blue first where its scale was found to be that of Caffe,
    /// whose networks have it, and red first for all others.
    /// </summary>
    private static ChannelOrder OrderOf(PreprocessingEvidence evidence, bool isStated)
    {
        if (evidence.OrderIsClear)
            return evidence.Best.Choice.Order;
        return !isStated && evidence.Best.Choice.Scale.IsNear(NamedPreprocessing.Caffe)
            ? ChannelOrder.Bgr
            : ChannelOrder.Rgb;
    }

    private static string Shown(PreprocessingEvidence evidence) =>
        string.Join(
            "; ",
            evidence.Ranking.Take(4).Select(r => FormattableString.Invariant($"{r.Choice.Name} off by {r.Score:0.00}"))
        );

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

/// <summary>A foreign model with the input that every backbone has, cut at its scores.</summary>
/// <param name="Model">The model.</param>
/// <param name="Output">The tensor of its scores.</param>
/// <param name="Path">The way of the image to it.</param>
/// <param name="Shape">Width and height.</param>
internal sealed record Network(OnnxModel Model, string Output, GraphPath Path, (int Width, int Height) Shape)
{
    public static Network Of(
        ImageInput input,
        OnnxModel model,
        string? asked,
        (int Width, int Height) shape,
        ChannelOrder order,
        ChannelScale? scale,
        MeanImage? meanImage,
        bool requiresLayers
    )
    {
        OnnxModel normal = input.Normalise(model, shape, order, scale, meanImage);
        if (input.Batch is { } batch)
            normal = normal
                .Outputs.Select(o => o.Name)
                .Where(o => normal.Nodes.Any(n => n.Output.Contains(o)))
                .Aggregate(
                    normal,
                    (m, o) => BatchDimension.Free(m, GraphPath.Between(m, Backbone.InputName, o), batch)
                );
        string output = ClassifierOutput.Find(normal, asked, shape);
        normal = GraphCut.At(normal, [output], typed: false).RemoveUnusedInitializers();
        GraphPath path = GraphPath.Between(normal, Backbone.InputName, output);
        if (requiresLayers && !path.HasLayers)
            throw new TransferException(
                $"The graph is no network: of its {normal.Nodes.Count} nodes "
                    + $"({string.Join(", ", normal.Nodes.Select(n => n.OpType).Distinct().Take(6))}) none is a layer "
                    + "with weights. It may be the preprocessing of one; add the file with the network."
            );
        return new Network(normal, output, path, shape);
    }

    /// <summary>All tensors of the way, for an image of noise.</summary>
    public IReadOnlyDictionary<string, SampleRun.Result> Sample() =>
        SampleRun.Of(Model, [.. Path.Waypoints.Select(w => w.Tensor)], SampleRun.Noise(1, Shape), 1, Shape);

    /// <summary>The last tensor that can be tapped.</summary>
    public string LastTap() => TapProposals.Propose(Path, Sample(), Shape) is [.., var last] ? last.Tensor : Output;
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
)
{
    /// <summary>What the network itself takes, where its graph converts the input; null where nothing is
    /// converted.</summary>
    public string? Adapted { get; init; }

    /// <summary>What speaks for one preprocessing or another; null where nothing does.</summary>
    public PreprocessingEvidence? Evidence { get; init; }

    /// <summary>Why the preprocessing is probably wrong; null where nothing speaks against it.</summary>
    public string? Warning { get; init; }
}

/// <summary>A backbone's preprocessing and what speaks for it.</summary>
/// <param name="Taken">The preprocessing of its card.</param>
/// <param name="Evidence">What speaks for one or another.</param>
/// <param name="Warning">Why it is probably wrong; null where nothing speaks against it.</param>
public sealed record CheckedPreprocessing(PreprocessingParts Taken, PreprocessingEvidence Evidence, string? Warning);

/// <summary>What the user knows of an ONNX model that its graph may not state. Immutable.</summary>
public sealed record OnnxInspectionOptions
{
    /// <summary>What is known of the preprocessing. Default: nothing, as the file states it.</summary>
    public PreprocessingParts Preprocessing { get; init; } = PreprocessingParts.None;

    /// <summary>What lies beside the file states. Default: nothing.</summary>
    public IReadOnlyList<PreprocessingStatement> Beside { get; init; } = [];

    /// <summary>Whether <see cref="Preprocessing"/> is right where the file states something else. Default false: that
    /// is an error.</summary>
    public bool Overrules { get; init; }

    /// <summary>
    /// Whether the graph must be a network, and its preprocessing is compared with what it remembers. Default true.
    /// </summary>
    public bool Checks { get; init; } = true;

    /// <summary>
    /// Images to try the network with; with labels of two classes or more, networks are judged by them that remember
    /// nothing of their training. Default none: made ones.
    /// </summary>
    public IReadOnlyList<DataItem> Images { get; init; } = [];

    /// <summary>Width and height that the user asks for.</summary>
    internal (int Width, int Height)? Asked =>
        Preprocessing is { Width: { } width, Height: { } height } ? (width, height) : null;

    /// <summary>
    /// Name of the output with the scores of the classes, for a model with several outputs that could be it. Default
    /// null: found from the graph.
    /// </summary>
    public string? Output { get; init; }
}
