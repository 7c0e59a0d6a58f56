using System.Text.Json.Serialization;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Advice;

/// <summary>How many images there are to learn from.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<DataSize>))]
public enum DataSize
{
    /// <summary>Few: a network trained on them remembers them.</summary>
    Small,

    /// <summary>Enough to move a network's weights.</summary>
    Large,
}

/// <summary>How the images compare with those that the backbone was trained on.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<SourceSimilarity>))]
public enum SourceSimilarity
{
    /// <summary>The backbone's features tell the classes apart as they are.</summary>
    Similar,

    /// <summary>They do not.</summary>
    Different,
}

/// <summary>
/// One quadrant of the rule of thumb on what to freeze: by the number of images, and by how similar they are to those
/// that the backbone was trained on. Immutable.
/// </summary>
/// <remarks>
/// The rule is common knowledge (Yosinski et al., How transferable are features in deep neural networks?, NIPS 2014;
/// the notes of Stanford's course CS231n). It says what to try first; images held out decide.
/// </remarks>
/// <param name="Size">Few images or many.</param>
/// <param name="Similarity">Similar or different.</param>
/// <param name="FreezeFrom">Least share of the backbone's blocks that stays frozen, in [0, 1]; 1: all.</param>
/// <param name="FreezeTo">Greatest share.</param>
/// <param name="Advice">What to do, in a sentence.</param>
public sealed record FreezeRule(
    DataSize Size,
    SourceSimilarity Similarity,
    double FreezeFrom,
    double FreezeTo,
    string Advice
)
{
    /// <summary>Images of a class, on average, from which on there are many.</summary>
    public const int ManyImages = 200;

    /// <summary>
    /// Share of what guessing gets wrong that frozen features get right, from which on the images are similar; see
    /// <see cref="Separability"/>.
    /// </summary>
    public const double SimilarFrom = 0.8;

    /// <summary>The four quadrants.</summary>
    public static IReadOnlyList<FreezeRule> All { get; } =
    [
        new(
            DataSize.Small,
            SourceSimilarity.Similar,
            1,
            1,
            "Freeze the whole backbone and train only a classifier: training more would fit these few images by heart."
        ),
        new(
            DataSize.Small,
            SourceSimilarity.Different,
            1.0 / 3,
            1.0 / 2,
            "Freeze the first third to half and train the rest; try a classifier on earlier taps too."
        ),
        new(
            DataSize.Large,
            SourceSimilarity.Similar,
            0.6,
            0.8,
            "Freeze 60 to 80 % and fine-tune the rest at a low learning rate."
        ),
        new(
            DataSize.Large,
            SourceSimilarity.Different,
            0,
            0,
            "Train the whole network, starting from the pretrained weights: sooner there than from random ones."
        ),
    ];

    /// <summary>Whether nothing but a head is to be trained.</summary>
    public bool FreezesAll => FreezeFrom >= 1;

    /// <summary>The share in the middle of the range.</summary>
    public double Freeze => (FreezeFrom + FreezeTo) / 2;

    /// <summary>The quadrant of some images.</summary>
    /// <param name="images">Number of images to train on, at least 1.</param>
    /// <param name="classes">Number of classes, at least 1.</param>
    /// <param name="accuracy">Accuracy of a head on frozen features, on images held out, in [0, 1].</param>
    /// <param name="majority">Share of the most frequent class, in [0, 1].</param>
    public static FreezeRule Of(int images, int classes, double accuracy, double majority)
    {
        Check.InRange(images, 1, int.MaxValue, nameof(images));
        Check.InRange(classes, 1, int.MaxValue, nameof(classes));
        DataSize size = images < (long)ManyImages * classes ? DataSize.Small : DataSize.Large;
        SourceSimilarity similarity =
            Separability(accuracy, majority) >= SimilarFrom ? SourceSimilarity.Similar : SourceSimilarity.Different;
        return All.Single(rule => rule.Size == size && rule.Similarity == similarity);
    }

    /// <summary>
    /// (accuracy - majority) / (1 - majority): 0 where frozen features say no more than the most frequent class, 1
    /// where they make no mistake.
    /// </summary>
    /// <param name="accuracy">Accuracy on images held out, in [0, 1].</param>
    /// <param name="majority">Share of the most frequent class, in [0, 1].</param>
    public static double Separability(double accuracy, double majority) =>
        Check.InRange(majority, 0, 1) >= 1
            ? 1
            : Math.Max(0, (Check.InRange(accuracy, 0, 1) - majority) / (1 - majority));
}

/// <summary>The quadrant that some images fall into, and why. Immutable.</summary>
/// <param name="Rule">The rule of thumb.</param>
/// <param name="Separability">Share of what guessing gets wrong that frozen features get right, in [0, 1].</param>
/// <param name="ImagesPerClass">Images to train on by classes.</param>
public sealed record DataQuadrant(FreezeRule Rule, double Separability, double ImagesPerClass)
{
    private const int Folds = 5;

    /// <summary>Rows that are looked at, about.</summary>
    private const int MostRows = 1000;

    /// <summary>The strategy of <c>train</c> that the rule asks for.</summary>
    public string Strategy =>
        Rule.FreezesAll ? "head"
        : Rule.Freeze == 0 ? "full"
        : "finetune";

    /// <summary>Cross-validates a discriminant on the frozen features.</summary>
    /// <param name="train">Rows to train on, at one tap.</param>
    /// <param name="seed">Seed of the folds.</param>
    /// <param name="cancellation">Ends the work.</param>
    internal static DataQuadrant Of(FeatureTable train, int seed, CancellationToken cancellation)
    {
        FeatureTable table = StratifiedSample.Of(train, MostRows, seed);
        int[] fold = CrossValidation.Folds(table.Labels, Folds, seed, table.ClassNames);
        double majority = (double)table.RowsPerClass().Max() / table.Rows,
            accuracy = majority;
        if (fold.Any(f => f != CrossValidation.NeverHeldOut))
            accuracy = HeldOutDiscriminant.Right(table, fold, cancellation).Average(hit => hit ? 1.0 : 0);

        return new DataQuadrant(
            FreezeRule.Of(train.Rows, train.Classes, accuracy, majority),
            FreezeRule.Separability(accuracy, majority),
            (double)train.Rows / train.Classes
        );
    }
}
