using System.Security.Cryptography;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Features;

/// <summary>What scoring with a network costs, per image.</summary>
/// <param name="Network">Id of its card.</param>
/// <param name="Milliseconds">Decoding and running one image on one core, measured: the mean over some of the run's
/// own images of the fastest of three rounds. Differs from run to run.</param>
/// <param name="MultiplyAdds">Multiply-adds of its graph; null where its shapes are open. The same in every
/// run.</param>
/// <param name="Bytes">Bytes of its weights.</param>
internal sealed record NetworkCost(string Network, double Milliseconds, long? MultiplyAdds, long Bytes);

/// <summary>One of the networks of a <see cref="FeatureExtractor"/>: its graph, its cache, its part of a row.</summary>
internal sealed class NetworkFeatures : IDisposable
{
    private const int TimedImages = 8,
        Rounds = 3;

    private readonly DeviceParity parity;
    private readonly FeatureSpace space;
    private readonly byte[] onnx;

    /// <param name="whole">All networks.</param>
    /// <param name="part">This one of them.</param>
    /// <param name="taps">The taps that are taken of all.</param>
    /// <param name="places">Which of them are of this one.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    public NetworkFeatures(
        Backbone whole,
        Backbone part,
        IReadOnlyList<BackboneTap> taps,
        int[] places,
        ImageLimits? limits,
        ExecutionPlan? plan
    )
    {
        Id = part.Card.Id;
        TapPlaces = places;
        int prefix = part == whole ? 0 : SideBySide.Named(Id, "").Length;
        string[] tensors = [.. places.Select(place => taps[place].Tensor[prefix..])];
        (onnx, Graph) = FeatureGraph.Open(part.LoadModel(), tensors, part.Card.Encoder, limits, plan);
        parity = new DeviceParity(onnx, Graph);
        space = FeatureExtractor.SpaceOf(part, tensors, Graph.Plan);
    }

    /// <summary>Id of its card.</summary>
    public string Id { get; }

    /// <summary>The graph that gives its features.</summary>
    public ItemGraph Graph { get; }

    /// <summary>Which of the extractor's taps are its own, in the order of its features.</summary>
    public int[] TapPlaces { get; }

    /// <summary>Which taps are a network's.</summary>
    public static int[] Places(Backbone whole, Backbone part, IReadOnlyList<BackboneTap> taps) =>
        [.. Enumerable.Range(0, taps.Count).Where(i => part == whole || taps[i].Network == part.Card.Id)];

    /// <summary>Its features of the images.</summary>
    /// <param name="items">The images.</param>
    /// <param name="cacheFolder">Folder of its cache; null for none.</param>
    /// <param name="networks">How many networks there are: progress names this one among several.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    public ItemRows Extract(
        IReadOnlyList<DataItem> items,
        string? cacheFolder,
        int networks,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        parity.Check(items, cancellation);
        using FeatureCache? cache = cacheFolder is null
            ? null
            : new FeatureCache(cacheFolder, space, Graph.OutputWidth);
        string stage = networks == 1 ? "Extracting features" : $"Extracting features of {Id}";
        return new ItemRunner(Graph, cache).Run(items, stage, progress, cancellation);
    }

    /// <summary>What it costs.</summary>
    public NetworkCost Cost(IReadOnlyList<DataItem> items, TimeProvider clock, CancellationToken cancellation)
    {
        OnnxModel model = OnnxModel.Parse(onnx);
        return new NetworkCost(
            Id,
            Milliseconds(items, clock, cancellation),
            ModelCost.MultiplyAdds(model),
            ModelCost.WeightBytes(model)
        );
    }

    /// <inheritdoc/>
    public void Dispose() => Graph.Dispose();

    private double Milliseconds(IReadOnlyList<DataItem> items, TimeProvider clock, CancellationToken cancellation)
    {
        // Spread over the list, which is sorted by class.
        DataItem[] some =
        [
            .. Enumerable
                .Range(0, Math.Min(TimedImages, items.Count))
                .Select(i => items[(int)((long)i * items.Count / Math.Min(TimedImages, items.Count))]),
        ];
        double[] fastest = [.. some.Select(_ => double.PositiveInfinity)];
        using ItemGraphWorker worker = Graph.CreateWorker();
        using var reader = new ItemReader(Graph.Limits);
        var row = new float[Graph.OutputWidth];
        for (int round = 0; round < Rounds; round++)
        for (int i = 0; i < some.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            ReadOnlySpan<byte> encoded = reader.Read(some[i]);
            long started = clock.GetTimestamp();
            worker.Run(encoded, row);
            fastest[i] = Math.Min(fastest[i], clock.GetElapsedTime(started).TotalMilliseconds);
        }

        return fastest.Average();
    }
}

/// <summary>Puts the rows of several networks side by side.</summary>
internal static class RowsTogether
{
    /// <summary>A row for every image of which all networks have one; the first reason why one has none.</summary>
    public static ItemRows Of(
        IReadOnlyList<DataItem> items,
        ItemRows[] found,
        NetworkFeatures[] networks,
        IReadOnlyList<BackboneTap> taps
    )
    {
        int[][] rowOf = [.. found.Select(rows => RowOfItem(rows, items.Count))];
        int[] accepted = [.. Enumerable.Range(0, items.Count).Where(item => rowOf.All(rows => rows[item] >= 0))];
        int width = taps.Sum(t => t.Width);
        long length = (long)accepted.Length * width;
        if (length > Array.MaxLength)
            throw new TransferException(
                $"{accepted.Length:N0} images with {width:N0} numbers each, of {networks.Length} networks, are more "
                    + $"than one run can hold. Take fewer images, networks or taps."
            );
        var values = new float[length];
        var digests = new byte[accepted.Length * SHA256.HashSizeInBytes];
        for (int network = 0; network < networks.Length; network++)
        {
            int from = 0;
            foreach (int place in networks[network].TapPlaces)
            {
                int to = taps.Take(place).Sum(t => t.Width);
                for (int row = 0; row < accepted.Length; row++)
                    found[network]
                        .Row(rowOf[network][accepted[row]])
                        .Slice(from, taps[place].Width)
                        .CopyTo(values.AsSpan(row * width + to));
                from += taps[place].Width;
            }
        }

        for (int row = 0; row < accepted.Length; row++)
            found[0]
                .Digests.AsSpan(rowOf[0][accepted[row]] * SHA256.HashSizeInBytes, SHA256.HashSizeInBytes)
                .CopyTo(digests.AsSpan(row * SHA256.HashSizeInBytes));
        return new ItemRows
        {
            Accepted = accepted,
            Values = values,
            Digests = digests,
            Width = width,
            Rejected = [.. found.SelectMany(rows => rows.Rejected).DistinctBy(r => r.File)],
            FromCache = found.Min(rows => rows.FromCache),
            Elapsed = found.Aggregate(TimeSpan.Zero, (sum, rows) => sum + rows.Elapsed),
        };
    }

    private static int[] RowOfItem(ItemRows rows, int items)
    {
        var row = new int[items];
        Array.Fill(row, -1);
        for (int i = 0; i < rows.Accepted.Length; i++)
            row[rows.Accepted[i]] = i;
        return row;
    }
}
