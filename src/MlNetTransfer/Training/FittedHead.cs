using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>A head and the part of the features that it was fitted on.</summary>
/// <param name="Taps">The taps in use, neighbours in the table.</param>
/// <param name="Start">First feature in use.</param>
/// <param name="Selection">The head, calibrated, and the grounds of its choice.</param>
/// <param name="TapTrials">What was found for each tap; empty where there was no choice.</param>
internal sealed record FittedHead(Range Taps, int Start, HeadSelection Selection, IReadOnlyList<TapTrial> TapTrials)
{
    /// <summary>The head.</summary>
    public IHead Head => Selection.Head;

    /// <summary>Calibrated probabilities [rows × classes] for a table with the features of all taps.</summary>
    public float[] Predict(FeatureTable table) => Head.Predict(table.Columns(Start, Head.Width));

    /// <summary>What the probabilities were before calibration: p ∝ p^T of the calibrated ones.</summary>
    public float[] WithoutCalibration(float[] calibrated)
    {
        int classes = Head.ClassNames.Count;
        var raw = new float[calibrated.Length];
        for (int row = 0; row < calibrated.Length; row += classes)
        {
            // Relative to the largest, so that a high temperature cannot take every power to 0.
            double largest = 0,
                sum = 0;
            for (int c = row; c < row + classes; c++)
                largest = Math.Max(largest, calibrated[c]);
            for (int c = row; c < row + classes; c++)
                sum += Math.Pow(calibrated[c] / largest, Selection.Temperature);
            for (int c = row; c < row + classes; c++)
                raw[c] = (float)(Math.Pow(calibrated[c] / largest, Selection.Temperature) / sum);
        }

        return raw;
    }
}
