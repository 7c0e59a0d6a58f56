using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Another head with its logits divided by a temperature. Immutable.</summary>
public sealed class CalibratedHead : IHead
{
    private readonly float scale;

    /// <summary>Wraps a head.</summary>
    /// <param name="inner">The head.</param>
    /// <param name="temperature">T, in [1e-4, 1e4]; see <see cref="TemperatureCalibration"/>.</param>
    public CalibratedHead(IHead inner, double temperature)
    {
        (Inner, Temperature) = (
            inner,
            Check.InRange(
                temperature,
                TemperatureCalibration.Lowest,
                TemperatureCalibration.Highest,
                nameof(temperature)
            )
        );
        scale = (float)(1 / temperature);
    }

    /// <summary>The head before calibration.</summary>
    public IHead Inner { get; }

    /// <summary>What its logits are divided by.</summary>
    public double Temperature { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames => Inner.ClassNames;

    /// <inheritdoc/>
    public int Width => Inner.Width;

    /// <inheritdoc/>
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits)
    {
        Inner.Logits(rows, logits);
        foreach (ref float logit in logits)
            logit *= scale;
    }

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities)
    {
        Logits(rows, probabilities);
        for (int i = 0; i < probabilities.Length; i += ClassNames.Count)
            Softmax.InPlace(probabilities.Slice(i, ClassNames.Count));
    }

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    public string AddTo(HeadGraph graph) =>
        graph.Node("Mul", "calibrated", [Inner.AddTo(graph), graph.Floats("head.scale", [scale], 1)]);
}
