using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Training;

namespace MlNetTransfer.Training;

/// <summary>Turns the options of a recipe into those of the training steps of a stage.</summary>
/// <param name="options">The recipe.</param>
/// <param name="strategy">How much is trained.</param>
/// <param name="plan">What is trained.</param>
internal sealed class TrainingSetUp(FineTuneOptions options, TrainingStrategy strategy, FineTunePlan plan)
{
    /// <summary>Threads of a step.</summary>
    public int Threads { get; } = options.Threads ?? Math.Min(8, Environment.ProcessorCount);

    /// <summary>Highest learning rate of the top block.</summary>
    public double TopRate { get; } =
        options.LearningRate ?? FineTuneOptions.DefaultLearningRate(strategy, options.Optimizer);

    /// <summary>Epochs in all.</summary>
    public int Epochs { get; } = options.Epochs ?? FineTuneOptions.DefaultEpochs(strategy);

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
    public TrainingOptions Steps(OnnxModel model, int first)
    {
        Dictionary<string, int> ranks = model.Initializers.ToDictionary(i => i.Name, i => i.Dims.Count);
        List<ParameterGroup> groups =
        [
            new()
            {
                Name = "head",
                Parameters = [plan.HeadWeight],
                WeightDecay = options.WeightDecay,
            },
            new() { Name = "head, biases", Parameters = [plan.HeadBias] },
        ];
        for (int block = plan.Blocks.Count - 1; block >= first; block--)
        {
            string[] known = [.. plan.Trained[block].Where(ranks.ContainsKey)];
            if (known.Where(p => ranks[p] > 1).ToArray() is { Length: > 0 } kernels)
                groups.Add(
                    new()
                    {
                        Name = $"block {block + 1}",
                        Parameters = kernels,
                        WeightDecay = options.WeightDecay,
                    }
                );
            if (known.Where(p => ranks[p] <= 1).ToArray() is { Length: > 0 } vectors)
                groups.Add(new() { Name = $"block {block + 1}, biases", Parameters = vectors });
        }

        return new TrainingOptions
        {
            Logits = plan.Logits,
            Groups = groups,
            Optimizer = options.Optimizer == OptimizerKind.Sgd ? new SgdOptimizer() : new AdamWOptimizer(),
            ClipNorm = options.ClipNorm,
            StartingPointDecay = options.StartingPointDecay,
            AverageDecay = options.AverageDecay,
            Dropout = options.Dropout > 0,
            BatchNormalization =
                options.BatchStatistics ?? strategy == TrainingStrategy.Scratch
                    ? BatchNormalizationMode.Training
                    : BatchNormalizationMode.Inference,
        };
    }

    /// <summary>Highest learning rate of every group of a stage, in their order.</summary>
    public float[] Rates(TrainingOptions steps) => [.. steps.Groups.Select(g => (float)(TopRate * Factor(g.Name)))];

    private double Factor(string group)
    {
        if (!group.StartsWith("block ", StringComparison.Ordinal))
            return options.HeadRate ?? (strategy == TrainingStrategy.Scratch ? 1 : 0.03);
        int block = int.Parse(
            group.AsSpan(
                6,
                group.Contains(',', StringComparison.Ordinal)
                    ? group.IndexOf(',', StringComparison.Ordinal) - 6
                    : group.Length - 6
            ),
            System.Globalization.CultureInfo.InvariantCulture
        );
        return Math.Pow(options.BlockDecay, plan.Blocks.Count - block);
    }
}
