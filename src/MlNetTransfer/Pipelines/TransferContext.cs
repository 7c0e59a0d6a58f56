using MlNetTransfer.Backbones;

namespace MlNetTransfer.Pipelines;

/// <summary>Where every chain begins: data, steps, trainers and models, under the names of ML.NET's MLContext. Immutable and thread-safe.</summary>
/// <example><code>
/// var context = new TransferContext(seed: 1);
/// IDataView images = context.Data.LoadImages("photos");
/// using var model = context.MulticlassClassification.Trainers.ImageClassification(new() { FeatureColumnName = "Image" }).Fit(images);
/// </code></example>
public sealed class TransferContext
{
    /// <summary>Makes a context.</summary>
    /// <param name="seed">Seed of every split, fold and draw. Equal seeds and data give equal models, byte for byte on the same kind of machine. Default 1.</param>
    /// <param name="options">What all steps share; null for the defaults.</param>
    /// <param name="catalog">The backbones; null for those that come with the product and those the user added.</param>
    public TransferContext(int seed = 1, TransferContextOptions? options = null, BackboneCatalog? catalog = null)
    {
        var environment = new PipelineEnvironment(seed, options ?? new TransferContextOptions(), catalog ?? BackboneCatalog.Default);
        (Data, Transforms, MulticlassClassification, Model) = (new DataOperations(environment), new TransformsCatalog(environment), new MulticlassClassificationCatalog(environment), new ModelOperations(environment));
    }

    /// <summary>Loads and divides data.</summary>
    public DataOperations Data { get; }

    /// <summary>Steps that prepare data.</summary>
    public TransformsCatalog Transforms { get; }

    /// <summary>Training and evaluation of classifiers.</summary>
    public MulticlassClassificationCatalog MulticlassClassification { get; }

    /// <summary>Saving, loading and using models.</summary>
    public ModelOperations Model { get; }
}
