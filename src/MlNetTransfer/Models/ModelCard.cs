using System.Globalization;
using System.Text;
using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Models;

/// <summary>
/// A model card (Mitchell et al., Model Cards for Model Reporting, 2019) in Markdown: what a model is for, what it was
/// made of, how good it is and where it is not to be trusted.
/// </summary>
/// <remarks>It holds no date, path or machine, so that equal images, options and seed give equal bytes.</remarks>
public sealed record ModelCard
{
    /// <summary>The classes.</summary>
    public required IReadOnlyList<string> Labels { get; init; }

    /// <summary>Images to train per class [classes].</summary>
    public required IReadOnlyList<int> TrainPerClass { get; init; }

    /// <summary>Images of the evaluation per class [classes].</summary>
    public required IReadOnlyList<int> TestPerClass { get; init; }

    /// <summary>Folds of the cross-validation that the evaluation is of; 0 where images were held out.</summary>
    public required int Folds { get; init; }

    /// <summary>Seed of the split.</summary>
    public required int Seed { get; init; }

    /// <summary>The evaluation.</summary>
    public required ClassificationReport Report { get; init; }

    /// <summary>The backbone.</summary>
    public required BackboneCard Backbone { get; init; }

    /// <summary>The taps in use.</summary>
    public required IReadOnlyList<string> Taps { get; init; }

    /// <summary>The kind of head.</summary>
    public required string Head { get; init; }

    /// <summary>What the logits were divided by.</summary>
    public required double Temperature { get; init; }

    /// <summary>SHA-256 over all that training depended on, hexadecimal.</summary>
    public required string TrainingDigest { get; init; }

    /// <summary>What the model says beside its probabilities; null where that is not known.</summary>
    public Reliability? Reliability { get; init; }

    /// <summary>The card as Markdown, lines ended by a line feed.</summary>
    public string ToMarkdown()
    {
        var text = new StringBuilder();
        Line(text, string.Create(CultureInfo.InvariantCulture, $"# Image classifier of {Labels.Count} classes"));
        Section(
            text,
            "Intended use",
            $"Tells images of these classes apart: {string.Join(", ", Labels)}. Every image is given to one of "
                + (
                    Reliability?.Unknown is null
                        ? "them: the model does not know what is none of them."
                        : "them; the output 'unknown' is above 1 for an image unlike all training images."
                )
        );
        Section(
            text,
            "Data",
            Folds == 0
                ? string.Create(
                    CultureInfo.InvariantCulture,
                    $"{TrainPerClass.Sum()} images to train and {TestPerClass.Sum()} held out for the evaluation, "
                        + $"seed {Seed}. Images that are byte for byte the same, or of one group, do not stand on "
                        + $"both sides."
                )
                : string.Create(
                    CultureInfo.InvariantCulture,
                    $"{TrainPerClass.Sum()} images, evaluated by {Folds}-fold cross-validation, seed {Seed}; the "
                        + $"model is trained on all of them."
                )
        );
        Classes(text);
        Section(
            text,
            "Metrics",
            string.Create(
                CultureInfo.InvariantCulture,
                $"Accuracy {Percent(Report.Accuracy)}, 95 % Wilson interval {Percent(Report.AccuracyInterval.Low)} to "
                    + $"{Percent(Report.AccuracyInterval.High)} (n = {Report.Rows}); macro F1 {Report.MacroF1:f3}; "
                    + $"log-loss {Report.LogLoss:f3} nats; expected calibration error {Report.CalibrationError:f3}."
            )
        );
        if (Reliability is not null)
            Section(text, "Reliability", string.Join(' ', Reliability.Lines()));
        Section(
            text,
            "Limits",
            string.Create(
                CultureInfo.InvariantCulture,
                $"The figures hold for images like those of the evaluation: same source, same quality, same shares of "
                    + $"the classes. {Weakest()}Probabilities are calibrated by temperature scaling on the images to "
                    + $"train; on other images they may be over-confident."
            )
        );
        Section(
            text,
            "How it was made",
            string.Create(
                CultureInfo.InvariantCulture,
                $"Backbone {Backbone.Id} at {string.Join(", ", Taps)}; head: {Head}; temperature {Temperature:g6}. "
                    + $"Training digest {TrainingDigest}."
            )
        );
        Section(
            text,
            "Licence and provenance of the backbone",
            string.Create(
                CultureInfo.InvariantCulture,
                $"{Backbone.Name}, package {Backbone.Package} {Backbone.PackageVersion}; licence {Backbone.License}. "
                    + $"{Backbone.Provenance}"
            )
        );
        return text.ToString();
    }

    private void Classes(StringBuilder text)
    {
        Line(text, "");
        Line(
            text,
            string.Create(
                CultureInfo.InvariantCulture,
                $"| class | {(Folds == 0 ? "to train" : "images")} | evaluated | precision | recall | F1 |"
            )
        );
        Line(text, "|---|---|---|---|---|---|");
        for (int c = 0; c < Labels.Count; c++)
        {
            ClassScore score = Report.PerClass[c];
            Line(
                text,
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {Labels[c].Replace("|", "\\|", StringComparison.Ordinal)} | {TrainPerClass[c]} | "
                        + $"{TestPerClass[c]} | {score.Precision:f3} | {score.Recall:f3} | {score.F1:f3} |"
                )
            );
        }
    }

    /// <summary>The class that is found least often, where that can be said.</summary>
    private string Weakest()
    {
        ClassScore? weakest = Report.PerClass.Where(s => s.Support > 0).MinBy(s => s.Recall);
        return weakest is { Recall: < 1 }
            ? string.Create(
                CultureInfo.InvariantCulture,
                $"Of '{weakest.Name}' only {Percent(weakest.Recall)} were found ({weakest.Support} evaluated). "
            )
            : "";
    }

    private static string Percent(double share) => string.Create(CultureInfo.InvariantCulture, $"{100 * share:f1} %");

    private static void Section(StringBuilder text, string title, string body)
    {
        Line(text, "");
        Line(text, string.Create(CultureInfo.InvariantCulture, $"## {title}"));
        Line(text, "");
        Line(text, body);
    }

    private static void Line(StringBuilder text, string line) => text.Append(line).Append('\n');
}
