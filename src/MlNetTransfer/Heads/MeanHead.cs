using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// The mean of the logits of several heads, each on its own part of the features: the geometric mean of their
/// probabilities, normalised. Immutable.
/// </summary>
internal sealed class MeanHead : IHead
{
    private readonly IReadOnlyList<IHead> heads;

    /// <param name="heads">The heads, of the same classes; the features of the first come first.</param>
    public MeanHead(params IReadOnlyList<IHead> heads) => this.heads = heads;

    public IReadOnlyList<string> ClassNames => heads[0].ClassNames;

    public int Width => heads.Sum(head => head.Width);

    public void Logits(ReadOnlySpan<float> rows, Span<float> logits) => HeadRows.ForEach(this, rows, logits, Row);

    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) =>
        HeadRows.Predict(this, rows, probabilities, Row);

    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    public string AddTo(HeadGraph graph)
    {
        string? sum = null;
        int start = 0;
        foreach (IHead head in heads)
        {
            string part = graph.Node(
                "Slice",
                "features_of_head",
                [
                    graph.Features,
                    graph.Longs("head.start", [start], 1),
                    graph.Longs("head.end", [start + head.Width], 1),
                    graph.Longs("head.axis", [1], 1),
                ]
            );
            string logits = head.AddTo(graph.At(part));
            sum = sum is null ? logits : graph.Node("Add", "sum_of_heads", [sum, logits]);
            start += head.Width;
        }

        return graph.Node("Mul", "mean_of_heads", [sum!, graph.Floats("head.share", [Share], 1)]);
    }

    private float Share => 1f / heads.Count;

    private void Row(ReadOnlySpan<float> row, Span<float> logits)
    {
        var own = new float[logits.Length];
        logits.Clear();
        foreach (IHead head in heads)
        {
            head.Logits(row[..head.Width], own);
            for (int c = 0; c < own.Length; c++)
                logits[c] += own[c];
            row = row[head.Width..];
        }

        foreach (ref float logit in logits)
            logit *= Share;
    }
}
