using MlNetTransfer.Jobs;

namespace MlNetTransfer.Hosting;

/// <summary>What a hosted model says of one image.</summary>
/// <param name="Label">The likeliest class; of equal ones, that with the lower index.</param>
/// <param name="Probability">Its calibrated probability, in [0, 1].</param>
/// <param name="Top">The likeliest classes, falling; as many as <see cref="TransferModelOptions.Top"/>, or all.</param>
/// <param name="Model">Which model said it.</param>
public sealed record TransferPrediction(
    string Label,
    float Probability,
    IReadOnlyList<LabelProbability> Top,
    ModelVersion Model
)
{
    /// <summary>Takes the likeliest classes from a row of probabilities.</summary>
    internal static TransferPrediction Of(
        IReadOnlyList<string> labels,
        ReadOnlySpan<float> row,
        int top,
        ModelVersion model
    )
    {
        Span<int> best = stackalloc int[Math.Min(top, row.Length)];
        int found = 0;
        for (int c = 0; c < row.Length; c++)
        {
            int place = found;
            // Strictly greater: of equal probabilities the lower index stays in front.
            while (place > 0 && row[c] > row[best[place - 1]])
                place--;
            if (place == best.Length)
                continue;
            found = Math.Min(found + 1, best.Length);
            best[place..(found - 1)].CopyTo(best[(place + 1)..]);
            best[place] = c;
        }

        var classes = new LabelProbability[found];
        for (int i = 0; i < found; i++)
            classes[i] = new LabelProbability(labels[best[i]], row[best[i]]);
        return new TransferPrediction(classes[0].Label, classes[0].Probability, classes, model);
    }
}
