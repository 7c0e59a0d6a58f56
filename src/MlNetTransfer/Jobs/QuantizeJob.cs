using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Quantization;
using MlNetTransfer.Training;

namespace MlNetTransfer.Jobs;

/// <summary>
/// A backbone that is to run on bytes, as a new backbone of the user's. Immutable; an invalid instance cannot be made.
/// </summary>
public sealed record QuantizeOptions : DataJobRequest
{
    /// <summary>Id of the backbone, one network in float.</summary>
    public required string Backbone
    {
        get;
        init => field = BackboneCard.CheckId(value);
    }

    /// <summary>
    /// Images like those that will be trained on: folders, lists, archives and files; labels are not looked at. A
    /// quarter of them, at most 64, are set aside to measure what the features lose.
    /// </summary>
    public required IReadOnlyList<string> Images
    {
        get;
        init => field = Names.Of(value, least: 1);
    }

    /// <summary>The column of lists that has texts, for a backbone of texts. Default null: lists name files.</summary>
    public string? TextColumn { get; init; }

    /// <summary>Id of the new backbone, not yet taken.</summary>
    public required string Id
    {
        get;
        init => field = BackboneCard.CheckId(value);
    }

    /// <summary>Images that ranges are taken from, drawn from those given, in [1, 100000]. Default 256.</summary>
    public int CalibrationImages
    {
        get;
        init => field = Check.InRange(value, 1, 100_000);
    } = 256;

    /// <summary>How the range of a tensor is chosen from its values. Default: from least to greatest.</summary>
    public RangeCalibration Calibration { get; init; } = new();

    /// <summary>How much of a byte the weights use. Default <see cref="WeightBits.Eight"/>.</summary>
    public WeightBits WeightBits { get; init; } = WeightBits.Eight;

    /// <summary>
    /// Rounds in which speed is measured, float and bytes in turns, in [0, 1000]; 0 to leave it out. Default 5.
    /// </summary>
    public int SpeedRounds
    {
        get;
        init => field = Check.InRange(value, 0, 1000);
    } = 5;

    /// <summary>Draws the images. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Cache for imported backbones. Default <see cref="MlNetTransfer.CacheFolder.Root"/>.</summary>
    public string CacheFolder
    {
        get;
        init => field = Check.NotEmpty(value);
    } = MlNetTransfer.CacheFolder.Root;

    /// <summary>
    /// Folder of the user's backbones, which gets the new one. Default null: that of <see cref="UserCatalog"/>.
    /// </summary>
    public string? Catalog
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <inheritdoc/>
    public override QuantizeJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>
/// Makes a backbone whose layers run on bytes: features in about half the time on a CPU, a quarter of the size. Heads
/// are trained on its features as on any others, so that nothing differs between training and use, and what it costs in
/// accuracy shows beside the float backbone (<c>models compare</c>).
/// </summary>
/// <remarks>
/// Static quantisation as <see cref="Int8Export"/> does it; what lies above the deepest tap, the classifier of the
/// source classes, stays in float. Equal images and options give equal bytes.
/// </remarks>
/// <param name="options">What is made of what.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class QuantizeJob(QuantizeOptions options, JobServices? services = null) : IJob<QuantizeSummary>
{
    private const int Judged = 64,
        Timed = 16;

    private readonly JobServices services = services ?? JobServices.Default;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told how far each stage is, from any thread.</param>
    /// <param name="cancellation">Ends the job; no backbone is added.</param>
    /// <exception cref="TransferException">The backbone is on bytes already or has no layer for them, no image can be
    /// used, or the id is taken; the message names it and the fix.</exception>
    public QuantizeSummary Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        cancellation.ThrowIfCancellationRequested();
        long started = services.Clock.GetTimestamp();
        var catalog = new UserCatalog(options.Catalog);
        catalog.RequireFree(options.Id);
        Backbone backbone = new BackboneStore(services.Catalog, Path.Combine(options.CacheFolder, "backbones")).Open(
            options.Backbone,
            cancellation
        );
        TextColumns.Require(backbone.Card.Encoder, options.TextColumn, [], $"Backbone '{backbone.Card.Id}'");
        OnnxModel model = backbone.LoadModel();
        if (model.Nodes.FirstOrDefault(FineTuneRecipe.IsOfQuantisedWeights) is { } already)
            throw new TransferException(
                $"The backbone '{backbone.Card.Id}' runs on bytes already ('{already.OpType}'). Give the one in float."
            );
        (DataItem[] calibration, DataItem[] judged, IReadOnlyList<RejectedItem> passedOver) = Draw();
        string[] taps = [.. backbone.Card.Taps.Select(tap => tap.Tensor)],
            outputs = [.. model.Outputs.Select(output => output.Name)];
        QuantizableGraph graph = QuantizableGraph.Of(model.CutAt([.. outputs, .. taps.Except(outputs)]));
        string[] above = Above(graph, taps);
        if (above.Length == graph.Layers.Count)
            throw new TransferException(
                $"The backbone '{backbone.Card.Id}' has no Conv, Gemm or MatMul with constant weights below its taps, "
                    + "so nothing would run on bytes. Use it as it is."
            );
        var plan = ExecutionPlan.For(ExecutionProvider.Cpu, options.Workers);
        CalibrationValues values = new RangeCalibrator(graph, backbone.Card.Encoder, options.Limits, plan).Run(
            calibration,
            Timed,
            progress,
            cancellation
        );
        // Taps are no outputs of a backbone; the nodes that make them stay.
        OnnxModel bytes = graph
            .Quantize(values.Ranges(options.Calibration), above.ToHashSet(), options.WeightBits)
            .With(proto =>
            {
                foreach (var output in proto.Graph.Output.Where(o => !outputs.Contains(o.Name)).ToArray())
                    proto.Graph.Output.Remove(output);
            });
        var comparison = new FeatureComparison(backbone.Card, options.Limits, plan, services.Clock);
        (IReadOnlyList<TapLoss> losses, IReadOnlyList<RejectedItem> rejected) = comparison.Losses(
            model,
            bytes,
            judged,
            progress,
            cancellation
        );
        SpeedRatio? speed =
            options.SpeedRounds == 0
                ? null
                : comparison.Speed(model, bytes, values.Tensors, options.SpeedRounds, cancellation);
        BackboneCard card = catalog.Keep(
            backbone.Card with
            {
                Id = options.Id,
                Name = $"{backbone.Card.Name} on bytes",
                Provenance = string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{backbone.Card.Id}, SHA-256 {backbone.Digest}, quantised to int8 with ranges of {values.Images} "
                        + $"images. {backbone.Card.Provenance}"
                ),
                Restore =
                    $"mlnet-transfer models remove {options.Id}, then mlnet-transfer models quantize "
                    + $"{backbone.Card.Id} IMAGES --id {options.Id}",
            },
            bytes,
            cancellation
        );
        return new QuantizeSummary
        {
            Card = card,
            Source = backbone.Card.Id,
            Layers = graph.Layers.Count - above.Length,
            FloatLayers = above,
            CalibrationImages = values.Images,
            JudgedImages = judged.Length - rejected.Count,
            Taps = losses,
            Speed = speed,
            FloatBytes = model.ToBytes().LongLength,
            Int8Bytes = bytes.ToBytes().LongLength,
            Rejected = [.. passedOver, .. values.Rejected, .. rejected],
            Seconds = services.Clock.GetElapsedTime(started).TotalSeconds,
        };
    }

    /// <summary>Images to take ranges from, and others to judge by.</summary>
    private (DataItem[] Calibration, DataItem[] Judged, IReadOnlyList<RejectedItem> PassedOver) Draw()
    {
        (IReadOnlyList<DataItem> items, IReadOnlyList<RejectedItem> passedOver) = ImageInputs.Of(
            options.Images,
            options.TextColumn
        );
        if (items.Count < 2)
            throw new TransferException(
                $"There are {items.Count} images in {string.Join(", ", options.Images)}; at least 2 are needed, one "
                    + "to take ranges from and one to judge by. Give a folder of images like those to train on."
            );
        int[] order = [.. Enumerable.Range(0, items.Count)];
        new Rng(options.Seed).Shuffle<int>(order);
        int judged = Math.Clamp(items.Count / 4, 1, Judged);
        DataItem[] Of(IEnumerable<int> places) => [.. places.Order().Select(i => items[i])];
        return (Of(order.Skip(judged).Take(options.CalibrationImages)), Of(order.Take(judged)), passedOver);
    }

    /// <summary>Names of the layers that lie above the deepest tap.</summary>
    private static string[] Above(QuantizableGraph graph, string[] taps)
    {
        string[] below = [.. graph.Model.CutAt(taps).Nodes.Select(node => node.Name)];
        return [.. graph.Layers.Select(layer => layer.Name).Except(below)];
    }
}

/// <summary>What a backbone on bytes costs and gains.</summary>
public sealed record QuantizeSummary
{
    /// <summary>The new backbone's card.</summary>
    public required BackboneCard Card { get; init; }

    /// <summary>Id of the backbone in float.</summary>
    public required string Source { get; init; }

    /// <summary>Layers on bytes.</summary>
    public required int Layers { get; init; }

    /// <summary>Layers in float: those above the deepest tap.</summary>
    public required IReadOnlyList<string> FloatLayers { get; init; }

    /// <summary>Images that ranges were taken from.</summary>
    public required int CalibrationImages { get; init; }

    /// <summary>Other images, by which the features were compared.</summary>
    public required int JudgedImages { get; init; }

    /// <summary>How far the features differ, tap by tap.</summary>
    public required IReadOnlyList<TapLoss> Taps { get; init; }

    /// <summary>How much faster it runs here, decoding left out; null where it was not measured.</summary>
    public required SpeedRatio? Speed { get; init; }

    /// <summary>Bytes of the backbone in float.</summary>
    public required long FloatBytes { get; init; }

    /// <summary>Bytes of the new one.</summary>
    public required long Int8Bytes { get; init; }

    /// <summary>Images that could not be used, and why.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>Time taken.</summary>
    public required double Seconds { get; init; }
}
