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
/// <remarks>
/// Each of several networks side by side is run and cached by itself, so that the features of a network are computed
/// once, whatever it is combined with.
/// </remarks>
public sealed class FeatureExtractor : IDisposable
{
    private readonly NetworkFeatures[] networks;

    /// <summary>Prepares a backbone as a feature extractor.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Names of the card's taps, side by side in this order; null for the card's default, of each
    /// network where there are several.</param>
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
        Taps = [.. (taps ?? backbone.DefaultTaps()).Select(backbone.Card.Tap)];
        if (Taps.Distinct().Count() < Taps.Count)
            throw new TransferException(
                $"A tap is given twice: {string.Join(", ", Taps.Select(t => t.Name))}. Give each once."
            );
        var opened = new List<NetworkFeatures>();
        try
        {
            foreach (Backbone part in backbone.Parts)
                if (NetworkFeatures.Places(backbone, part, Taps) is { Length: > 0 } places)
                    opened.Add(new NetworkFeatures(backbone, part, Taps, places, limits, plan));
        }
        catch
        {
            opened.ForEach(network => network.Dispose());
            throw;
        }

        networks = [.. opened];
        Space = SpaceOf(backbone, [.. Taps.Select(t => t.Tensor)], Plan);
    }

    /// <summary>Everything that features of a backbone depend on besides the image.</summary>
    internal static FeatureSpace SpaceOf(Backbone backbone, IReadOnlyList<string> tensors, ExecutionPlan plan) =>
        new(
            backbone.Digest,
            tensors,
            backbone.Card.Encoder,
            backbone.Card.Encoder.Version,
            ItemGraph.RuntimeVersion,
            Device(plan.Provider)
        );

    /// <summary>The taps, in the order of their features.</summary>
    public IReadOnlyList<BackboneTap> Taps { get; }

    /// <summary>Which features come from which tap.</summary>
    public TapGroups Groups =>
        new([.. Taps.Select(t => t.Name)], [.. Taps.Select(t => t.Width)], [.. Taps.Select(t => t.Network)]);

    /// <summary>Features per image.</summary>
    public int Width => Taps.Sum(t => t.Width);

    /// <summary>How the graph is run.</summary>
    public ExecutionPlan Plan => networks[0].Graph.Plan;

    /// <summary>Everything that the features depend on besides the image.</summary>
    public FeatureSpace Space { get; }

    /// <summary>Extracts the features of image files.</summary>
    /// <param name="items">The images.</param>
    /// <param name="cacheFolder">Folder for cached features; null for no cache.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images; what was extracted stays in the cache.</param>
    /// <returns>Features [accepted × width], and a rejection for every other image.</returns>
    public ItemRows Extract(
        IReadOnlyList<DataItem> items,
        string? cacheFolder = null,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        ItemRows[] found =
        [
            .. networks.Select(network => network.Extract(items, cacheFolder, networks.Length, progress, cancellation)),
        ];
        return found.Length == 1 ? found[0] : RowsTogether.Of(items, found, networks, Taps);
    }

    /// <summary>What each network costs on some of the images; see <see cref="NetworkCost"/>.</summary>
    /// <param name="items">Images that can be used.</param>
    /// <param name="clock">Measures the times.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    internal IReadOnlyList<NetworkCost> Costs(
        IReadOnlyList<DataItem> items,
        TimeProvider clock,
        CancellationToken cancellation
    ) => [.. networks.Select(network => network.Cost(items, clock, cancellation))];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (NetworkFeatures network in networks)
            network.Dispose();
    }

    /// <summary>ONNX Runtime picks its kernels by these, and each sums in another order.</summary>
    private static string Device(ExecutionProvider provider) =>
        provider != ExecutionProvider.Cpu ? provider.ToString()
        : Avx512F.IsSupported ? "cpu avx512"
        : Avx2.IsSupported ? "cpu avx2"
        : AdvSimd.IsSupported ? "cpu neon"
        : "cpu";
}
