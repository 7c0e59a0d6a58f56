using Microsoft.ML;

namespace MlNetTransfer;

/// <summary>The trainer's place in ML.NET's catalogs.</summary>
public static class TransferImageClassificationCatalog
{
    /// <summary>Trains an image classifier on the features of a pretrained backbone.</summary>
    /// <param name="trainers"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="options">The run; the defaults if null.</param>
    /// <exception cref="ArgumentException">Two columns have one name.</exception>
    public static TransferImageClassificationTrainer TransferImageClassification(this MulticlassClassificationCatalog.MulticlassClassificationTrainers trainers, TransferImageClassificationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(trainers);
        return new TransferImageClassificationTrainer(options);
    }

    /// <summary>Trains an image classifier on the features of a pretrained backbone, with all other options at their defaults.</summary>
    /// <param name="trainers"><c>mlContext.MulticlassClassification.Trainers</c>.</param>
    /// <param name="labelColumnName">Column with the classes, of key type.</param>
    /// <param name="featureColumnName">Column with the preprocessed images.</param>
    /// <exception cref="ArgumentException">Two columns have one name.</exception>
    public static TransferImageClassificationTrainer TransferImageClassification(this MulticlassClassificationCatalog.MulticlassClassificationTrainers trainers, string labelColumnName, string featureColumnName = "Features") =>
        trainers.TransferImageClassification(new TransferImageClassificationOptions { LabelColumnName = labelColumnName, FeatureColumnName = featureColumnName });
}
