using System.Globalization;
using System.Text;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer;

/// <summary>Evaluation with intervals in ML.NET's catalog.</summary>
public static class ImageEvaluationCatalog
{
    /// <summary>Judges scored rows under ML.NET's names, with 95 % intervals.</summary>
    /// <param name="catalog"><c>mlContext.MulticlassClassification</c>.</param>
    /// <param name="data">Scored rows: what a model's Transform gave for rows that it was not trained on.</param>
    /// <param name="labelColumnName">Column of true classes, of key type.</param>
    /// <param name="scoreColumnName">Column of probabilities, a vector of float32 [classes].</param>
    /// <exception cref="TransferException">A column is missing or of another type, or there is no row.</exception>
    public static ImageClassificationMetrics EvaluateWithIntervals(
        this MulticlassClassificationCatalog catalog,
        IDataView data,
        string labelColumnName = "Label",
        string scoreColumnName = "Score"
    )
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ArgumentNullException.ThrowIfNull(data);
        LabelKeyColumn label = LabelKeyColumn.Of(data.Schema, labelColumnName, binary: false);
        DataViewSchema.Column score =
            data.Schema.GetColumnOrNull(scoreColumnName)
            ?? throw ItemColumn.Missing(scoreColumnName, data.Schema.Where(c => !c.IsHidden).Select(c => c.Name));
        if (score.Type is not VectorDataViewType { Size: var width } || width != label.Names.Count)
            throw new TransferException(
                $"Column '{scoreColumnName}' is {score.Type}; a vector of Single with one probability for each of "
                    + $"the {label.Names.Count} classes of '{labelColumnName}' was expected. Name the column of scores."
            );
        var labels = new List<int>();
        var probabilities = new List<float>();
        using DataViewRowCursor cursor = data.GetRowCursor([data.Schema[labelColumnName], score]);
        Func<int> key = label.Reader(cursor);
        ValueGetter<VBuffer<float>> scores = cursor.GetGetter<VBuffer<float>>(score);
        VBuffer<float> row = default;
        while (cursor.MoveNext())
        {
            scores(ref row);
            labels.Add(key());
            probabilities.AddRange(row.DenseValues());
        }

        if (labels.Count == 0)
            throw new TransferException("There is no row to judge. Give the scored rows of the test part.");
        return new ImageClassificationMetrics(ClassificationReport.Of(label.Names, [.. labels], [.. probabilities]));
    }
}

/// <summary>How well a classifier does, under ML.NET's names, with 95 % intervals.</summary>
/// <param name="Report">All figures.</param>
public sealed record ImageClassificationMetrics(ClassificationReport Report)
{
    /// <summary>Rows judged.</summary>
    public int Rows => Report.Rows;

    /// <summary>Share of rows whose likeliest class is the true one.</summary>
    public double MicroAccuracy => Report.Accuracy;

    /// <summary>95 % Wilson interval of <see cref="MicroAccuracy"/>.</summary>
    public Interval MicroAccuracyInterval => Report.AccuracyInterval;

    /// <summary>Mean over the classes that have rows of the share of their rows that were found.</summary>
    public double MacroAccuracy => Report.PerClass.Where(c => c.Support > 0).Average(c => c.Recall);

    /// <summary>Mean of -ln(probability of the true class), in nats.</summary>
    public double LogLoss => Report.LogLoss;

    /// <summary>What guessing at random gets: 1 / classes.</summary>
    public double Chance => 1.0 / Report.ClassNames.Count;

    /// <summary>What always naming the most frequent class gets.</summary>
    public double MajorityClass => (double)Report.PerClass.Max(c => c.Support) / Report.Rows;

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder();
        Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"MicroAccuracy {MicroAccuracy:P1} (95 % interval {MicroAccuracyInterval.Low:P1} to "
                    + $"{MicroAccuracyInterval.High:P1}, {Rows} rows); chance {Chance:P1}, most frequent class "
                    + $"{MajorityClass:P1}"
            )
        );
        Line(
            string.Create(CultureInfo.InvariantCulture, $"MacroAccuracy {MacroAccuracy:P1}, LogLoss {LogLoss:f3} nats")
        );
        if (Report.PerClass.Where(c => c.Support > 0).MinBy(c => c.Recall) is { Recall: < 1 } weakest)
            Line(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Weakest: {weakest.Name}, {weakest.Recall:P0} of {weakest.Support} found"
                )
            );
        return text.ToString().TrimEnd('\n');

        void Line(string line) => text.Append(line).Append('\n');
    }
}
