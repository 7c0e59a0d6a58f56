namespace MlNetTransfer.Adaptation;

/// <summary>What can be said of a classifier on images without labels.</summary>
/// <remarks>
/// A classifier that suits them takes them for different classes and is sure of each: the mutual information of image
/// and class is high. How sure it is depends on the scale of its logits as much as on the images, so all classifiers
/// are compared at the same sureness. (Entropy alone would reward taking every image for one class.)
/// </remarks>
/// <param name="Information">Mutual information of image and predicted class in nats, H(mean p) - mean H(p), the
/// logits divided by the temperature at which mean H(p) is a quarter of ln classes; in [0, 3/4·ln classes] (Bridle,
/// Heading and MacKay, Unsupervised classifiers, mutual information and "phantom targets", NIPS 1991; information
/// maximisation of Shi and Sha, ICML 2012). The choice is made by this.</param>
/// <param name="Entropy">Mean entropy of the probabilities as they are, in nats, in [0, ln classes].</param>
/// <param name="Density">Soft neighbourhood density in nats (Saito, Kim, Teterwak, Sclaroff, Darrell and Saenko, Tune
/// it the right way, ICCV 2021): entropy of an image's similarities to the others, by predicted probabilities at
/// temperature 0.05; higher where images of a class lie close together. Of 2,000 images at most.</param>
public sealed record UnlabelledScores(double Information, double Entropy, double Density)
{
    private const int MostOfDensity = 2000;

    /// <summary>Scores the logits of some images.</summary>
    /// <param name="logits">Logits [rows × classes], row-major; at least one row.</param>
    /// <param name="classes">Number of classes, at least 2.</param>
    /// <exception cref="ArgumentException">There is no row, or no choice of classes.</exception>
    public static UnlabelledScores Of(float[] logits, int classes)
    {
        if (classes < 2 || logits.Length == 0 || logits.Length % classes != 0)
            throw new ArgumentException(
                $"{logits.Length} logits are no rows of {classes} classes; give at least one row and two classes.",
                nameof(logits)
            );
        return Of(logits, classes, new PredictedClasses(logits, classes));
    }

    /// <summary>The same where what the logits are taken for is known already.</summary>
    internal static UnlabelledScores Of(float[] logits, int classes, PredictedClasses predicted)
    {
        double[][] given = PredictedClasses.Rows(logits, classes, 1);
        return new UnlabelledScores(predicted.Information(), given.Average(PredictedClasses.Entropy), DensityOf(given));
    }

    private static double DensityOf(double[][] probabilities)
    {
        const double temperature = 0.05;
        int all = probabilities.Length,
            rows = Math.Min(all, MostOfDensity);
        if (rows < 2)
            return 0;
        // Evenly spread over all rows, so that nothing is drawn.
        double[][] points =
        [
            .. Enumerable.Range(0, rows).Select(i => Unit(probabilities[(int)((long)i * all / rows)])),
        ];
        double sum = 0;
        var shares = new double[rows - 1];
        for (int i = 0; i < rows; i++)
        {
            for (int j = 0; j < rows - 1; j++)
                shares[j] = Numerics.Simd.Dot(points[i], points[j < i ? j : j + 1]) / temperature;
            double most = shares.Max();
            for (int j = 0; j < shares.Length; j++)
                shares[j] = Math.Exp(shares[j] - most);
            double total = shares.Sum();
            for (int j = 0; j < shares.Length; j++)
                shares[j] /= total;
            sum += PredictedClasses.Entropy(shares);
        }

        return sum / rows;
    }

    private static double[] Unit(double[] row)
    {
        double length = Math.Sqrt(row.Sum(p => p * p));
        return Array.ConvertAll(row, p => p / length);
    }
}

/// <summary>What a classifier takes images for, at the sureness at which classifiers are compared.</summary>
internal sealed class PredictedClasses
{
    private const double Sureness = 0.25;
    private const int MostRows = 5000,
        Draws = 300,
        Halvings = 60;

    private readonly double[][] rows;
    private readonly double entropy;

    /// <param name="logits">Logits [rows × classes]; of more than 5,000 rows, as many evenly spread over all.</param>
    /// <param name="classes">Number of classes.</param>
    public PredictedClasses(float[] logits, int classes)
    {
        logits = Spread(logits, classes);
        double wanted = Sureness * Math.Log(classes),
            low = 1e-6,
            high = 1e6;
        // Entropy falls as logits grow.
        for (int i = 0; i < Halvings; i++)
        {
            double scale = Math.Sqrt(low * high);
            (low, high) = Rows(logits, classes, scale).Average(Entropy) > wanted ? (scale, high) : (low, scale);
        }

        rows = Rows(logits, classes, Math.Sqrt(low * high));
        entropy = rows.Average(Entropy);
    }

    /// <summary>Mutual information of image and class in nats.</summary>
    public double Information() => EntropyOfMean([.. Enumerable.Range(0, rows.Length)]) - entropy;

    /// <summary>
    /// How much more mutual information there is than in what another classifier takes the same images for, and its
    /// standard error by the bootstrap over images: that of H(mean p), since mean H(p) is the same for both.
    /// </summary>
    /// <param name="other">The other.</param>
    /// <param name="seed">Seed of the draws.</param>
    public (double Gain, double StandardError) Above(PredictedClasses other, int seed)
    {
        var rng = new Rng(seed);
        var gains = new double[Draws];
        var places = new int[rows.Length];
        for (int draw = 0; draw < Draws; draw++)
        {
            for (int i = 0; i < places.Length; i++)
                places[i] = rng.Next(rows.Length);
            gains[draw] = EntropyOfMean(places) - other.EntropyOfMean(places);
        }

        double mean = gains.Average(),
            spread = Math.Sqrt(gains.Sum(gain => (gain - mean) * (gain - mean)) / (Draws - 1));
        return (Information() - other.Information(), spread);
    }

    private static float[] Spread(float[] logits, int classes)
    {
        int all = logits.Length / classes;
        if (all <= MostRows)
            return logits;
        var some = new float[MostRows * classes];
        for (int i = 0; i < MostRows; i++)
            logits.AsSpan((int)((long)i * all / MostRows) * classes, classes).CopyTo(some.AsSpan(i * classes));
        return some;
    }

    /// <summary>softmax(scale · logits) of every row.</summary>
    public static double[][] Rows(float[] logits, int classes, double scale)
    {
        var rows = new double[logits.Length / classes][];
        for (int r = 0; r < rows.Length; r++)
        {
            ReadOnlySpan<float> own = logits.AsSpan(r * classes, classes);
            double most = System.Numerics.Tensors.TensorPrimitives.Max(own),
                sum = 0;
            double[] row = rows[r] = new double[classes];
            for (int c = 0; c < classes; c++)
                sum += row[c] = Math.Exp(scale * (own[c] - most));
            for (int c = 0; c < classes; c++)
                row[c] /= sum;
        }

        return rows;
    }

    /// <summary>-Σ p·ln p.</summary>
    public static double Entropy(double[] shares)
    {
        double sum = 0;
        foreach (double share in shares)
            sum -= share > 0 ? share * Math.Log(share) : 0;
        return sum;
    }

    private double EntropyOfMean(int[] places)
    {
        var mean = new double[rows[0].Length];
        foreach (int place in places)
            for (int c = 0; c < mean.Length; c++)
                mean[c] += rows[place][c] / places.Length;
        return Entropy(mean);
    }
}
