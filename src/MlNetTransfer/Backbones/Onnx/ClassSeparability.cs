using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Finds out how a network that remembers nothing of its training wants its pixels: by how well its features tell the
/// user's classes apart.
/// </summary>
/// <remarks>
/// Features of its last tap, averaged over positions, standardised; every image is given to the nearest class mean of
/// all others. The score is the share of errors.
/// </remarks>
/// <param name="model">The network with the input <c>image</c>, RGB.</param>
/// <param name="tensor">The tensor with the features.</param>
internal sealed class ClassSeparability(OnnxModel model, string tensor)
{
    private const int Most = 200;
    private const int Draws = 1000;

    /// <summary>Lead, in the share of errors, from which on a scale is clear.</summary>
    private const double ClearLead = 0.03;

    /// <summary>Compares candidates.</summary>
    public PreprocessingEvidence Compare(
        IReadOnlyList<DataItem> items,
        Preprocessing framing,
        IReadOnlyList<PreprocessingChoice> candidates,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        List<int> labels = [];
        List<float[]> pixels = SampleImages.Of([.. items.Where(i => i.Label >= 0)], framing, labels, Most);
        using OrtSession session = new(
            GraphCut.At(model, [tensor], typed: false).ToBytes(),
            OrtSettings.AsWritten,
            "the model"
        );
        bool[][] wrong = new bool[candidates.Count][];
        for (int c = 0; c < candidates.Count; c++)
        {
            var rows = new double[pixels.Count][];
            for (int i = 0; i < rows.Length; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                rows[i] = Row(session, candidates[c].Apply(pixels[i]), framing.Shape);
                progress?.Report(
                    new JobProgress(
                        "Checking the preprocessing",
                        c * rows.Length + i + 1,
                        candidates.Count * rows.Length
                    )
                );
            }

            wrong[c] = Errors(rows, labels);
        }

        double[] scores = [.. wrong.Select(w => w.Count(e => e) / (double)w.Length)];
        int best = Array.IndexOf(scores, scores.Min());
        return new PreprocessingEvidence(
            "classes (share of images nearer to another class)",
            pixels.Count,
            0,
            ClearLead,
            [
                .. candidates
                    .Select((c, i) => new RankedPreprocessing(c, scores[i], Behind(wrong[best], wrong[i])))
                    .OrderBy(c => c.Score)
                    .ThenBy(c => c.Choice.Order),
            ]
        );
    }

    private double[] Row(OrtSession session, float[] image, (int Width, int Height) shape)
    {
        SampleRun.Result map = SampleRun.Of(session, [tensor], image, 1, shape)[tensor];
        int channels = map.Shape[1],
            positions = map.Values.Length / channels;
        return
        [
            .. Enumerable
                .Range(0, channels)
                .Select(c => map.Values.AsSpan(c * positions, positions).ToArray().Average(v => (double)v)),
        ];
    }

    /// <summary>Which rows are nearer to the mean of another class, their own left out of theirs.</summary>
    private static bool[] Errors(double[][] rows, List<int> labels)
    {
        int width = rows[0].Length,
            classes = labels.Max() + 1;
        for (int k = 0; k < width; k++)
        {
            double mean = rows.Average(r => r[k]),
                deviation = Math.Sqrt(rows.Average(r => (r[k] - mean) * (r[k] - mean)));
            foreach (double[] row in rows)
                row[k] = double.IsFinite(deviation) && deviation > 0 ? (row[k] - mean) / deviation : 0;
        }

        var sums = new double[classes][];
        int[] counts = new int[classes];
        for (int c = 0; c < classes; c++)
            sums[c] = new double[width];
        for (int i = 0; i < rows.Length; i++)
        {
            counts[labels[i]]++;
            for (int k = 0; k < width; k++)
                sums[labels[i]][k] += rows[i][k];
        }

        return [.. rows.Select((row, i) => Nearest(row, labels[i], sums, counts) != labels[i])];
    }

    private static int Nearest(double[] row, int own, double[][] sums, int[] counts)
    {
        (int nearest, double least) = (-1, double.PositiveInfinity);
        for (int c = 0; c < sums.Length; c++)
        {
            int count = counts[c] - (c == own ? 1 : 0);
            if (count == 0)
                continue;
            double distance = 0;
            for (int k = 0; k < row.Length; k++)
            {
                double mean = (sums[c][k] - (c == own ? row[k] : 0)) / count;
                distance += (row[k] - mean) * (row[k] - mean);
            }

            if (distance < least)
                (nearest, least) = (c, distance);
        }

        return nearest;
    }

    /// <summary>Share of draws of the images in which the second has more errors than the first.</summary>
    private static double Behind(bool[] first, bool[] second)
    {
        Rng rng = new(1);
        int behind = 0;
        for (int draw = 0; draw < Draws; draw++)
        {
            int more = 0;
            for (int i = 0; i < first.Length; i++)
            {
                int drawn = rng.Next(first.Length);
                more += (second[drawn] ? 1 : 0) - (first[drawn] ? 1 : 0);
            }

            if (more > 0)
                behind++;
        }

        return (double)behind / Draws;
    }
}
