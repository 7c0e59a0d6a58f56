using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer;

/// <summary>Saving and loading of image models in ML.NET's catalogs.</summary>
public static class ImageModelCatalog
{
    /// <summary>
    /// Lets <c>mlContext.Model.Load</c> read models whose chain begins with images: they hold a custom mapping of this
    /// assembly, which decodes and resizes exactly as at training.
    /// </summary>
    /// <param name="context">The context that is to load models.</param>
    /// <returns>The same context.</returns>
    public static MLContext RegisterMlNetTransfer(this MLContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        context.ComponentCatalog.RegisterAssembly(typeof(ImageModelCatalog).Assembly);
        return context;
    }

    /// <summary>
    /// Saves an image classifier as a chain of ML.NET's own transformers alone, for programs without this library: it
    /// takes MLImages of the backbone's size.
    /// </summary>
    /// <param name="catalog"><c>mlContext.Model</c>.</param>
    /// <param name="model">What ImageClassification fitted on images, or a chain that ends with it.</param>
    /// <param name="filePath">The .zip to write.</param>
    /// <param name="imageColumnName">
    /// Column of <see cref="MLImage"/> that the saved model reads. Default "Image".
    /// </param>
    /// <exception cref="TransferException"> The model is another, or does not agree with what was trained; nothing is
    /// written.
    /// </exception>
    /// <remarks>
    /// Images must come in the backbone's size, resized as at training (antialiased, as Pillow does it); ML.NET's own
    /// ResizeImages gives other pixels and with them slightly other probabilities.
    /// </remarks>
    public static void SaveStock(
        this ModelOperationsCatalog catalog,
        ITransformer model,
        string filePath,
        string imageColumnName = "Image"
    )
    {
        ArgumentNullException.ThrowIfNull(catalog);
        ClassifierRows classifier = ClassifierOf(model);
        using StockChain chain = classifier.StockOfDecoded(imageColumnName);
        chain.CheckDecoded(classifier, imageColumnName);
        // A schema of images alone is none that ML.NET can write.
        AtomicFile.Write(filePath, stream => catalog.Save(chain.Model, null, stream));
    }

    /// <summary>
    /// Saves an image classifier as one .onnx file: this library's own form, which <c>mlnet-transfer</c>,
    /// <see cref="TransferModel"/> and any ONNX Runtime read.
    /// </summary>
    /// <param name="catalog"><c>mlContext.Model</c>.</param>
    /// <param name="model">What ImageClassification fitted on images, or a chain that ends with it.</param>
    /// <param name="filePath">The .onnx to write.</param>
    /// <exception cref="TransferException">The model is another.</exception>
    public static void SaveAsOnnx(this ModelOperationsCatalog catalog, ITransformer model, string filePath)
    {
        ArgumentNullException.ThrowIfNull(catalog);
        byte[] onnx = ClassifierOf(model).Onnx;
        AtomicFile.Write(filePath, stream => stream.Write(onnx));
    }

    private static ClassifierRows ClassifierOf(ITransformer model)
    {
        ArgumentNullException.ThrowIfNull(model);
        ITransformer last = model;
        while (last is IEnumerable<ITransformer> chain && chain.LastOrDefault() is { } step)
            last = step;
        ITransformer? found =
            last is ImageClassificationTransformer
                ? last
                : (model as IEnumerable<ITransformer>)?.OfType<ImageClassificationTransformer>().LastOrDefault();
        return (found as ImageClassificationTransformer)?.OfImages
            ?? throw new TransferException(
                $"{model.GetType().Name} has no classifier that ImageClassification fitted on a column of images. "
                    + "Save it with mlContext.Model.Save instead, or train on the images themselves."
            );
    }
}
