namespace MlNetTransfer.Pipelines;

/// <summary>The trainers of classifiers.</summary>
public sealed class MulticlassClassificationTrainers
{
    private readonly PipelineEnvironment environment;

    internal MulticlassClassificationTrainers(PipelineEnvironment environment) => this.environment = environment;

    /// <summary>Trains a classifier on images or on their features; see <see cref="ImageClassificationTrainer"/>.</summary>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException">Options contradict each other.</exception>
    public ImageClassificationTrainer ImageClassification(ImageClassificationOptions? options = null) => new(environment, options ?? new ImageClassificationOptions());

    /// <summary>Trains a classifier with the defaults.</summary>
    /// <param name="labelColumnName">The column of classes: a key.</param>
    /// <param name="featureColumnName">The column to learn from: images or features.</param>
    public ImageClassificationTrainer ImageClassification(string labelColumnName, string featureColumnName = "Features") =>
        new(environment, new ImageClassificationOptions { LabelColumnName = labelColumnName, FeatureColumnName = featureColumnName });
}
