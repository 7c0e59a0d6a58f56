using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>A fitted classifier on bottleneck features. Immutable, so that any number of threads may predict with it.</summary>
public interface IHead
{
    /// <summary>Names of the classes [classes]; the index is the label.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>Features per row.</summary>
    int Width { get; }

    /// <summary>Predicts one row or several.</summary>
    /// <param name="rows">Features [rows × width], row-major.</param>
    /// <param name="probabilities">Receives the probabilities [rows × classes], row-major; each row sums to 1.</param>
    /// <exception cref="ArgumentException">The lengths fit no whole number of rows of this head's width; the message says what it takes.</exception>
    void Predict(ReadOnlySpan<float> rows, Span<float> probabilities);

    /// <summary>Predicts every row of a table; its labels are not looked at.</summary>
    /// <param name="table">Features of the same width.</param>
    /// <returns>Probabilities [rows × classes], row-major, over this head's classes.</returns>
    /// <exception cref="ArgumentException">The table has another width; the message names both.</exception>
    float[] Predict(FeatureTable table);
}
