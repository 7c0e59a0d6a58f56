using MlNetTransfer.Reports.Page;

namespace MlNetTransfer.Reports.Sections;

/// <summary>The words of the page, the plain meaning first.</summary>
internal static class Glossary
{
    private static readonly (string Word, string Meaning)[] Words =
    [
        (
            "95 % interval",
            "The range in which the true figure lies, as far as this many images can tell. Twice as "
                + "certain needs four times the images. (Wilson's score interval.)"
        ),
        ("Accuracy", "The share of images whose class was named rightly."),
        (
            "Area under the curve",
            "How often an image of a class gets a higher probability for it than another image; ½ is guessing. (ROC "
                + "curve: what is found against what is wrongly taken, for every threshold.)"
        ),
        ("Augmentation", "Random changes of the images to train, so that the network learns what does not matter."),
        (
            "Average precision",
            "How often the model is right when it says a class, averaged over how much of the class is found. "
                + "(Precision-recall curve.)"
        ),
        ("Backbone", "A network that was trained on millions of images before and is reused here to describe yours."),
        ("Blind guessing", "Naming a class by lot, without looking."),
        (
            "Calibration error",
            "How far the model's percentages are from how often it is right, on average. 0 % is "
                + "perfect. (ECE over 15 bins.)"
        ),
        ("Class", "One of the groups that the model tells apart; the name of a folder of your images."),
        (
            "Cross-validation",
            "The images are divided into parts; each part is judged by a model that was trained on "
                + "the others, so that every image is judged fairly once."
        ),
        ("Digest", "A fingerprint: if two are equal, what they stand for was equal. (SHA-256.)"),
        ("Epoch", "One pass of the training over all images to train."),
        ("F1", "One figure for recall and precision together: their harmonic mean."),
        ("Features", "The numbers by which the backbone describes an image."),
        ("Head", "The small classifier on the features; what is trained on your images."),
        ("Held out", "Kept aside, not trained on, to judge by."),
        (
            "Log-loss",
            "How surprised the model is by the right answers: 0 is perfect; ln(classes) is blind "
                + "guessing. It punishes being sure and wrong."
        ),
        (
            "Not sure",
            "Below this probability the model would be wrong more often than was asked for, so it says that it is not "
                + "sure. (Abstention.)"
        ),
        ("Precision", "Of the images said to be of a class, the share that is."),
        ("Recall", "Of the images of a class, the share that was found."),
        ("Set of classes", "The classes that come into question; it holds the true one as often as was asked for."),
        ("Tap", "The place in the backbone where the features are taken."),
        ("Temperature", "What the model's scores are divided by so that its percentages can be believed."),
        ("Unknown", "An image whose features are unlike those of every training image."),
        (
            "Where the model looked",
            "Brighter places speak for the class that the model named. (Grad-CAM, or covering parts "
                + "of the image and watching the probability fall.)"
        ),
    ];

    public static Html Of() =>
        PageFrame.Section(
            "glossary",
            "What the words mean",
            Html.Of(
                $"<dl class=\"glossary\">{Words.Select(w => Html.Of($"<dt>{w.Word}</dt><dd>{w.Meaning}</dd>"))}</dl>"
            )
        );
}
