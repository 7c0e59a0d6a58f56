namespace MlNetTransfer.Jobs;

/// <summary>The ways to find out how good a model is on images that it was not trained on.</summary>
public enum ProtocolKind
{
    /// <summary>A part of the images was held out.</summary>
    HeldOut,

    /// <summary>
    /// Every image was predicted by a model that was not trained on it; the written model is trained on all.
    /// </summary>
    CrossValidation,

    /// <summary>The images came with a split of their own.</summary>
    OwnSplit,
}

/// <summary>How the figures of a training run come about, and why in that way. Immutable.</summary>
/// <remarks>
/// Few images held out say little: of 31 images, 84 % right means anything from 67 % to 93 %. So where nothing else is
/// asked for, small data sets are cross-validated, which uses every image for the figures and for the model.
/// </remarks>
public sealed record EvaluationProtocol
{
    /// <summary>Images below which a part held out is too small to judge by.</summary>
    public const int FewImages = 500;

    /// <summary>Held-out images of a class below which its figures say too little.</summary>
    public const int FewHeldOut = 20;

    /// <summary>Share held out where none is given.</summary>
    public const double DefaultTestFraction = 0.2;

    /// <summary>Folds where their number is not given, and every class has as many images.</summary>
    public const int DefaultFolds = 5;

    private EvaluationProtocol(ProtocolKind kind, string reason) => (Kind, Reason) = (kind, reason);

    /// <summary>The way.</summary>
    public ProtocolKind Kind { get; }

    /// <summary>Folds of the cross-validation; 0 without one.</summary>
    public int Folds { get; private init; }

    /// <summary>Share of each class that is held out; null where nothing is drawn.</summary>
    public double? TestFraction { get; private init; }

    /// <summary>Whether the options asked for it; otherwise the images decided.</summary>
    public bool Asked { get; private init; }

    /// <summary>Why this way, in a clause: "157 images are fewer than 500".</summary>
    public string Reason { get; }

    /// <summary>Decides.</summary>
    /// <param name="options">What was asked for: folds, a test fraction, or neither.</param>
    /// <param name="classNames">The classes.</param>
    /// <param name="images">Usable images of each class [classes].</param>
    /// <param name="groups">Groups that hold images of each class [classes]; the images themselves where there are
    /// none.</param>
    /// <param name="split">Whether the images come with a split of their own.</param>
    internal static EvaluationProtocol Of(
        TrainOptions options,
        IReadOnlyList<string> classNames,
        IReadOnlyList<int> images,
        IReadOnlyList<int> groups,
        bool split
    )
    {
        if (split)
            return new EvaluationProtocol(ProtocolKind.OwnSplit, "the images come with a split of their own");
        if (options.Folds is { } given)
            return Folded(given, "--folds asks for it") with { Asked = true };
        if (options.TestFraction is { } asked)
            return Held(asked, "--test-fraction asks for it") with { Asked = true };
        // A class with one group only is refused by the division into folds, which names it.
        int folds = Math.Clamp(groups.Min(), 2, DefaultFolds);
        if (options.JudgesByFolds)
            return Folded(folds, "Reliability asks for it") with { Asked = true };
        int total = images.Sum(),
            smallest = Enumerable.Range(0, images.Count).MinBy(c => images[c]);
        if (total < FewImages)
            return Folded(folds, $"{total} images are fewer than {FewImages}");
        if (images[smallest] * DefaultTestFraction < FewHeldOut)
        {
            return Folded(
                folds,
                $"{FewHeldOut} images of every class should be held out, "
                    + $"and '{classNames[smallest]}' has {images[smallest]} in all"
            );
        }

        return Held(DefaultTestFraction, "there are enough images");
    }

    private static EvaluationProtocol Folded(int folds, string reason) =>
        new(ProtocolKind.CrossValidation, reason) { Folds = folds };

    private static EvaluationProtocol Held(double fraction, string reason) =>
        new(ProtocolKind.HeldOut, reason) { TestFraction = fraction };
}

/// <summary>Whether a thing is as it should be.</summary>
public enum Verdict
{
    /// <summary>As it should be.</summary>
    Good,

    /// <summary>Not there, and not needed for the default job.</summary>
    Absent,

    /// <summary>Wrong; the fix says what to do.</summary>
    Wrong,
}
