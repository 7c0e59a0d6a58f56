using System.Text.Json.Serialization;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Training;

/// <summary>
/// A way to give images without labels the classes that they probably have, so that a classifier can be trained on them
/// too. The registry of all.
/// </summary>
[JsonConverter(typeof(Json))]
public sealed class PseudoLabelMethod : INamed
{
    // A row of no use must not count 0: the classes of few rows would be without any.
    private const double Least = 1e-3;

    /// <summary>All methods, the simplest first.</summary>
    public static Registry<PseudoLabelMethod> All { get; } = new("way to give labels");

    /// <summary>
    /// Self-training: the class that the classifier of the labelled images takes the image for; it counts as much as
    /// its probability (Lee, Pseudo-label, ICML workshop 2013).
    /// </summary>
    public static PseudoLabelMethod Confidence { get; } =
        All.Add(
            new PseudoLabelMethod(
                "Confidence",
                "what the classifier of the labelled images says, as much as it is sure of it",
                (_, _, said, _, _) => PseudoLabels.Of(said.Probabilities, said.Classes, row => row.Max())
            )
        );

    /// <summary>
    /// Label propagation: the class that the classifier and the labels of similar images (<see
    /// cref="LabelPropagation"/>) agree on, by the root of the product of both; it counts 1 less its entropy in
    /// units of that of equal shares (Iscen et al., CVPR 2019).
    /// </summary>
    public static PseudoLabelMethod Propagation { get; } =
        All.Add(
            new PseudoLabelMethod(
                "Propagation",
                "what it and the labels of the most similar images agree on, as much as they do",
                (labelled, unlabelled, said, workers, cancellation) =>
                    PseudoLabels.Of(
                        Agreed(
                            LabelPropagation.Spread(
                                labelled,
                                unlabelled,
                                new LabelPropagationOptions { Workers = workers },
                                cancellation
                            ),
                            said
                        ),
                        said.Classes,
                        row => 1 + row.Where(p => p > 0).Sum(p => p * Math.Log(p)) / Math.Log(said.Classes)
                    )
            )
        );

    private readonly Labeller labeller;

    private PseudoLabelMethod(string name, string description, Labeller labeller) =>
        (Name, Description, this.labeller) = (name, description, labeller);

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>Name in tables and reports.</summary>
    public string Label => Name.ToLowerInvariant();

    /// <summary>What it goes by, in a phrase.</summary>
    public string Description { get; }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Gives labels.</summary>
    /// <param name="labelled">The rows with labels.</param>
    /// <param name="unlabelled">The rows without.</param>
    /// <param name="probabilities">What the classifier of the former says of the latter [unlabelled × classes].</param>
    /// <param name="workers">Threads at most.</param>
    /// <param name="cancellation">Ends the work.</param>
    internal PseudoLabels Give(
        FeatureTable labelled,
        FeatureTable unlabelled,
        float[] probabilities,
        int workers,
        CancellationToken cancellation
    ) => labeller(labelled, unlabelled, (probabilities, labelled.Classes), workers, cancellation);

    /// <summary>The roots of the products, each row's sum made 1.</summary>
    private static float[] Agreed(float[] spread, (float[] Probabilities, int Classes) said)
    {
        var agreed = new float[spread.Length];
        for (int start = 0; start < agreed.Length; start += said.Classes)
        {
            double sum = 0;
            for (int i = start; i < start + said.Classes; i++)
                sum += Math.Sqrt((double)spread[i] * said.Probabilities[i]);
            for (int i = start; i < start + said.Classes; i++)
                agreed[i] =
                    sum > 0 ? (float)(Math.Sqrt((double)spread[i] * said.Probabilities[i]) / sum) : 1f / said.Classes;
        }

        return agreed;
    }

    private delegate PseudoLabels Labeller(
        FeatureTable labelled,
        FeatureTable unlabelled,
        (float[] Probabilities, int Classes) said,
        int workers,
        CancellationToken cancellation
    );

    private sealed class Json() : NamedJson<PseudoLabelMethod>(All);

    /// <summary>What rows without labels are taken for.</summary>
    /// <param name="Labels">A class for each row [rows].</param>
    /// <param name="Weights">How much each row counts beside one with a label [rows], in (0, 1].</param>
    internal sealed record PseudoLabels(int[] Labels, double[] Weights)
    {
        /// <param name="shares">Shares of the classes [rows × classes].</param>
        /// <param name="classes">Number of classes.</param>
        /// <param name="weight">How much a row counts, by its shares.</param>
        public static PseudoLabels Of(float[] shares, int classes, Func<double[], double> weight)
        {
            double[][] rows =
            [
                .. Enumerable
                    .Range(0, shares.Length / classes)
                    .Select(row => Array.ConvertAll(shares[(row * classes)..((row + 1) * classes)], p => (double)p)),
            ];
            return new PseudoLabels(
                [.. rows.Select(row => Array.IndexOf(row, row.Max()))],
                [.. rows.Select(row => Math.Clamp(weight(row), Least, 1))]
            );
        }
    }
}
