using System.Text.Json.Serialization;

namespace MlNetTransfer.Jobs;

/// <summary>What a model says of one image.</summary>
/// <param name="File">The image.</param>
/// <param name="Label">The likeliest class; of equal ones, that with the lower index.</param>
/// <param name="Probability">Its probability, in [0, 1].</param>
/// <param name="Top">The likeliest classes, falling.</param>
public sealed record Prediction(string File, string Label, float Probability, IReadOnlyList<LabelProbability> Top)
{
    /// <summary>Probability of each class, in the order of the model's classes.</summary>
    [JsonIgnore]
    public ReadOnlyMemory<float> Probabilities { get; init; }

    internal static Prediction Of(IReadOnlyList<string> classes, string file, ReadOnlySpan<float> row, int top)
    {
        float[] probabilities = row.ToArray();
        LabelProbability[] best =
        [
            .. Enumerable
                .Range(0, classes.Count)
                .OrderByDescending(c => probabilities[c])
                .ThenBy(c => c)
                .Take(top)
                .Select(c => new LabelProbability(classes[c], probabilities[c])),
        ];
        return new Prediction(file, best[0].Label, best[0].Probability, best) { Probabilities = probabilities };
    }
}
