using Microsoft.ML;
using MlNetTransfer.Backbones;

namespace MlNetTransfer;

/// <summary>Features of texts in ML.NET's catalog of transforms.</summary>
public static class TextFeaturizingCatalog
{
    /// <summary>
    /// Computes features of texts by a pretrained encoder of BERT's class, in parallel and cached by the content of
    /// each text. Not ML.NET's own FeaturizeText, which counts words and n-grams.
    /// </summary>
    /// <param name="transforms"><c>mlContext.Transforms</c>.</param>
    /// <param name="outputColumnName">
    /// Column for the features: a vector of float32 of known size, with slot names.
    /// </param>
    /// <param name="inputColumnName">Column of texts.</param>
    /// <param name="backbone">
    /// Id of a backbone of texts, added before: <c>mlnet-transfer models add model.onnx --kind text</c>, or
    /// <see cref="UserCatalog.Add"/>.
    /// </param>
    /// <param name="taps">Names of the backbone's taps, side by side; null for its default tap, the last layer.</param>
    /// <param name="options">Workers, cache; null for the defaults.</param>
    /// <exception cref="TransferException">There is no such backbone or tap, or it takes images.</exception>
    public static ImageFeaturizingEstimator FeaturizeTextWithBackbone(
        this TransformsCatalog transforms,
        string outputColumnName,
        string inputColumnName,
        string backbone,
        IReadOnlyList<string>? taps = null,
        ImageFeaturizingOptions? options = null
    ) =>
        new(
            transforms,
            outputColumnName,
            inputColumnName,
            backbone,
            taps,
            options ?? new ImageFeaturizingOptions(),
            ofTexts: true
        );
}
