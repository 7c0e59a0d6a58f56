using MlNetTransfer.Checks;
using MlNetTransfer.Jobs;

namespace MlNetTransfer.Runs;

/// <summary>What a trained model has to be before a job exports it. Immutable; null members ask for nothing.</summary>
public sealed record QualityGates
{
    /// <summary>
    /// Least accuracy, in [0, 1], of the lower end of its 95 % interval: so many images that luck does not pass.
    /// </summary>
    public double? MinAccuracy
    {
        get;
        init => field = value is { } least ? Check.InRange(least, 0, 1) : null;
    }

    /// <summary>Greatest expected calibration error, in [0, 1].</summary>
    public double? MaxEce
    {
        get;
        init => field = value is { } most ? Check.InRange(most, 0, 1) : null;
    }

    /// <summary>Whether no image may be in two parts of the split. Default false: it is noted only.</summary>
    public bool NoLeak { get; init; }

    /// <summary>The model in use, which the new one may not be worse than.</summary>
    public CurrentModel? NotWorseThan { get; init; }

    /// <summary>Whether each gate that is asked for holds.</summary>
    internal IReadOnlyList<GateResult> Judge(
        TrainSummary trained,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        List<GateResult> results = [];
        IReadOnlyList<double> interval = trained.IntervalWithChoice;
        if (MinAccuracy is { } least)
            results.Add(
                new GateResult(
                    "minAccuracy",
                    interval[0] >= least,
                    FormattableString.Invariant($"accuracy {100 * trained.Accuracy:0.0} %, at least ")
                        + FormattableString.Invariant($"{100 * interval[0]:0.0} % by its 95 % interval ")
                        + FormattableString.Invariant(
                            $"({trained.TestImages} images); {100 * least:0.0} % is asked for"
                        )
                )
            );
        if (MaxEce is { } most)
            results.Add(
                new GateResult(
                    "maxEce",
                    trained.Ece <= most,
                    FormattableString.Invariant($"calibration error {trained.Ece:0.000}; {most:0.000} is allowed")
                )
            );
        if (NoLeak)
            results.Add(Leak(trained));
        if (NotWorseThan is { } current)
            results.Add(current.Judge(trained, progress, cancellation));
        return results;
    }

    private static GateResult Leak(TrainSummary trained)
    {
        int leaks = trained.FindingCounts.GetValueOrDefault(FindingKind.Leak);
        string first = trained.Findings.FirstOrDefault(f => f.Kind == FindingKind.Leak) is { } leak
            ? $", the first {string.Join(" and ", leak.Files)}"
            : "";
        return new GateResult(
            "noLeak",
            leaks == 0,
            leaks == 0
                ? "no image is in two parts of the split"
                : $"{leaks} images are, or look the same as one, in another part of the split{first}"
        );
    }
}

/// <summary>The model in use. Immutable.</summary>
public sealed record CurrentModel
{
    /// <summary>Its file.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>
    /// Labelled images to compare on; those that either model was trained on are left out. Default null: those of the
    /// job.
    /// </summary>
    public string? Images
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>
    /// How much less accurate the new model may be, in [0.001, 0.5]; the whole 95 % interval of the difference has to
    /// be above it. Default null: the new model fails only where the images show that it is worse.
    /// </summary>
    public double? Margin
    {
        get;
        init => field = value is { } margin ? Check.InRange(margin, 0.001, 0.5) : null;
    }

    internal GateResult Judge(TrainSummary trained, IProgress<JobProgress>? progress, CancellationToken cancellation)
    {
        TrainOptions train = trained.Options;
        ModelsComparison found = new CompareModelsJob(
            new CompareModelsOptions
            {
                First = Model,
                Second = trained.Model,
                Folder = Images ?? train.Folder,
                Dataset = train.Dataset with { MinimumClasses = 1 },
                Device = train.Device,
                Limits = train.Limits,
                Workers = train.Workers,
            }
        ).Run(progress, cancellation);
        (double low, double high) = (found.DifferenceInterval[0], found.DifferenceInterval[1]);
        bool holds = Margin is { } margin ? low >= -margin : found.Verdict != ComparisonVerdict.FirstIsBetter;
        string verdict = found.Verdict switch
        {
            ComparisonVerdict.FirstIsBetter => "the model in use is better",
            ComparisonVerdict.SecondIsBetter => "the new model is better",
            ComparisonVerdict.AsGood => "they are as good as each other",
            _ => "too few images to tell which is better",
        };
        string allowed = Margin is { } most ? FormattableString.Invariant($"; {-100 * most:0.0} is allowed") : "";
        return new GateResult(
            "notWorseThan",
            holds,
            FormattableString.Invariant($"{verdict}: {100 * found.Difference:+0.0;-0.0;0.0} points of accuracy (95 %: ")
                + FormattableString.Invariant($"{100 * low:0.0} to {100 * high:0.0}) on {found.Images} images that ")
                + $"neither was trained on{allowed}"
        );
    }
}

/// <summary>Whether a model passes a gate.</summary>
/// <param name="Gate">The gate, as the job file calls it.</param>
/// <param name="Holds">Whether it holds.</param>
/// <param name="Found">What was found, and what is asked for.</param>
public sealed record GateResult(string Gate, bool Holds, string Found);
