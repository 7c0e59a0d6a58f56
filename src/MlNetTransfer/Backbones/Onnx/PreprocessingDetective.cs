using System.Globalization;
using System.Text.Json.Serialization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Finds out how a network wants its pixels from what it remembers of its training: every batch normalisation holds the
/// mean and the variance of what came in.
/// </summary>
/// <remarks>
/// Images are run with each candidate preprocessing, and the inputs of the first normalisations are compared with what
/// they remember: symmetric Kullback-Leibler divergence of two Gaussians (Kullback and Leibler, On Information and
/// Sufficiency, 1951), averaged over the channels of a layer, its logarithm averaged over the layers. The lowest is the
/// best. How sure that is, say draws of the images with replacement (Efron, 1979).
/// </remarks>
internal sealed class PreprocessingDetective
{
    /// <summary>Layers looked at: what is wrong at the input is forgotten by the deeper ones.</summary>
    private const int MostLayers = 12;

    /// <summary>Lead, in the mean log divergence, from which on a scale is clear.</summary>
    private const double ClearLead = 0.3;

    /// <summary>Share of the draws in which the best must be ahead.</summary>
    public const double ClearShare = 0.975;

    private const int Draws = 1000;
    private readonly OnnxModel model;
    private readonly NormalisationLayer[] layers;

    /// <param name="model">The network with the input <c>image</c>, RGB.</param>
    public PreprocessingDetective(OnnxModel model)
    {
        layers = [.. NormalisationLayer.Of(model).Take(MostLayers)];
        this.model = layers.Length == 0 ? model : GraphCut.At(model, [.. layers.Select(l => l.Input)], typed: false);
    }

    /// <summary>Whether the network remembers anything.</summary>
    public bool CanTell => layers.Length > 0;

    /// <summary>Compares candidates.</summary>
    /// <param name="pixels">Images as the network's framing gives them [3 × height × width], 0..255.</param>
    /// <param name="shape">Width and height.</param>
    /// <param name="candidates">The candidates, at least two.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    public PreprocessingEvidence Compare(
        IReadOnlyList<float[]> pixels,
        (int Width, int Height) shape,
        IReadOnlyList<PreprocessingChoice> candidates,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        using OrtSession session = new(model.ToBytes(), OrtSettings.AsWritten, "the model");
        var seen = new LayerMoments[candidates.Count, pixels.Count][];
        int done = 0;
        for (int image = 0; image < pixels.Count; image++)
        {
            for (int c = 0; c < candidates.Count; c++)
            {
                cancellation.ThrowIfCancellationRequested();
                float[] tensor = candidates[c].Apply(pixels[image]);
                seen[c, image] = Measure(session, tensor, shape);
            }

            progress?.Report(new JobProgress("Checking the preprocessing", ++done, pixels.Count));
        }

        int[] all = [.. Enumerable.Range(0, pixels.Count)];
        double[] scores = [.. Enumerable.Range(0, candidates.Count).Select(c => Score(seen, c, all))];
        int best = Array.IndexOf(scores, scores.Min());
        int[] behind = new int[candidates.Count];
        Rng rng = new(1);
        int[] drawn = new int[pixels.Count];
        for (int draw = 0; draw < Draws; draw++)
        {
            for (int i = 0; i < drawn.Length; i++)
                drawn[i] = rng.Next(pixels.Count);
            double reference = Score(seen, best, drawn);
            for (int c = 0; c < candidates.Count; c++)
                if (c != best && Score(seen, c, drawn) > reference)
                    behind[c]++;
        }

        return new PreprocessingEvidence(
            "batch-norm statistics",
            pixels.Count,
            layers.Length,
            ClearLead,
            [
                .. candidates
                    .Select((c, i) => new RankedPreprocessing(c, scores[i], (double)behind[i] / Draws))
                    .OrderBy(c => c.Score)
                    .ThenBy(c => c.Choice.Order),
            ]
        );
    }

    private LayerMoments[] Measure(OrtSession session, float[] tensor, (int Width, int Height) shape)
    {
        IReadOnlyDictionary<string, SampleRun.Result> found = SampleRun.Of(
            session,
            [.. layers.Select(l => l.Input)],
            tensor,
            1,
            shape
        );
        return [.. layers.Select(l => LayerMoments.Of(found[l.Input], l.Mean.Length))];
    }

    /// <summary>Mean over the layers of the logarithm of the mean divergence of a layer's channels.</summary>
    private double Score(LayerMoments[,][] seen, int candidate, int[] images)
    {
        double sum = 0;
        for (int l = 0; l < layers.Length; l++)
        {
            NormalisationLayer layer = layers[l];
            double divergence = 0;
            for (int channel = 0; channel < layer.Mean.Length; channel++)
            {
                double mean = 0,
                    square = 0;
                foreach (int image in images)
                {
                    LayerMoments moments = seen[candidate, image][l];
                    mean += moments.Mean[channel];
                    square += moments.Square[channel];
                }

                mean /= images.Length;
                // A channel that is always the same has no variance at all; a millionth of what was remembered stands
                // for it, so that the divergence is large and finite.
                double expected = layer.Variance[channel],
                    variance = Math.Max((square / images.Length) - (mean * mean), 1e-6 * expected),
                    apart = mean - layer.Mean[channel];
                divergence +=
                    (variance / expected + expected / variance - 2 + (apart * apart * (1 / variance + 1 / expected)))
                    / 2;
            }

            sum += Math.Log(divergence / layer.Mean.Length);
        }

        return sum / layers.Length;
    }

    /// <summary>Means over the positions of one image.</summary>
    private readonly record struct LayerMoments(double[] Mean, double[] Square)
    {
        public static LayerMoments Of(SampleRun.Result map, int channels)
        {
            double[] mean = new double[channels],
                square = new double[channels];
            int positions = map.Values.Length / channels;
            for (int c = 0; c < channels; c++)
            {
                foreach (float value in map.Values.AsSpan(c * positions, positions))
                {
                    mean[c] += value;
                    square[c] += (double)value * value;
                }

                mean[c] /= positions;
                square[c] /= positions;
            }

            return new(mean, square);
        }
    }
}

/// <summary>A batch normalisation and what it remembers of its training.</summary>
/// <param name="Input">The tensor that it normalises.</param>
/// <param name="Mean">Mean per channel.</param>
/// <param name="Variance">Variance per channel, each above 0.</param>
internal sealed record NormalisationLayer(string Input, double[] Mean, double[] Variance)
{
    /// <summary>Those of a network, from its input on, whose statistics are constants.</summary>
    public static IEnumerable<NormalisationLayer> Of(OnnxModel model)
    {
        Dictionary<string, TensorProto> constants = ConstantTensors.Of(model);
        foreach (NodeProto node in model.TopologicalOrder().Where(n => n.OpType == "BatchNormalization"))
        {
            if (
                node.Input.Count != 5
                || !constants.TryGetValue(node.Input[3], out TensorProto? mean)
                || !constants.TryGetValue(node.Input[4], out TensorProto? variance)
            )
                continue;
            float epsilon = node.Attribute.FirstOrDefault(a => a.Name == "epsilon")?.F ?? 1e-5f;
            double[] means = [.. TensorData.ToFloats(mean).Select(v => (double)v)],
                variances = [.. TensorData.ToFloats(variance).Select(v => (double)v + epsilon)];
            if (means.Length == variances.Length && variances.All(v => v > 0) && means.All(double.IsFinite))
                yield return new NormalisationLayer(node.Input[0], means, variances);
        }
    }
}

/// <summary>A way in which pixels may become numbers.</summary>
/// <param name="Name">Its name, for people.</param>
/// <param name="Scale">Mean and deviation.</param>
/// <param name="Order">Order of the channels.</param>
public sealed record PreprocessingChoice(string Name, ChannelScale Scale, ChannelOrder Order)
{
    /// <summary>Every scale that has a name, in the orders that make a difference, and those that were
    /// stated.</summary>
    /// <param name="channels">Channels that the network takes.</param>
    /// <param name="stated">What is stated; its scale is added where it has no name.</param>
    internal static IReadOnlyList<PreprocessingChoice> Candidates(int channels, PreprocessingParts stated)
    {
        List<(string Name, ChannelScale Scale)> scales =
        [
            .. NamedPreprocessing.Candidates.Where(c => channels == 3 || c.Scale.IsGrey),
        ];
        if (stated.Scale is { } own && scales.All(s => !s.Scale.IsNear(own)))
            scales.Add((own.ToString(), own));
        ChannelOrder[] orders = channels == 3 ? [ChannelOrder.Rgb, ChannelOrder.Bgr] : [ChannelOrder.Rgb];
        return
        [
            .. scales.SelectMany(s =>
                orders.Select(o => new PreprocessingChoice(
                    o == ChannelOrder.Bgr ? $"{s.Name}, BGR" : s.Name,
                    s.Scale,
                    o
                ))
            ),
        ];
    }

    /// <summary>Whether it is what was stated; what was left open fits.</summary>
    public bool Is(PreprocessingParts stated) =>
        stated.Scale?.IsNear(Scale) == true && (stated.Order ?? ChannelOrder.Rgb) == Order;

    /// <summary>Deviation alike: they differ in mean or order, which cost little.</summary>
    internal bool HasScaleOf(PreprocessingChoice other) =>
        Math.Abs(Math.Log(Scale.Std.Green / other.Scale.Std.Green)) < 0.1;

    /// <summary>The tensor of pixels [3 × height × width], 0..255.</summary>
    internal float[] Apply(float[] pixels)
    {
        var tensor = new float[pixels.Length];
        float[] mean = [Scale.Mean.Red, Scale.Mean.Green, Scale.Mean.Blue],
            std = [Scale.Std.Red, Scale.Std.Green, Scale.Std.Blue];
        int plane = pixels.Length / 3;
        for (int c = 0; c < 3; c++)
        {
            int to = Order == ChannelOrder.Bgr ? 2 - c : c;
            for (int i = 0; i < plane; i++)
                tensor[(to * plane) + i] = ((pixels[(c * plane) + i] / 255f) - mean[c]) / std[c];
        }

        return tensor;
    }
}

/// <summary>A candidate and how well it fits.</summary>
/// <param name="Choice">The candidate.</param>
/// <param name="Score">How far off it is: the lower, the better. See <see
/// cref="PreprocessingEvidence.Method"/>.</param>
/// <param name="Behind">Share of the draws of images in which it is worse than the best.</param>
public sealed record RankedPreprocessing(PreprocessingChoice Choice, double Score, double Behind);

/// <summary>What speaks for one preprocessing or another.</summary>
/// <param name="Method">What was looked at.</param>
/// <param name="Images">Images that were run.</param>
/// <param name="Layers">Layers that were looked at; 0 where none were.</param>
/// <param name="ClearLead">Lead from which on the best is clear.</param>
/// <param name="Ranking">The candidates, the best first.</param>
public sealed record PreprocessingEvidence(
    string Method,
    int Images,
    int Layers,
    double ClearLead,
    IReadOnlyList<RankedPreprocessing> Ranking
)
{
    /// <summary>The best.</summary>
    [JsonIgnore]
    public RankedPreprocessing Best => Ranking[0];

    /// <summary>The best of those of another scale than the best's: what it must be ahead of.</summary>
    [JsonIgnore]
    public RankedPreprocessing? Rival => Ranking.FirstOrDefault(r => !r.Choice.HasScaleOf(Best.Choice));

    /// <summary>Lead of the best over the best of another scale.</summary>
    public double Lead => Rival is { } rival ? rival.Score - Best.Score : 0;

    /// <summary>Whether the scale of the best is clear.</summary>
    public bool IsClear => Rival is { } rival && Lead >= ClearLead && rival.Behind >= PreprocessingDetective.ClearShare;

    /// <summary>
    /// Whether the order of the channels is clear. It seldom is: the colours of images are too much alike, and for the
    /// same reason a wrong order costs little.
    /// </summary>
    public bool OrderIsClear =>
        IsClear
        && Ranking.FirstOrDefault(r => r.Choice.Scale == Best.Choice.Scale && r.Choice.Order != Best.Choice.Order)
            is { } other
        && other.Score - Best.Score >= ClearLead
        && other.Behind >= PreprocessingDetective.ClearShare;

    /// <summary>What to say of a preprocessing that is far from the best; null where it is not.</summary>
    internal string? Warning(PreprocessingParts taken)
    {
        RankedPreprocessing? own = Ranking.FirstOrDefault(r => r.Choice.Is(taken));
        if (own is null || own.Choice.HasScaleOf(Best.Choice) || !IsClear)
            return null;
        return string.Create(
                CultureInfo.InvariantCulture,
                $"The preprocessing '{own.Choice.Name}' is probably wrong: by its {Method} the network was trained "
                    + $"with '{Best.Choice.Name}' (off by {Best.Score:0.00} against {own.Score:0.00}, {Images} "
                    + $"images). "
            ) + "A wrong scale costs 10 to 30 points of accuracy and nothing else shows it.";
    }
}
