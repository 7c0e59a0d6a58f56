using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Jobs;

/// <summary>Two models to compare on the same images. Immutable; an invalid instance cannot be made.</summary>
public sealed record CompareModelsOptions : DataJobRequest
{
    /// <summary>The first model file, for example the one in use.</summary>
    public required string First
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The second model file, for example a new one.</summary>
    public required string Second
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>The labelled images, as <see cref="EvaluateOptions.Folder"/>.</summary>
    public required string Folder
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>How to read the labelled images; one class is enough.</summary>
    public DatasetOptions Dataset { get; init; } = new();

    /// <summary>
    /// Difference in accuracy that does not matter, in [0.001, 0.5]: where the whole interval is smaller, the models
    /// are as good as each other. Default 0.02.
    /// </summary>
    public double Margin
    {
        get;
        init => field = Check.InRange(value, 0.001, 0.5, nameof(Margin));
    } = 0.02;

    /// <summary>What runs the models. Default the CPU.</summary>
    public ExecutionProvider Device { get; init; }

    /// <inheritdoc/>
    public override CompareModelsJob CreateJob(JobServices? services = null) => new(this, services);
}

/// <summary>Judges two models on the images that neither was trained on.</summary>
/// <param name="options">The comparison.</param>
/// <param name="services">What it takes from outside; null for the defaults.</param>
public sealed class CompareModelsJob(CompareModelsOptions options, JobServices? services = null)
    : IJob<ModelsComparison>
{
    private const int Seed = 20261129,
        Draws = 2000;

    /// <summary>Runs the job.</summary>
    /// <param name="progress">Told after every image, from any thread.</param>
    /// <param name="cancellation">Ends the job between two images.</param>
    /// <exception cref="TransferException">A model does not know a class of the images, or both were trained on all of
    /// them.</exception>
    public ModelsComparison Run(IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ModelEvaluation first = Evaluate(options.First, progress, cancellation),
            second = Evaluate(options.Second, progress, cancellation);
        Dictionary<string, EvaluatedItem> others = second.Predictions.ToDictionary(
            image => image.File,
            StringComparer.Ordinal
        );
        (EvaluatedItem First, EvaluatedItem Second)[] pairs =
        [
            .. first
                .Predictions.Where(image => image.Seen != true)
                .Select(image => (image, others.GetValueOrDefault(image.File)!))
                .Where(pair => pair.Item2 is { Seen: not true }),
        ];
        if (pairs.Length == 0)
            throw new TransferException(
                $"Each of the {first.Images} images in '{options.Folder}' was in the training of one of the models, so "
                    + "nothing tells which is better on new ones. Give images that neither was trained on."
            );
        bool[] firstRight = [.. pairs.Select(pair => IsRight(pair.First, first))],
            secondRight = [.. pairs.Select(pair => IsRight(pair.Second, second))];
        Dictionary<string, int> firstLabels = Labels(first),
            secondLabels = Labels(second);
        double[] losses = [.. pairs.Select(pair => Loss(pair.Second, secondLabels) - Loss(pair.First, firstLabels))];
        var difference = PairedDifference.Of(firstRight, secondRight);
        return new ModelsComparison(
            Side.Of(options.First, firstRight),
            Side.Of(options.Second, secondRight),
            difference,
            options.Margin,
            Mean(losses)
        )
        {
            Images = pairs.Length,
            LeftOut = first.Images - pairs.Length,
            Rejected = first.Rejected,
            Notes = [.. first.Notes.Concat(second.Notes).Distinct()],
        };
    }

    private ModelEvaluation Evaluate(string model, IProgress<JobProgress>? progress, CancellationToken cancellation) =>
        new EvaluateJob(
            new EvaluateOptions
            {
                Model = model,
                Folder = options.Folder,
                Dataset = options.Dataset,
                Device = options.Device,
                Limits = options.Limits,
                Workers = options.Workers,
            },
            services
        ).Run(progress, cancellation);

    private static bool IsRight(EvaluatedItem image, ModelEvaluation evaluation) =>
        evaluation.ClassNames[image.Predicted] == image.Truth;

    private static Dictionary<string, int> Labels(ModelEvaluation evaluation) =>
        evaluation
            .ClassNames.Select((name, label) => (name, label))
            .ToDictionary(c => c.name, c => c.label, StringComparer.Ordinal);

    private static double Loss(EvaluatedItem image, Dictionary<string, int> labels) =>
        JudgedRows.Loss(image.Probabilities.Span[labels[image.Truth]]);

    private static Estimate Mean(double[] values)
    {
        var rng = new Rng(Seed);
        double[] means =
        [
            .. Enumerable.Range(0, Draws).Select(_ => values.Average(_ => values[rng.Next(values.Length)])),
        ];
        Array.Sort(means);
        return new Estimate(
            values.Average(),
            ClassificationMetrics.Quantile(means, 0.025),
            ClassificationMetrics.Quantile(means, 0.975)
        );
    }
}

/// <summary>One of two models.</summary>
/// <param name="Model">The model file.</param>
/// <param name="Accuracy">Share of the images that it takes for the right class, in [0, 1].</param>
/// <param name="AccuracyInterval">95 % Wilson interval of that [low, high].</param>
public sealed record Side(string Model, double Accuracy, IReadOnlyList<double> AccuracyInterval)
{
    internal static Side Of(string model, bool[] right)
    {
        int hits = right.Count(hit => hit);
        Interval interval = WilsonInterval.Of(hits, right.Length);
        return new Side(model, (double)hits / right.Length, [interval.Low, interval.High]);
    }
}

/// <summary>What the comparison of two models says.</summary>
public enum ComparisonVerdict
{
    /// <summary>The first is right more often; the interval of the difference leaves no doubt.</summary>
    FirstIsBetter,

    /// <summary>The second is right more often; the interval of the difference leaves no doubt.</summary>
    SecondIsBetter,

    /// <summary>The whole interval is smaller than the difference that matters.</summary>
    AsGood,

    /// <summary>The images do not tell: a difference that matters is possible, and so is none.</summary>
    TooFewImages,
}

/// <summary>Two models on the same images.</summary>
public sealed record ModelsComparison
{
    internal ModelsComparison(Side first, Side second, PairedDifference difference, double margin, Estimate logLoss)
    {
        Interval interval = difference.Interval();
        (First, Second, Margin, LogLossDifference) = (first, second, margin, logLoss);
        (Difference, DifferenceInterval) = (difference.Value, [interval.Low, interval.High]);
        (OnlySecondRight, OnlyFirstRight) = (difference.Gained, difference.Lost);
        McNemarP = McNemar.ExactP(difference.Gained, difference.Lost);
        Verdict =
            interval.Low > 0 ? ComparisonVerdict.SecondIsBetter
            : interval.High < 0 ? ComparisonVerdict.FirstIsBetter
            : Math.Max(-interval.Low, interval.High) <= margin ? ComparisonVerdict.AsGood
            : ComparisonVerdict.TooFewImages;
    }

    /// <summary>What follows.</summary>
    public ComparisonVerdict Verdict { get; }

    /// <summary>Images that neither was trained on, as far as the model files say.</summary>
    public required int Images { get; init; }

    /// <summary>Images left out since a model was trained on them, or could not be used.</summary>
    public required int LeftOut { get; init; }

    /// <summary>The first model.</summary>
    public Side First { get; }

    /// <summary>The second model.</summary>
    public Side Second { get; }

    /// <summary>Accuracy of the second less that of the first.</summary>
    public double Difference { get; }

    /// <summary>The 95 % interval of that [low, high], see <see cref="PairedDifference"/>.</summary>
    public IReadOnlyList<double> DifferenceInterval { get; }

    /// <summary>The difference that does not matter.</summary>
    public double Margin { get; }

    /// <summary>Images that the second alone takes for the right class.</summary>
    public int OnlySecondRight { get; }

    /// <summary>Images that the first alone takes for the right class.</summary>
    public int OnlyFirstRight { get; }

    /// <summary>McNemar's exact p, two-sided.</summary>
    public double McNemarP { get; }

    /// <summary>
    /// Mean log-loss of the second less that of the first (nats), with its 95 % bootstrap interval over images.
    /// </summary>
    public Estimate LogLossDifference { get; }

    /// <summary>Images that were not used, and why.</summary>
    public required IReadOnlyList<RejectedItem> Rejected { get; init; }

    /// <summary>What a reader of the figures should know.</summary>
    public required IReadOnlyList<string> Notes { get; init; }
}
