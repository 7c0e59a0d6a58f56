using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Features;

/// <summary>
/// Turns images into bottleneck features: the activations of a frozen backbone at its taps, each averaged over the
/// positions of the map.
/// </summary>
public sealed class FeatureExtractor : IDisposable
{
    private readonly ImageGraph graph;
    private readonly DeviceParity parity;

    /// <summary>Prepares a backbone as a feature extractor.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Names of the card's taps, side by side in this order; null for the card's default.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <exception cref="TransferException">The device cannot be used, or the card has no such tap, or a tap is given
    /// twice.</exception>
    public FeatureExtractor(
        Backbone backbone,
        IReadOnlyList<string>? taps = null,
        ImageLimits? limits = null,
        ExecutionPlan? plan = null
    )
    {
        Taps = [.. (taps ?? [backbone.Card.DefaultTap]).Select(backbone.Card.Tap)];
        if (Taps.Distinct().Count() < Taps.Count)
            throw new TransferException(
                $"A tap is given twice: {string.Join(", ", Taps.Select(t => t.Name))}. Give each once."
            );
        string[] tensors = [.. Taps.Select(t => t.Tensor)];
        (byte[] onnx, graph) = FeatureGraph.Open(backbone.LoadModel(), tensors, backbone.Card.Encoder, limits, plan);
        parity = new DeviceParity(onnx, graph);
        Space = SpaceOf(backbone, tensors, graph.Plan);
    }

    /// <summary>Everything that features of a backbone depend on besides the image.</summary>
    internal static FeatureSpace SpaceOf(Backbone backbone, IReadOnlyList<string> tensors, ExecutionPlan plan) =>
        new(
            backbone.Digest,
            tensors,
            backbone.Card.Encoder,
            backbone.Card.Encoder.Version,
            ImageGraph.RuntimeVersion,
            Device(plan.Provider)
        );

    /// <summary>The taps, in the order of their features.</summary>
    public IReadOnlyList<BackboneTap> Taps { get; }

    /// <summary>Which features come from which tap.</summary>
    public TapGroups Groups => new([.. Taps.Select(t => t.Name)], [.. Taps.Select(t => t.Width)]);

    /// <summary>Features per image.</summary>
    public int Width => graph.OutputWidth;

    /// <summary>How the graph is run.</summary>
    public ExecutionPlan Plan => graph.Plan;

    /// <summary>Everything that the features depend on besides the image.</summary>
    public FeatureSpace Space { get; }

    /// <summary>Extracts the features of image files.</summary>
    /// <param name="items">The images.</param>
    /// <param name="cacheFolder">Folder for cached features; null for no cache.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images; what was extracted stays in the cache.</param>
    /// <returns>Features [accepted × width], and a rejection for every other image.</returns>
    public ImageRows Extract(
        IReadOnlyList<ImageItem> items,
        string? cacheFolder = null,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using FeatureCache? cache = cacheFolder is null ? null : new FeatureCache(cacheFolder, Space, Width);
        return Extract(items, cache, progress, cancellation);
    }

    /// <summary>Extracts the features of images, with a cache that is open already.</summary>
    internal ImageRows Extract(
        IReadOnlyList<ImageItem> items,
        FeatureCache? cache,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        parity.Check(items, cancellation);
        return new ImageRunner(graph, cache).Run(items, "Extracting features", progress, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => graph.Dispose();

    /// <summary>ONNX Runtime picks its kernels by these, and each sums in another order.</summary>
    private static string Device(ExecutionProvider provider) =>
        provider != ExecutionProvider.Cpu ? provider.ToString()
        : Avx512F.IsSupported ? "cpu avx512"
        : Avx2.IsSupported ? "cpu avx2"
        : AdvSimd.IsSupported ? "cpu neon"
        : "cpu";
}
