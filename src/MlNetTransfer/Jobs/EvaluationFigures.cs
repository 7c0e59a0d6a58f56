using System.Text.Json.Serialization;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Jobs;

/// <summary>How a model does on some images: plain numbers, in the order of the JSON.</summary>
public record EvaluationFigures
{
    /// <param name="images">Images used.</param>
    /// <param name="report">The judgement of the evaluated images.</param>
    internal EvaluationFigures(int images, ClassificationReport report)
    {
        (Images, Classes, Accuracy, AccuracyInterval) = (
            images,
            report.ClassNames.Count,
            report.Accuracy,
            [report.AccuracyInterval.Low, report.AccuracyInterval.High]
        );
        (LogLoss, Ece, Confusion, PerClass) = (
            report.LogLoss,
            report.CalibrationError,
            report.Confusion,
            report.PerClass
        );
    }

    /// <summary>Images used.</summary>
    [JsonPropertyOrder(-20)]
    public int Images { get; }

    /// <summary>Number of classes.</summary>
    [JsonPropertyOrder(-19)]
    public int Classes { get; }

    /// <summary>Share of the evaluated images whose likeliest class is the true one, in [0, 1].</summary>
    [JsonPropertyOrder(-18)]
    public double Accuracy { get; }

    /// <summary>95 % Wilson interval of the accuracy [low, high].</summary>
    [JsonPropertyOrder(-17)]
    public IReadOnlyList<double> AccuracyInterval { get; }

    /// <summary>What guessing without looking gets: 1 / classes.</summary>
    [JsonPropertyOrder(-16)]
    public double Chance => 1.0 / Classes;

    /// <summary>The class that most of the evaluated images are of; of equal ones, the first.</summary>
    [JsonPropertyOrder(-16)]
    public string MajorityClass => PerClass.MaxBy(c => c.Support)!.Name;

    /// <summary>What always guessing that class gets on the evaluated images, in [0, 1].</summary>
    [JsonPropertyOrder(-16)]
    public double MajorityShare => (double)PerClass.Max(c => c.Support) / PerClass.Sum(c => c.Support);

    /// <summary>Mean log-loss in nats.</summary>
    [JsonPropertyOrder(-16)]
    public double LogLoss { get; }

    /// <summary>Expected calibration error over 15 bins, in [0, 1].</summary>
    [JsonPropertyOrder(-15)]
    public double Ece { get; }

    /// <summary>Evaluated images by true class (rows) and predicted class (columns) [classes × classes].</summary>
    [JsonPropertyOrder(-14)]
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; }

    /// <summary>Scores of every class.</summary>
    [JsonPropertyOrder(-13)]
    public IReadOnlyList<ClassScore> PerClass { get; }

    /// <summary>The figures of a report.</summary>
    /// <param name="report">The judgement of the evaluated images.</param>
    public static EvaluationFigures Of(ClassificationReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new EvaluationFigures(report.Rows, report);
    }
}
