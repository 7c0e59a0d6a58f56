namespace MlNetTransfer.Adaptation;

/// <summary>What can be said of a classifier on images without labels.</summary>
/// <remarks>
/// A classifier that suits them is sure of each of them, and takes them for different classes: their mutual information
/// is high. Entropy alone is lowest where all are taken for one class.
/// </remarks>
/// <param name="Information">Mutual information of image and predicted class in nats, H(mean p) - mean H(p), in [0,
/// ln classes] (Bridle, Heading and MacKay, Unsupervised classifiers, mutual information and "phantom targets", NIPS
/// 1991; information maximisation of Shi and Sha, ICML 2012). The choice is made by this.</param>
/// <param name="Entropy">Mean entropy of the probabilities in nats, in [0, ln classes]; lower is surer.</param>
/// <param name="Density">Soft neighbourhood density in nats (Saito, Kim, Teterwak, Sclaroff, Darrell and Saenko, Tune
/// it the right way, ICCV 2021): entropy of an image's similarities to the others, by predicted probabilities at
/// temperature 0.05; higher where images of a class lie close together. Of 2,000 images at most.</param>
public sealed record UnlabelledScores(double Information, double Entropy, double Density)
{
    private const int MostOfDensity = 2000,
        MostOfDraws = 5000,
        Draws = 300;

    /// <summary>Scores the probabilities of some images.</summary>
    /// <param name="probabilities">Probabilities [rows × classes], row-major; at least one row.</param>
    /// <param name="classes">Number of classes.</param>
    public static UnlabelledScores Of(float[] probabilities, int classes)
    {
        int rows = probabilities.Length / classes;
        double[] entropies = Entropies(probabilities, classes),
            mean = new double[classes];
        for (int i = 0; i < probabilities.Length; i++)
            mean[i % classes] += (double)probabilities[i] / rows;
        double entropy = entropies.Average();
        return new UnlabelledScores(Of(mean) - entropy, entropy, DensityOf(probabilities, classes));
    }

    /// <summary>
    /// How much more mutual information one classifier has than another on the same images: the difference, and its
    /// standard error by the bootstrap over images.
    /// </summary>
    /// <param name="probabilities">Probabilities of the one [rows × classes].</param>
    /// <param name="others">Those of the other [rows × classes].</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="seed">Seed of the draws.</param>
    public static (double Gain, double StandardError) Gain(
        float[] probabilities,
        float[] others,
        int classes,
        int seed
    )
    {
        int rows = probabilities.Length / classes,
            drawn = Math.Min(rows, MostOfDraws);
        double[] own = Entropies(probabilities, classes),
            other = Entropies(others, classes);
        double gain = Of(probabilities, classes).Information - Of(others, classes).Information;
        var rng = new Rng(seed);
        var gains = new double[Draws];
        for (int draw = 0; draw < Draws; draw++)
        {
            double[] mean = new double[classes],
                otherMean = new double[classes];
            double surer = 0;
            for (int i = 0; i < drawn; i++)
            {
                int row = rng.Next(rows);
                surer += (other[row] - own[row]) / drawn;
                for (int c = 0; c < classes; c++)
                {
                    mean[c] += (double)probabilities[row * classes + c] / drawn;
                    otherMean[c] += (double)others[row * classes + c] / drawn;
                }
            }

            gains[draw] = Of(mean) - Of(otherMean) + surer;
        }

        double average = gains.Average(),
            spread = Math.Sqrt(gains.Sum(g => (g - average) * (g - average)) / (Draws - 1));
        return (gain, spread * Math.Sqrt((double)drawn / rows));
    }

    private static double[] Entropies(float[] probabilities, int classes)
    {
        var entropies = new double[probabilities.Length / classes];
        for (int i = 0; i < probabilities.Length; i++)
            entropies[i / classes] -= Term(probabilities[i]);
        return entropies;
    }

    private static double Of(double[] shares) => -shares.Sum(Term);

    private static double Term(float share) => Term((double)share);

    private static double Term(double share) => share > 0 ? share * Math.Log(share) : 0;

    private static double DensityOf(float[] probabilities, int classes)
    {
        const double temperature = 0.05;
        int all = probabilities.Length / classes,
            rows = Math.Min(all, MostOfDensity);
        if (rows < 2)
            return 0;
        // Evenly spread over all rows, so that nothing is drawn.
        double[][] points = [.. Enumerable.Range(0, rows).Select(i => Unit((int)((long)i * all / rows)))];
        double sum = 0;
        for (int i = 0; i < rows; i++)
        {
            double[] similar = [.. points.Where((_, j) => j != i).Select(point => Product(points[i], point) / temperature)];
            double most = similar.Max(),
                total = similar.Sum(s => Math.Exp(s - most));
            sum -= similar.Sum(s => Term(Math.Exp(s - most) / total));
        }

        return sum / rows;

        double[] Unit(int row)
        {
            double[] point = [.. probabilities.AsSpan(row * classes, classes).ToArray().Select(p => (double)p)];
            double length = Math.Sqrt(point.Sum(p => p * p));
            return Array.ConvertAll(point, p => p / length);
        }

        static double Product(double[] a, double[] b)
        {
            double product = 0;
            for (int i = 0; i < a.Length; i++)
                product += a[i] * b[i];
            return product;
        }
    }
}
