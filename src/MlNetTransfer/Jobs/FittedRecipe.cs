using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Jobs;

/// <summary>A head and the part of the features that it was fitted on.</summary>
/// <param name="Taps">Indices of the taps in use, neighbours in the table.</param>
/// <param name="Start">First feature in use.</param>
/// <param name="Head">The head; as wide as the features in use.</param>
/// <param name="TapTrials">What was found for each tap; empty where there was no choice.</param>
internal sealed record FittedRecipe(Range Taps, int Start, SoftmaxHead Head, IReadOnlyList<TapTrial> TapTrials)
{
    /// <summary>Probabilities [rows × classes] for a table with the features of all taps.</summary>
    public float[] Predict(FeatureTable table) => Head.Predict(table.Columns(Start, Head.Width));
}
