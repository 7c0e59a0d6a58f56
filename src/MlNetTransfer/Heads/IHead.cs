using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// A fitted classifier on bottleneck features. Immutable, so that any number of threads may predict with it.
/// </summary>
public interface IHead
{
    /// <summary>Names of the classes [classes]; the index is the label.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>Features per row.</summary>
    int Width { get; }

    /// <summary>
    /// Logits of one row or several: numbers whose softmax is the probabilities. They keep the order of classes whose
    /// probabilities round to 0.
    /// </summary>
    /// <param name="rows">Features [rows × width], row-major.</param>
    /// <param name="logits">Receives the logits [rows × classes], row-major.</param>
    /// <exception cref="ArgumentException">The lengths fit no whole number of rows of this head's width; the message
    /// says what it takes.</exception>
    void Logits(ReadOnlySpan<float> rows, Span<float> logits);

    /// <summary>Predicts one row or several.</summary>
    /// <param name="rows">Features [rows × width], row-major.</param>
    /// <param name="probabilities">Receives the probabilities [rows × classes], row-major; each row sums to 1.</param>
    /// <exception cref="ArgumentException">The lengths fit no whole number of rows of this head's width; the message
    /// says what it takes.</exception>
    void Predict(ReadOnlySpan<float> rows, Span<float> probabilities);

    /// <summary>Predicts every row of a table; its labels are not looked at.</summary>
    /// <param name="table">Features of the same width.</param>
    /// <returns>Probabilities [rows × classes], row-major, over this head's classes.</returns>
    /// <exception cref="ArgumentException">The table has another width; the message names both.</exception>
    float[] Predict(FeatureTable table);

    /// <summary>Writes the head into an ONNX graph.</summary>
    /// <param name="graph">Where the features are, and where the nodes go.</param>
    /// <returns>Name of the tensor with the logits, float32 [N × classes].</returns>
    string AddTo(HeadGraph graph);
}
