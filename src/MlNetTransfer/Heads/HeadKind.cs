using System.Text.Json.Serialization;

namespace MlNetTransfer.Heads;

/// <summary>A kind of head that a recipe can fit. The registry of them all.</summary>
/// <remarks>
/// What a kind is called, what it can do and how it is fitted stands in one place, <c>Describe</c> of its trainer; here
/// it has a line. Options, the command line, the automatic choice and reports read this registry.
/// </remarks>
[JsonConverter(typeof(Json))]
public sealed class HeadKind : INamed
{
    /// <summary>All kinds; those that can be chosen automatically from the simplest to the costliest.</summary>
    public static Registry<HeadKind> All { get; } = new("head");

    /// <summary>The best of those that take part in the choice, by cross-validation on the training part.</summary>
    public static HeadKind Auto { get; } = All.Add(AutoHeadTrainer.Describe());

    /// <summary>Linear discriminant.</summary>
    public static HeadKind Discriminant { get; } = All.Add(LinearDiscriminantTrainer.Describe());

    /// <summary>Ridge regression on the classes' indicators.</summary>
    public static HeadKind Ridge { get; } = All.Add(RidgeTrainer.Describe());

    /// <summary>Multinomial logistic regression.</summary>
    public static HeadKind Softmax { get; } = All.Add(SoftmaxTrainer.Describe());

    /// <summary>
    /// Kernel ridge regression with a Gaussian kernel on the root of the features; keeps its training rows.
    /// </summary>
    public static HeadKind Kernel { get; } = All.Add(KernelRidgeTrainer.Describe());

    /// <summary>Multi-layer perceptron with one hidden layer.</summary>
    public static HeadKind Mlp { get; } = All.Add(MlpTrainer.Describe());

    /// <summary>Nearest class mean.</summary>
    public static HeadKind Prototype { get; } = All.Add(NearestMeanTrainer.Describe());

    /// <summary>Nearest neighbours by cosine.</summary>
    public static HeadKind Neighbours { get; } = All.Add(KNearestNeighboursTrainer.Describe());

    /// <param name="name">Name, as code writes it.</param>
    /// <param name="trainer">Makes the trainer that settings ask for.</param>
    internal HeadKind(string name, Func<HeadSettings, IHeadTrainer> trainer) => (Name, Trainer) = (name, trainer);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Name in tables and reports.</summary>
    public string Label => Name.ToLowerInvariant();

    /// <summary>Whether it is linear in the features, so that it can become a layer of a network.</summary>
    public bool IsLinear { get; internal init; }

    /// <summary>Whether it has an L2 penalty that can be given.</summary>
    public bool TakesL2 { get; internal init; }

    /// <summary>
    /// Training rows from which and up to which it takes part in the automatic choice; null: never, it has to be asked
    /// for.
    /// </summary>
    internal (int From, int To)? Chosen { get; init; }

    /// <summary>Makes the trainer that settings ask for.</summary>
    internal Func<HeadSettings, IHeadTrainer> Trainer { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>It as a candidate of the automatic choice.</summary>
    internal HeadCandidate Candidate(HeadSettings settings) =>
        new(Label, Trainer(settings), Chosen?.From ?? 0, Chosen?.To ?? int.MaxValue);

    private sealed class Json() : NamedJson<HeadKind>(All);
}

/// <summary>What a recipe asks of a head, whatever its kind; a kind takes what it has.</summary>
internal record HeadSettings
{
    /// <summary>L2 penalty; null: chosen by cross-validation.</summary>
    public double? L2 { get; init; }

    /// <summary>How much a row of each class counts.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Seed of the folds and of whatever is drawn.</summary>
    public int Seed { get; init; }

    /// <summary>Threads at most; no result depends on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;
}
