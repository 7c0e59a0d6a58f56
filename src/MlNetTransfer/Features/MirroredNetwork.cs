using System.Security.Cryptography;
using System.Text;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Features;

/// <summary>Variants of an image whose features are averaged, in training and in scoring.</summary>
public enum TestTimeAugmentation
{
    /// <summary>The image alone.</summary>
    None,

    /// <summary>The image and its left-right mirror image: twice the time to score.</summary>
    Flip,
}

/// <summary>
/// A network whose features are the mean of those of an image and of its left-right mirror image: the network twice in
/// one graph, on the same weights, once behind a reversal of the columns.
/// </summary>
/// <remarks>
/// The taps are rows [N × width], averaged after they were pooled, so that a place of one map need not meet its mirror
/// place in the other. What comes after it, from caches to exports, sees a network like any other. Its digest is not
/// that of the network, hence neither are its caches.
/// </remarks>
internal static class MirroredNetwork
{
    /// <summary>What the id of a mirrored network ends with.</summary>
    public const string Suffix = "-flip";

    private const string Copy = "mirrored/",
        Mean = "mean_with_mirrored/";

    // The first operator set in which heads have the form that they write; Slice takes its bounds as inputs since 10.
    private const int OpsetOfHeads = 13;

    // Part of the digest: raise it whenever the graph gives other numbers.
    private const int Version = 1;

    /// <summary>Whether the name of a network is that of one that is averaged.</summary>
    public static bool IsNameOfOne(string network) => network.EndsWith(Suffix, StringComparison.Ordinal);

    /// <summary>The backbone as an option asks for it; of several networks each.</summary>
    /// <exception cref="TransferException">A network takes no images.</exception>
    public static Backbone Of(Backbone backbone, TestTimeAugmentation augmentation) =>
        augmentation == TestTimeAugmentation.None ? backbone : SideBySide.Of([.. backbone.Parts.Select(OfOne)]);

    private static Backbone OfOne(Backbone network)
    {
        if (network.Card.Preprocessing is null)
            throw new TransferException(
                $"--tta flip mirrors images; the backbone '{network.Card.Id}' takes "
                    + $"{network.Card.Encoder.Kind.Label}. Leave it out."
            );
        BackboneCard card = network.Card with
        {
            Id = network.Card.Id + Suffix,
            Name = network.Card.Name + ", mean of image and mirror image",
            Taps =
            [
                .. network.Card.Taps.Select(tap => tap with { Tensor = Mean + tap.Tensor, Size = 1, Columns = null }),
            ],
            SourceClasses = [],
        };
        byte[] key = SHA256.HashData(
            Encoding.ASCII.GetBytes(FormattableString.Invariant($"flip {Version} {network.Digest}"))
        );
        return new Backbone(card, () => Graph(network), Convert.ToHexStringLower(key));
    }

    private static OnnxModel Graph(Backbone network)
    {
        string[] taps = [.. network.Card.Taps.Select(tap => tap.Tensor).Distinct()];
        OnnxModel whole = network.LoadModel(),
            cut = whole.CutAt(taps);
        (List<NodeProto> pooling, List<string> rows) = FeatureGraph.Pooled(whole, cut, taps, tap => tap);
        OnnxModel both = GraphUnion.Twice(cut.Append(pooling).CutAt([.. rows.Distinct()]), Copy, OpsetOfHeads);
        string half = Mean + "half";
        return both.With(MirrorInput)
            .Append(rows.SelectMany((row, i) => Average(row, Mean + taps[i], half)), [TensorData.Floats(half, [0.5f])])
            .CutAt([.. taps.Select(tap => Mean + tap)]);
    }

    /// <summary>The input of the copy, made of the input: its last axis from the end to the beginning.</summary>
    private static void MirrorInput(ModelProto proto)
    {
        string mirrored = Copy + Backbone.InputName;
        proto.Graph.Input.Remove(proto.Graph.Input.Single(input => input.Name == mirrored));
        string Constant(string name, long value)
        {
            proto.Graph.Initializer.Add(TensorData.Longs($"{mirrored}/{name}", [value], 1));
            return $"{mirrored}/{name}";
        }

        proto.Graph.Node.Insert(
            0,
            new NodeProto
            {
                OpType = "Slice",
                Name = mirrored,
                Input =
                {
                    Backbone.InputName,
                    Constant("start", -1),
                    Constant("end", long.MinValue),
                    Constant("axis", 3),
                    Constant("step", -1),
                },
                Output = { mirrored },
            }
        );
    }

    private static IEnumerable<NodeProto> Average(string row, string mean, string half)
    {
        string sum = mean + "/sum";
        yield return new NodeProto
        {
            OpType = "Add",
            Name = sum,
            Input = { row, Copy + row },
            Output = { sum },
        };
        yield return new NodeProto
        {
            OpType = "Mul",
            Name = mean,
            Input = { sum, half },
            Output = { mean },
        };
    }
}
