using System.Text.Json.Serialization;

namespace MlNetTransfer.Training;

/// <summary>How much of the network a training run changes. The registry of all strategies.</summary>
/// <remarks>
/// What a strategy is called and which recipe follows it stands in one place, <c>Describe</c> of the recipe; here it
/// has a line. Options, the command line and reports read this registry.
/// </remarks>
[JsonConverter(typeof(Json))]
public sealed class TrainingStrategy : INamed
{
    /// <summary>All strategies.</summary>
    public static Registry<TrainingStrategy> All { get; } = new("strategy");

    /// <summary>
    /// The backbone stays frozen; a head is fitted on its features. Seconds, and hard to beat on few images.
    /// </summary>
    public static TrainingStrategy Head { get; } = All.Add(HeadRecipe.Describe());

    /// <summary>A head first, then the upper blocks of the backbone with it, at a low learning rate.</summary>
    public static TrainingStrategy FineTune { get; } = All.Add(FineTuneRecipe.DescribeUpperBlocks());

    /// <summary>A head first, then the whole backbone with it.</summary>
    public static TrainingStrategy Full { get; } = All.Add(FineTuneRecipe.DescribeWhole());

    /// <summary>
    /// The same architecture from random weights: what the pretrained ones are worth is the difference.
    /// </summary>
    public static TrainingStrategy Scratch { get; } = All.Add(FineTuneRecipe.DescribeScratch());

    /// <summary>The head beside trainings of the network; what images held out speak for is kept.</summary>
    public static TrainingStrategy Auto { get; } = All.Add(AutoRecipe.Describe());

    /// <param name="name">Name, as code writes it.</param>
    /// <param name="description">What is trained, in a phrase.</param>
    /// <param name="recipe">Makes the recipe.</param>
    internal TrainingStrategy(string name, string description, Func<RecipeSettings, IRecipe> recipe) =>
        (Name, Description, Recipe) = (name, description, recipe);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>What is trained, in a phrase, for help texts.</summary>
    public string Description { get; }

    /// <summary>How the network is trained; null where it stays frozen.</summary>
    public NetworkStart? Network { get; internal init; }

    /// <summary>Whether it tries others and takes one.</summary>
    internal bool Chooses { get; init; }

    /// <summary>Makes the recipe.</summary>
    internal Func<RecipeSettings, IRecipe> Recipe { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private sealed class Json() : NamedJson<TrainingStrategy>(All);
}

/// <summary>Where a training of a network starts, and the defaults that suit it.</summary>
public sealed record NetworkStart
{
    internal NetworkStart() { }

    /// <summary>Whether it starts from random weights instead of the pretrained ones. Default false.</summary>
    public bool IsRandom { get; internal init; }

    /// <summary>What stays frozen where nothing else is asked for. Default nothing.</summary>
    public FreezeBoundary Freeze { get; internal init; } = FreezeBoundary.Nothing;

    /// <summary>Epochs where none are given, in [1, 10000]. Default 15.</summary>
    public int Epochs { get; internal init; } = 15;

    /// <summary>
    /// The usual highest learning rate of the top block with AdamW, in (0, 10], about which one is chosen. Default
    /// 1e-4.
    /// </summary>
    public double LearningRate { get; internal init; } = 1e-4;

    /// <summary>The head's learning rate as a multiple of that. Default 0.03: it was fitted before.</summary>
    public double HeadRate { get; internal init; } = 0.03;

    /// <summary>
    /// Learning rate where none is given or chosen; gradient descent without moments takes 20 times as much, scales and
    /// shifts alone 10 times.
    /// </summary>
    /// <param name="options">What is trained, and how.</param>
    public double LearningRateOf(FineTuneOptions options) =>
        LearningRate
        * (options.Optimizer == OptimizerKind.Sgd ? 20 : 1)
        * (options.Parameters == TrainedParameters.Affine ? 10 : 1);
}
