namespace MlNetTransfer.Checks;

/// <summary>What can be wrong with a data set, in the order in which it is best mended.</summary>
public enum FindingKind
{
    /// <summary>A file that cannot be used; the reason is in the message.</summary>
    Unreadable,

    /// <summary>One image in two parts of the data set's own split: the evaluation says too much.</summary>
    Leak,

    /// <summary>One image in two classes: at least one label is wrong.</summary>
    LabelConflict,

    /// <summary>A label that is more likely wrong than right.</summary>
    LabelError,

    /// <summary>The same image twice, byte for byte or pixel for pixel.</summary>
    Duplicate,

    /// <summary>Nearly the same image twice: saved again, resized, retouched.</summary>
    NearDuplicate,

    /// <summary>An image unlike the others of its class.</summary>
    Outlier,

    /// <summary>A class with too few images to learn it.</summary>
    SmallClass,

    /// <summary>Classes of very different size.</summary>
    Imbalance,

    /// <summary>An image of a few pixels.</summary>
    Tiny,

    /// <summary>An image that is dark all over.</summary>
    Dark,

    /// <summary>An image of nearly one shade.</summary>
    LowContrast,

    /// <summary>An image without sharp edges.</summary>
    Blurred,

    /// <summary>An image much wider or taller than the others.</summary>
    OddShape,
}

/// <summary>How much a finding matters.</summary>
public enum FindingSeverity
{
    /// <summary>Makes a model or its figures wrong.</summary>
    High,

    /// <summary>Costs accuracy, or is likely to.</summary>
    Medium,

    /// <summary>Worth a look.</summary>
    Low,
}

/// <summary>Something wrong, or likely wrong, with a data set. Immutable.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Files">The images: first the one to act on, then the one that it is compared with; none where it is
/// about a class.</param>
/// <param name="Score">How sure or how much, as its kind counts: a probability, a similarity, a number of images. Null
/// where there is nothing to count.</param>
/// <param name="Message">What was found and what to do, in a sentence or two.</param>
public sealed record DataFinding(FindingKind Kind, IReadOnlyList<string> Files, double? Score, string Message)
{
    /// <summary>How much it matters.</summary>
    public FindingSeverity Severity =>
        Kind switch
        {
            FindingKind.Unreadable or FindingKind.Leak or FindingKind.LabelConflict => FindingSeverity.High,
            FindingKind.LabelError or FindingKind.Duplicate or FindingKind.SmallClass => FindingSeverity.Medium,
            _ => FindingSeverity.Low,
        };

    /// <summary>The class of the image or that it is about; null where that is not known.</summary>
    public string? Class { get; init; }

    /// <summary>Whether two images are the same byte for byte or pixel for pixel.</summary>
    public bool Exact { get; init; }

    /// <summary>What to do about findings of a kind, as "look at the labels of 3 images".</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="count">How many there are, at least 1.</param>
    public static string ToDo(FindingKind kind, int count)
    {
        (string images, string are) = count == 1 ? ("1 image", "is") : ($"{count} images", "are");
        return kind switch
        {
            FindingKind.Unreadable =>
                $"replace or remove {(count == 1 ? "1 file" : $"{count} files")} that cannot be used",
            FindingKind.Leak => $"take {images} that {are} in two parts of the split out of one",
            FindingKind.LabelConflict => $"decide the class of {images} that {are} in two classes",
            FindingKind.LabelError => $"look at the labels of {images}",
            FindingKind.Duplicate => $"remove {images} that {are} there twice",
            FindingKind.NearDuplicate => $"keep {images} on one side of a split with what looks the same",
            FindingKind.Outlier => $"look at {images} unlike their class",
            FindingKind.SmallClass => $"add images to {(count == 1 ? "1 class" : $"{count} classes")}, or merge",
            FindingKind.Imbalance => "add images of the small classes, or weigh classes",
            _ => $"look whether {images} can be learnt from",
        };
    }
}
