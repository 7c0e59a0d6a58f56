using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;

namespace MlNetTransfer.Explain;

/// <summary>
/// Occlusion sensitivity (Zeiler and Fergus, Visualizing and Understanding Convolutional Networks, 2014): parts of the
/// image are covered one after the other; where the class becomes less likely, there was evidence for it. It needs
/// nothing but the model's answers. Not thread-safe.
/// </summary>
/// <remarks>
/// A square of a quarter of the side is moved by an eighth: 49 answers per image. It is of the colour that is 0 after
/// normalisation, the mean colour of the images that the network was made for. A cell's evidence is the mean over the
/// squares that cover it of the loss of log-probability.
/// </remarks>
internal sealed class Occlusion(ItemGraph graph) : IDisposable
{
    /// <summary>Cells along each side.</summary>
    public const int Cells = 8;

    private const int Covered = 2,
        Places = Cells - Covered + 1,
        Together = 8;
    private const double Smallest = 1e-12;

    private readonly ItemGraphBatch batch = graph.CreateBatch(Together + 1);

    /// <summary>Where the image's tensors are to be written.</summary>
    public EncodedItem Target => batch.Item(Together);

    /// <summary>The evidence for a class in the image whose tensors were written.</summary>
    /// <param name="label">The class.</param>
    /// <param name="probability">What the model says of the whole image.</param>
    /// <param name="cancellation">Looked at between runs.</param>
    public Heatmap Explain(int label, double probability, CancellationToken cancellation)
    {
        var loss = new double[Places * Places];
        for (int first = 0; first < loss.Length; first += Together)
        {
            cancellation.ThrowIfCancellationRequested();
            int count = Math.Min(Together, loss.Length - first);
            for (int i = 0; i < count; i++)
                Cover(i, (first + i) / Places, (first + i) % Places);
            batch.Run(count);
            for (int i = 0; i < count; i++)
                loss[first + i] =
                    Math.Log(Math.Max(probability, Smallest)) - Math.Log(Math.Max(batch.Row(i)[label], Smallest));
        }

        return new Heatmap(Cells, Cells, Means(loss));
    }

    /// <inheritdoc/>
    public void Dispose() => batch.Dispose();

    private void Cover(int place, int row, int column)
    {
        IReadOnlyList<EncodedInput> inputs = graph.Encoder.Inputs;
        for (int i = 0; i < inputs.Count; i++)
        {
            Span<float> covered = batch.Item(place).Tensor<float>(i);
            Target.Tensor<float>(i).CopyTo(covered);
            int height = inputs[i].Shape[1],
                width = inputs[i].Shape[2];
            int left = width * column / Cells,
                right = width * (column + Covered) / Cells;
            for (int channel = 0; channel < inputs[i].Shape[0]; channel++)
            for (int y = height * row / Cells; y < height * (row + Covered) / Cells; y++)
                covered.Slice((((channel * height) + y) * width) + left, right - left).Clear();
        }
    }

    private static float[] Means(double[] loss)
    {
        var evidence = new float[Cells * Cells];
        for (int y = 0; y < Cells; y++)
        for (int x = 0; x < Cells; x++)
        {
            double sum = 0;
            int squares = 0;
            for (int row = Math.Max(0, y - Covered + 1); row <= Math.Min(y, Places - 1); row++)
            for (int column = Math.Max(0, x - Covered + 1); column <= Math.Min(x, Places - 1); column++)
            {
                sum += loss[(row * Places) + column];
                squares++;
            }

            evidence[(y * Cells) + x] = (float)(sum / squares);
        }

        return evidence;
    }
}
