using MlNetTransfer.Features;

namespace MlNetTransfer.Heads;

/// <summary>Fits a linear softmax classifier (multinomial logistic regression) on frozen backbone features.</summary>
/// <remarks>
/// <para>Minimises Σ w·(-ln p(true class)) / Σ w + L2/2·‖W‖² over features standardised by the training rows, biases
/// free, by L-BFGS (Nocedal and Wright, Numerical Optimization, ch. 7). W is unique and the start fixed, so that equal
/// inputs give equal bytes whatever the number of threads.</para>
/// <para>Unless <see cref="SoftmaxTrainerOptions.L2"/> is given, it is chosen by stratified cross-validation: from 10
/// down to 1e-5 in half decades, each penalty starting from the weights of the one before; of the held-out logits the
/// one factor s is fitted that minimises the log-loss of softmax(s·logits) (temperature scaling; Guo et al., 2017), and
/// the penalty with the lowest such loss is taken, together with its s. So a strong penalty, which points the weights
/// well but keeps them short, is not passed over for being underconfident, and the head comes out calibrated: W and b
/// are those of the objective times s. The path ends after two rises in a row, or below 0.1 after two penalties in a
/// row that lower the loss by less than 1 %. The row of a class with a single row is in every training part; where all
/// classes have a single row, L2 is 1 and s is 1. Features are standardised once, over all training rows: the folds
/// share means and deviations, never labels.</para>
/// <para>Cost: passes · rows · width · classes multiply-adds, four times; all folds go through the rows
/// together.</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
public sealed class SoftmaxTrainer(SoftmaxTrainerOptions? options = null) : IHeadTrainer<SoftmaxHead>
{
    private readonly SoftmaxTrainerOptions options = options ?? new SoftmaxTrainerOptions();

    /// <inheritdoc/>
    public SoftmaxHead Fit(
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
        var scaler = new FeatureScaler(train, parallel);
        int folds = Math.Min(options.Folds, train.Rows);
        int[] fold = options.L2 is null
            ? CrossValidation.Folds(train.Labels, folds, options.Seed, train.ClassNames)
            : NeverHeldOut(train.Rows);
        var design = new SoftmaxDesign(
            train.Rows,
            train.Width,
            (row, target) => scaler.Apply(train.Row(row), target.Span),
            train.Labels,
            RowWeights(train),
            fold,
            train.Classes,
            parallel
        );
        var path = new PenaltyPath(design);
        if (Array.Exists(fold, f => f != SoftmaxDesign.NoFold))
            path.Walk(folds, parallel, progress);
        var model = new SoftmaxModel(design, SoftmaxDesign.NoFold);
        if (path.Best is not null)
            path.Start.CopyTo(model.Optimiser.Trial.Span);
        model.Optimiser.Reference = path.Reference;
        model.Start(options.L2 ?? path.Best?.L2 ?? PenaltyPath.Fallback, options.Tolerance, options.MaxIterations);
        new SoftmaxPass(design, parallel).Minimise(
            [model],
            () =>
                progress?.Report(new FitProgress("Fitting the head", model.Optimiser.Iterations, options.MaxIterations))
        );
        float scale = (float)(path.Best?.LogitScale ?? 1);
        float[] weights = new float[train.Classes * train.Width],
            bias = model.Bias.ToArray();
        for (int c = 0; c < train.Classes; c++)
            model.Weights.Slice(c * design.PaddedWidth, train.Width).CopyTo(weights.AsSpan(c * train.Width));
        foreach (ref float weight in weights.AsSpan())
            weight *= scale;
        foreach (ref float b in bias.AsSpan())
            b *= scale;
        scaler.FoldInto(weights, bias);
        Lbfgs end = model.Optimiser;
        return new SoftmaxHead(
            train.ClassNames,
            train.Width,
            weights,
            bias,
            new SoftmaxFitReport(
                model.L2,
                scale,
                path.Trials,
                end.Iterations,
                end.Converged,
                end.Loss,
                end.GradientNorm
            )
        );
    }

    private static int[] NeverHeldOut(int rows)
    {
        var fold = new int[rows];
        Array.Fill(fold, SoftmaxDesign.NoFold);
        return fold;
    }

    private float[] RowWeights(FeatureTable train)
    {
        int[] counts = Counts(train);
        return Array.ConvertAll(
            train.Labels,
            label =>
                options.ClassWeights == ClassWeights.Balanced
                    ? (float)train.Rows / ((float)train.Classes * counts[label])
                    : 1f
        );
    }

    private static int[] Counts(FeatureTable train)
    {
        var counts = new int[train.Classes];
        foreach (int label in train.Labels)
            counts[label]++;
        return counts;
    }
}
