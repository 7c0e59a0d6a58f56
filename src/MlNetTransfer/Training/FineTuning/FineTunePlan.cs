using System.Text.RegularExpressions;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>
/// What of a network is trained, and the forward graph of that part. Made from the graph alone, before any image is
/// read.
/// </summary>
internal sealed class FineTunePlan
{
    private readonly OnnxModel suffix;
    private readonly int width;

    private FineTunePlan(
        IReadOnlyList<NetworkBlock> blocks,
        int frozen,
        IReadOnlyList<IReadOnlyList<string>> trained,
        SplitNetwork network,
        int width
    )
    {
        (Blocks, Frozen, Trained, Network, this.width) = (blocks, frozen, trained, network, width);
        suffix = network.Suffix;
        HeadWeight = suffix.UniqueName("head.weight");
        HeadBias = suffix.UniqueName("head.bias");
    }

    /// <summary>All blocks of the backbone up to the deepest tap.</summary>
    public IReadOnlyList<NetworkBlock> Blocks { get; }

    /// <summary>Blocks below the boundary: the prefix.</summary>
    public int Frozen { get; }

    /// <summary>Names of the weights that are trained, of every block [blocks]; empty for a frozen one.</summary>
    public IReadOnlyList<IReadOnlyList<string>> Trained { get; }

    /// <summary>The backbone, cut at the boundary.</summary>
    public SplitNetwork Network { get; }

    /// <summary>Name of the head's weights [classes × width] in the forward graph.</summary>
    public string HeadWeight { get; }

    /// <summary>Name of the head's biases [classes] in the forward graph.</summary>
    public string HeadBias { get; }

    /// <summary>Makes the plan.</summary>
    /// <param name="backbone">The backbone.</param>
    /// <param name="taps">Tensors that features are taken from.</param>
    /// <param name="width">Features of all taps together.</param>
    /// <param name="freeze">What stays frozen.</param>
    /// <exception cref="TransferException">There are fewer blocks than are to be frozen, or the pattern matches no
    /// weight.</exception>
    public static FineTunePlan Of(OnnxModel backbone, IReadOnlyList<string> taps, int width, FreezeBoundary freeze)
    {
        IReadOnlyList<NetworkBlock> blocks = NetworkBlocks.Find(backbone, taps);
        Func<string, bool> isFrozen = _ => false;
        int frozen;
        if (freeze.Pattern is { } pattern)
        {
            Regex expression = FreezeBoundary.Expression(pattern);
            isFrozen = expression.IsMatch;
            string[] names = [.. blocks.SelectMany(b => b.Parameters)];
            if (!names.Any(isFrozen))
                throw new TransferException(
                    $"The pattern '{pattern}' matches none of the backbone's {names.Length} weights, e.g. "
                        + $"{string.Join(", ", names.Take(3))}. Correct the pattern, or freeze by blocks."
                );
            frozen = blocks.TakeWhile(b => b.Parameters.All(isFrozen)).Count();
        }
        else
        {
            frozen = freeze.Blocks ?? (int)Math.Floor(freeze.Fraction!.Value * blocks.Count + 1e-9);
            if (frozen > blocks.Count)
                throw new TransferException(
                    $"{frozen} blocks cannot be frozen: the backbone has {blocks.Count} up to its taps. Freeze at "
                        + $"most that many, which trains the head alone."
                );
        }

        IReadOnlyList<string>[] trained =
        [
            .. blocks.Select(
                (b, i) => i < frozen ? [] : (IReadOnlyList<string>)[.. b.Parameters.Where(p => !isFrozen(p))]
            ),
        ];
        return new FineTunePlan(
            blocks,
            frozen,
            trained,
            SplitNetwork.At(backbone, taps, frozen == 0 ? null : blocks[frozen - 1].End),
            width
        );
    }

    /// <summary>The forward graph from the boundary to the logits, with a head of the given weights.</summary>
    /// <param name="weights">W [classes × width].</param>
    /// <param name="bias">b [classes].</param>
    /// <param name="dropout">Share of the features dropped while training.</param>
    public OnnxModel Forward(ReadOnlySpan<float> weights, ReadOnlySpan<float> bias, double dropout = 0)
    {
        string features = FeatureGraph.Output,
            dropped = suffix.UniqueName("dropped"),
            ratio = suffix.UniqueName("dropout.ratio");
        List<Onnx.Proto.NodeProto> nodes = [];
        List<Onnx.Proto.TensorProto> constants =
        [
            TensorData.Floats(HeadWeight, weights, bias.Length, width),
            TensorData.Floats(HeadBias, bias, bias.Length),
        ];
        if (dropout > 0)
        {
            constants.Add(TensorData.Floats(ratio, [(float)dropout]));
            nodes.Add(
                new()
                {
                    OpType = "Dropout",
                    Name = dropped,
                    Input = { features, ratio },
                    Output = { dropped },
                }
            );
            features = dropped;
        }

        nodes.Add(
            new()
            {
                OpType = "Gemm",
                Name = Logits,
                Input = { features, HeadWeight, HeadBias },
                Output = { Logits },
                Attribute = { Attributes.Of("transB", 1) },
            }
        );
        return (suffix.OpsetVersion() < 13 ? OperatorSetUpgrade.To(suffix, 13) : suffix)
            .Append(nodes, constants)
            .CutAt(Logits);
    }

    /// <summary>Name of the logits in the forward graph.</summary>
    public string Logits => suffix.UniqueName("logits");

    /// <summary>
    /// Makes the training graph once, so that what cannot be trained is found before anything else is done.
    /// </summary>
    /// <param name="options">What a step does.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="batch">Images worked on at a time.</param>
    /// <exception cref="TransferException">An operator above the boundary has no gradient, or the step would need more
    /// memory than there is; the message says what to do.</exception>
    public void Check(TrainingOptions options, int classes, int batch)
    {
        OnnxModel forward = Forward(new float[classes * width], new float[classes]);
        TrainingGraph step;
        try
        {
            step = new TrainingStepBuilder(forward, options).Build(batch);
        }
        catch (GraphException cause)
        {
            throw new TransferException(
                $"The {Blocks.Count - Frozen} upper of {Blocks.Count} blocks cannot be trained: {cause.Message} "
                    + $"Freezing more blocks (--freeze) leaves the operator in the frozen part, where any will do; "
                    + $"--strategy head trains none.",
                cause
            );
        }

        TrainingMemory.Check(step);
    }
}
