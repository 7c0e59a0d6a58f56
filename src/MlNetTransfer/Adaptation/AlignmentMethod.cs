using System.Text.Json.Serialization;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Adaptation;

/// <summary>
/// A way to move the features of labelled images to where those of unlabelled ones of another domain lie, so that a
/// classifier trained on what was moved suits the other domain. The registry of them all.
/// </summary>
/// <remarks>
/// Every method moves the source and leaves the target as it is: the classifier then takes the target's features as the
/// backbone gives them, and the model file is like any other. What a method is called, what it does and how it is
/// computed stands in one place, <c>Describe</c> of its class; here it has a line. All methods work on the features'
/// roots, sign(x)·√|x| (Tukey's ladder of powers with λ = ½), whose distribution is nearer to a normal one, and go back
/// to the features at the end. All suppose that the classes are about as frequent in the target as in the source; where
/// classes of the source are missing in the target, moving can do harm, which no figure without labels shows.
/// </remarks>
[JsonConverter(typeof(Json))]
public sealed class AlignmentMethod : INamed
{
    /// <summary>All methods, from the simplest to the costliest.</summary>
    public static Registry<AlignmentMethod> All { get; } = new("alignment");

    /// <summary>The source's features as they are: what every other method is compared with.</summary>
    public static AlignmentMethod None { get; } =
        All.Add(new AlignmentMethod("None", "the labelled images' features as they are", pair => [.. pair.Source]));

    /// <summary>Mean and deviation of every feature become those of the target.</summary>
    public static AlignmentMethod Standardize { get; } = All.Add(Standardization.Describe());

    /// <summary>Correlation alignment: mean and covariance become those of the target.</summary>
    public static AlignmentMethod Coral { get; } = All.Add(CorrelationAlignment.Describe());

    /// <summary>Subspace alignment: principal directions of the source become those of the target.</summary>
    public static AlignmentMethod Subspace { get; } = All.Add(SubspaceAlignment.Describe());

    /// <summary>Optimal transport: every source image becomes a mean of the target images it is carried to.</summary>
    public static AlignmentMethod Transport { get; } = All.Add(OptimalTransport.Describe());

    private readonly Func<DomainPair, float[]> align;

    internal AlignmentMethod(string name, string description, Func<DomainPair, float[]> align) =>
        (Name, Description, this.align) = (name, description, align);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Name in tables and reports.</summary>
    public string Label => Name.ToLowerInvariant();

    /// <summary>What it does, in a phrase.</summary>
    public string Description { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Moves the source's features to where the target's lie.</summary>
    /// <param name="source">Labelled rows [source × width].</param>
    /// <param name="target">Rows of the other domain [target × width]; their labels are not looked at.</param>
    /// <param name="options">Which features belong together, and what may be used; null for the defaults.</param>
    /// <param name="cancellation">Ends the work, where it takes more than a pass over the rows.</param>
    /// <returns>The source's rows moved, with their labels, in their order; equal inputs give equal bytes.</returns>
    /// <exception cref="ArgumentException">The widths differ, or a domain has fewer than two rows.</exception>
    public FeatureTable Align(
        FeatureTable source,
        FeatureTable target,
        AlignmentOptions? options = null,
        CancellationToken cancellation = default
    )
    {
        var pair = DomainPair.Of(source, target, options ?? new AlignmentOptions(), cancellation);
        float[] moved =
            this == None
                ? align(pair)
                : Array.ConvertAll(
                    align(
                        pair with
                        {
                            Source = Array.ConvertAll(source.Values, KernelRidgeHead.Root),
                            Target = Array.ConvertAll(target.Values, KernelRidgeHead.Root),
                        }
                    ),
                    root => root * Math.Abs(root)
                );
        return new FeatureTable(source.ClassNames, source.Labels, moved, source.Width) { Networks = source.Networks };
    }

    private sealed class Json() : NamedJson<AlignmentMethod>(All);
}

/// <summary>What an alignment may use. Immutable; an invalid instance cannot be made.</summary>
public sealed record AlignmentOptions
{
    /// <summary>
    /// The taps whose features stand side by side in a row: each is aligned by itself. <see
    /// cref="AlignmentMethod.Transport"/>, which carries whole rows, gives each the same weight in a distance whatever
    /// its width. Default null: all features belong together.
    /// </summary>
    public TapGroups? Groups { get; init; }

    /// <summary>Seed of the draws from many rows. Default 1.</summary>
    public int Seed { get; init; } = 1;

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>Rows of two domains, as alignments see them.</summary>
/// <param name="Source">The source's rows [SourceRows × Width].</param>
/// <param name="SourceRows">How many, at least 2.</param>
/// <param name="Target">The target's rows [TargetRows × Width].</param>
/// <param name="TargetRows">How many, at least 2.</param>
/// <param name="Width">Features of a row.</param>
/// <param name="Blocks">First feature and width of each group of features that belong together.</param>
/// <param name="Seed">Seed of draws.</param>
/// <param name="Parallel">Threads, and what ends the work.</param>
internal sealed record DomainPair(
    float[] Source,
    int SourceRows,
    float[] Target,
    int TargetRows,
    int Width,
    IReadOnlyList<(int Start, int Width)> Blocks,
    int Seed,
    ParallelOptions Parallel
)
{
    public static DomainPair Of(
        FeatureTable source,
        FeatureTable target,
        AlignmentOptions options,
        CancellationToken cancellation
    )
    {
        if (source.Width != target.Width)
            throw new ArgumentException(
                $"Rows of {source.Width} features cannot be moved to rows of {target.Width}.",
                nameof(target)
            );
        if (source.Rows < 2 || target.Rows < 2)
            throw new ArgumentException(
                $"{source.Rows} rows cannot be moved to {target.Rows}; at least 2 of each are needed.",
                source.Rows < 2 ? nameof(source) : nameof(target)
            );
        IReadOnlyList<int> widths = options.Groups?.Widths ?? [source.Width];
        if (widths.Sum() != source.Width)
            throw new ArgumentException(
                $"The groups have {widths.Sum()} features, a row has {source.Width}.",
                nameof(options)
            );
        return new DomainPair(
            source.Values,
            source.Rows,
            target.Values,
            target.Rows,
            source.Width,
            [.. widths.Select((width, i) => (widths.Take(i).Sum(), width))],
            options.Seed,
            new ParallelOptions { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation }
        );
    }

    /// <summary>The features of a source row.</summary>
    public ReadOnlySpan<float> SourceRow(int row) => Source.AsSpan(row * Width, Width);

    /// <summary>The features of a target row.</summary>
    public ReadOnlySpan<float> TargetRow(int row) => Target.AsSpan(row * Width, Width);
}

/// <summary>Mean and deviation of every feature of a domain.</summary>
/// <param name="Mean">Means [width].</param>
/// <param name="Deviation">Standard deviations with divisor n [width]; 0 where a feature is constant.</param>
internal sealed record DomainMoments(double[] Mean, double[] Deviation)
{
    public static DomainMoments Of(float[] values, int width)
    {
        int rows = values.Length / width;
        double[] mean = new double[width],
            square = new double[width];
        for (int i = 0; i < values.Length; i++)
            mean[i % width] += values[i];
        for (int i = 0; i < width; i++)
            mean[i] /= rows;
        for (int i = 0; i < values.Length; i++)
            square[i % width] += (values[i] - mean[i % width]) * (values[i] - mean[i % width]);
        for (int i = 0; i < width; i++)
        {
            double deviation = Math.Sqrt(square[i] / rows);
            // What varies by no more than float32's rounding of the mean is constant.
            square[i] = deviation > 1e-7 * Math.Abs(mean[i]) ? deviation : 0;
        }

        return new DomainMoments(mean, square);
    }

    /// <summary>(x - mean) / deviation; 0 for a constant feature.</summary>
    public float Standard(float value, int feature) =>
        Deviation[feature] > 0 ? (float)((value - Mean[feature]) / Deviation[feature]) : 0;

    /// <summary>The inverse of <see cref="Standard"/>.</summary>
    public float Raw(double standard, int feature) => (float)(standard * Deviation[feature] + Mean[feature]);
}
