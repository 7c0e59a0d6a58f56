using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>
/// Fits ridge regression on one-hot targets in closed form: a linear head from one row per class on, without iterating.
/// </summary>
/// <remarks>
/// <para>Minimises Σ ‖y - W·x - b‖² + α·‖W‖² with y the one-hot label and x the features standardised by the training
/// rows (<see cref="RidgeTrainerOptions.Damping"/>), b free: scikit-learn's Ridge on such targets. The scores divided
/// by a temperature are logits.</para>
/// <para>α is a multiple of the rows' mean squared length, from 10 down to 1e-3 in half decades. Each is judged by
/// leaving one row out, which for ridge is the exact y - (y - ŷ)/(1 - h) (Allen, The relationship between variable
/// selection and data augmentation, 1974), with the temperature that fits those scores best (Guo et al., 2017); the
/// lowest log-loss wins and brings its temperature. The row of a class with a single row does not vote; where none
/// votes, the multiple is 0.3 and the temperature 1, so that a score of 1 against 0 is e times as likely. Of more than
/// 4,000 rows, 4,000 spread evenly are left out.</para>
/// <para>Cost: the smaller of rows and width, cubed, twice over, then little per α.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class RidgeTrainer(RidgeTrainerOptions? options = null) : IHeadTrainer<RidgeHead>
{
    internal const double Fallback = 0.3;
    private const int MostLeftOut = 4000;
    private static readonly double[] Grid = [.. Enumerable.Range(0, 9).Select(i => Math.Pow(10, 1 - i / 2.0))];
    private readonly RidgeTrainerOptions options = options ?? new RidgeTrainerOptions();

    /// <inheritdoc/>
    public RidgeHead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        HeadRows.CheckTrainable(train);
        var parallel = new ParallelOptions
        {
            MaxDegreeOfParallelism = options.Workers,
            CancellationToken = cancellation,
        };
        progress?.Report(new FitProgress("Fitting the head", 0, 1));
        var scaler = new FeatureScaler(train, parallel, options.Damping);
        double[] shares = Shares(train);
        var system = new RidgeSystem(Standardised(train, scaler), Targets(train, shares), parallel);
        // Without any feature that varies every penalty gives weights of 0.
        double unit = system.MeanSquaredLength > 0 ? system.MeanSquaredLength : 1;
        L2Trial[] path = Path(train, system, shares, unit, options.Penalty is { } given ? [given] : Grid);
        L2Trial chosen = path.MinBy(trial => trial.LogLoss) ?? new L2Trial(options.Penalty ?? Fallback, 1, 0, 0, 0);
        double[][] solved = system.Weights(chosen.L2 * unit);
        float[] weights = [.. solved.SelectMany(row => row.Select(value => (float)(chosen.LogitScale * value)))];
        float[] bias = [.. shares.Select(share => (float)(chosen.LogitScale * share))];
        scaler.FoldInto(weights, bias);
        progress?.Report(new FitProgress("Fitting the head", 1, 1));
        return new RidgeHead(
            train.ClassNames,
            train.Width,
            weights,
            bias,
            chosen.L2,
            chosen.L2 * unit,
            1 / chosen.LogitScale,
            options.Penalty is null ? path : []
        );
    }

    /// <summary>The penalties, each judged by leaving one row out; none where no row can be.</summary>
    internal static L2Trial[] Path(
        FeatureTable train,
        RidgeSystem system,
        double[] shares,
        double unit,
        double[] penalties
    )
    {
        int[] rows = Voters(train, shares);
        if (rows.Length == 0)
            return [];
        double[][] rotated = system.Rotate(rows);
        return
        [
            .. penalties.Select(tried =>
            {
                float[] scores = system.LeaveOneOut(rows, rotated, tried * unit);
                var logits = new HeldOutLogits(train.Classes);
                var row = new float[train.Classes];
                for (int i = 0; i < rows.Length; i++)
                {
                    for (int c = 0; c < row.Length; c++)
                        row[c] = scores[i * row.Length + c] + (float)shares[c];
                    logits.Add(row, train.Labels[rows[i]], 1);
                }

                return logits.Judge(tried, logits.Temper());
            }),
        ];
    }

    private static int[] Voters(FeatureTable train, double[] shares)
    {
        int[] rows = [.. Enumerable.Range(0, train.Rows).Where(i => shares[train.Labels[i]] * train.Rows > 1.5)];
        return rows.Length <= MostLeftOut
            ? rows
            : [.. Enumerable.Range(0, MostLeftOut).Select(i => rows[(int)((long)i * rows.Length / MostLeftOut)])];
    }

    /// <summary>Share of each class in the rows [classes].</summary>
    internal static double[] Shares(FeatureTable train)
    {
        var shares = new double[train.Classes];
        foreach (int label in train.Labels)
            shares[label] += 1.0 / train.Rows;
        return shares;
    }

    /// <summary>One-hot labels less the class's share [classes][rows].</summary>
    internal static double[][] Targets(FeatureTable train, double[] shares) =>
        [.. shares.Select((share, c) => Array.ConvertAll(train.Labels, label => (label == c ? 1 : 0) - share))];

    /// <summary>Standardised rows [rows][width].</summary>
    internal static float[][] Standardised(FeatureTable train, FeatureScaler scaler)
    {
        float[][] rows = [.. Enumerable.Range(0, train.Rows).Select(_ => new float[train.Width])];
        for (int i = 0; i < rows.Length; i++)
            scaler.Apply(train.Row(i), rows[i]);
        return rows;
    }
}
