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

    /// <summary>Features that the head takes.</summary>
    public int Width => width;

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
    /// <param name="which">What of the rest is trained.</param>
    /// <exception cref="TransferException">There are fewer blocks than are to be frozen, the pattern matches no weight,
    /// or what is left has no weights of the kind.</exception>
    public static FineTunePlan Of(
        OnnxModel backbone,
        IReadOnlyList<string> taps,
        int width,
        FreezeBoundary freeze,
        TrainedParameters which = TrainedParameters.All
    )
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

        HashSet<string> vectors = [.. backbone.Initializers.Where(i => i.Dims.Count <= 1).Select(i => i.Name)];
        bool IsTrained(string name) => !isFrozen(name) && (which == TrainedParameters.All || vectors.Contains(name));
        IReadOnlyList<string>[] trained =
        [
            .. blocks.Select((b, i) => i < frozen ? [] : (IReadOnlyList<string>)[.. b.Parameters.Where(IsTrained)]),
        ];
        if (which == TrainedParameters.Affine && frozen < blocks.Count && trained.All(names => names.Count == 0))
            throw new TransferException(
                $"The {blocks.Count - frozen} upper of {blocks.Count} blocks have neither normalisations nor biases, "
                    + $"so --parameters affine would train nothing in them. Freeze fewer blocks (--freeze), or leave "
                    + $"it out."
            );
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
    /// Asks the engine, so that what cannot be trained is found before anything else is done.
    /// </summary>
    /// <param name="engine">What runs the steps.</param>
    /// <param name="options">What a step does.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="batch">Images worked on at a time.</param>
    /// <exception cref="TransferException">An operator above the boundary has no gradient, or the step would need more
    /// memory than there is; the message says what to do.</exception>
    public void Check(ITrainingEngine engine, TrainingOptions options, int classes, int batch)
    {
        OnnxModel forward = Forward(new float[classes * width], new float[classes]);
        long needed;
        try
        {
            needed = engine.Check(forward, options, batch);
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

        TrainingMemory.Check(needed, batch);
    }
}

/// <summary>Turns the options of a recipe into those of the training steps of a stage.</summary>
/// <param name="options">The recipe.</param>
/// <param name="start">Where the training starts.</param>
/// <param name="plan">What is trained.</param>
internal sealed class TrainingSetUp(FineTuneOptions options, NetworkStart start, FineTunePlan plan)
{
    /// <summary>Threads of a step.</summary>
    public int Threads { get; } = options.ThreadsHere;

    /// <summary>Highest learning rate of the top block.</summary>
    public double TopRate { get; } = options.LearningRate ?? start.LearningRateOf(options);

    /// <summary>Epochs in all.</summary>
    public int Epochs { get; } = options.Epochs ?? start.Epochs;

    /// <summary>Epochs without a better one after which training ends.</summary>
    public int Patience => options.Patience ?? Math.Max(5, (Epochs + 2) / 3);

    /// <summary>
    /// First trained block of every stage, in order: the top ones first where blocks are unfrozen one after another.
    /// </summary>
    public IReadOnlyList<int> Stages()
    {
        int top = plan.Blocks.Count,
            trained = top - plan.Frozen;
        if (!options.GradualUnfreezing || trained < 2)
            return [plan.Frozen];
        int stages = Math.Min(Math.Min(4, trained), Epochs);
        return [.. Enumerable.Range(1, stages).Select(s => top - (int)Math.Ceiling((double)trained * s / stages))];
    }

    /// <summary>What the steps of a stage do.</summary>
    /// <param name="model">The forward graph.</param>
    /// <param name="first">First trained block.</param>
    public TrainingOptions Steps(OnnxModel model, int first) =>
        new()
        {
            Objectives = [new Objective { Logits = plan.Logits }],
            Groups = [.. Groups(model, first).Select(g => g.Group)],
            Optimizer = options.Optimizer == OptimizerKind.Sgd ? new SgdOptimizer() : new AdamWOptimizer(),
            ClipNorm = options.ClipNorm,
            StartingPointDecay = options.StartingPointDecay,
            AverageDecay = options.AverageDecay is > 0 ? options.AverageDecay : null,
            Dropout = options.Dropout > 0,
            BatchNormalization =
                options.BatchStatistics ?? start.IsRandom
                    ? BatchNormalizationMode.Training
                    : BatchNormalizationMode.Inference,
        };

    /// <summary>Highest learning rate of every group of a stage, in the order of <see cref="Steps"/>.</summary>
    /// <param name="model">The forward graph.</param>
    /// <param name="first">First trained block.</param>
    public float[] Rates(OnnxModel model, int first) =>
        [.. Groups(model, first).Select(g => (float)(TopRate * Factor(g.Block)))];

    /// <summary>The groups of a stage from the top down, each with its block; null for the head.</summary>
    private List<(ParameterGroup Group, int? Block)> Groups(OnnxModel model, int first)
    {
        Dictionary<string, int> ranks = model.Initializers.ToDictionary(i => i.Name, i => i.Dims.Count);
        List<(ParameterGroup, int?)> groups =
        [
            (Decayed("head", plan.HeadWeight), null),
            (new() { Name = "head, biases", Parameters = [plan.HeadBias] }, null),
        ];
        for (int block = plan.Blocks.Count - 1; block >= first; block--)
        {
            string[] known = [.. plan.Trained[block].Where(ranks.ContainsKey)];
            if (known.Where(p => ranks[p] > 1).ToArray() is { Length: > 0 } kernels)
                groups.Add((Decayed($"block {block + 1}", kernels), block));
            if (known.Where(p => ranks[p] <= 1).ToArray() is { Length: > 0 } vectors)
                groups.Add((new() { Name = $"block {block + 1}, biases", Parameters = vectors }, block));
        }

        return groups;
    }

    private ParameterGroup Decayed(string name, params string[] parameters) =>
        new()
        {
            Name = name,
            Parameters = parameters,
            WeightDecay = options.WeightDecay,
        };

    private double Factor(int? block)
    {
        if (block is { } number)
            return Math.Pow(options.BlockDecay, plan.Blocks.Count - 1 - number);
        return options.HeadRate ?? start.HeadRate;
    }
}

/// <summary>The factor on the learning rates at each step of a stage.</summary>
/// <param name="kind">How it moves.</param>
/// <param name="steps">Steps of the stage, 1 or more.</param>
/// <param name="warmUp">Share of the steps, in [0, 1), over which the factor first rises linearly to 1; one-cycle has a
/// rise of its own.</param>
internal sealed class LearningRateSchedule(ScheduleKind kind, long steps, double warmUp)
{
    private const double CycleRise = 0.3,
        CycleStart = 1 / 25.0,
        CycleEnd = 1e-4;

    /// <summary>The factor, in (0, 1].</summary>
    /// <param name="step">Step, from 0 to steps - 1.</param>
    public double Factor(long step)
    {
        if (kind == ScheduleKind.OneCycle)
        {
            double at = (step + 0.5) / steps;
            return at < CycleRise
                ? Along(CycleStart, 1, at / CycleRise)
                : Along(1, CycleEnd, (at - CycleRise) / (1 - CycleRise));
        }

        double rise = Math.Floor(warmUp * steps);
        if (step < rise)
            return (step + 1) / (rise + 1);
        double done = (step - rise) / (steps - rise);
        return kind switch
        {
            ScheduleKind.Cosine => Along(1, 0, done),
            ScheduleKind.Step => done < 0.6 ? 1
            : done < 0.85 ? 0.1
            : 0.01,
            _ => 1,
        };
    }

    private static double Along(double from, double to, double share) =>
        to + (from - to) * (1 + Math.Cos(Math.PI * share)) / 2;
}

/// <summary>Refuses a training step that the machine's memory cannot hold, before it is run.</summary>
internal static class TrainingMemory
{
    /// <param name="needed">Bytes that a step takes; 0 where that is not known.</param>
    /// <param name="batch">Images worked on at a time.</param>
    /// <param name="available">Bytes there are; null for those of the machine, or the container.</param>
    /// <exception cref="TransferException">The step would need more than there is; the message says how much, and what
    /// helps.</exception>
    public static void Check(long needed, int batch, long? available = null)
    {
        long there = available ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (needed <= there)
            return;
        throw new TransferException(
            string.Create(
                System.Globalization.CultureInfo.InvariantCulture,
                $"A training step of {batch} images would take about {needed / 1e9:f1} GB; there are "
                    + $"{there / 1e9:f1} GB. Work on fewer images at a time (--micro-batch "
                    + $"{Math.Max(1, batch / 4)} gives the same steps), take a smaller --batch, or "
                    + $"freeze more blocks (--freeze)."
            )
        );
    }
}
