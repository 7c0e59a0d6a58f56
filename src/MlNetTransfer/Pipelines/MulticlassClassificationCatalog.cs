using MlNetTransfer.Datasets;
using MlNetTransfer.Evaluation;

namespace MlNetTransfer.Pipelines;

/// <summary>Training and evaluation of classifiers.</summary>
public sealed class MulticlassClassificationCatalog
{
    private readonly PipelineEnvironment environment;

    internal MulticlassClassificationCatalog(PipelineEnvironment environment) => (this.environment, Trainers) = (environment, new MulticlassClassificationTrainers(environment));

    /// <summary>The trainers.</summary>
    public MulticlassClassificationTrainers Trainers { get; }

    /// <summary>Judges predictions.</summary>
    /// <param name="data">Scored rows.</param>
    /// <param name="labelColumnName">The true classes: a key, or text.</param>
    /// <param name="scoreColumnName">The probabilities, a vector [classes].</param>
    /// <param name="predictedLabelColumnName">The predicted class, whose key names the classes.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="TransferException">A true class is none that the model knows, or there is no row.</exception>
    public ClassificationReport Evaluate(IDataView data, string labelColumnName = "Label", string scoreColumnName = "Score", string predictedLabelColumnName = "PredictedLabel", CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        (IReadOnlyList<string> classes, int[] labels, float[] scores, _) = ScoredRows.Read(data, labelColumnName, scoreColumnName, predictedLabelColumnName, cancellation);
        return ClassificationReport.Of(classes, labels, scores);
    }

    /// <summary>Cross-validates a chain: every row is judged by a fit that had not seen it.</summary>
    /// <param name="data">The data.</param>
    /// <param name="estimator">The chain, trainer included.</param>
    /// <param name="numberOfFolds">Folds, in [2, 20]. Default 5. Stratified; groups and equal images stay together.</param>
    /// <param name="labelColumnName">The true classes, in the data and after the chain.</param>
    /// <param name="scoreColumnName">The probabilities that the chain makes.</param>
    /// <param name="predictedLabelColumnName">The predicted class that the chain makes.</param>
    /// <param name="progress">Told how many folds are done.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <returns>The judgement of all rows together and of every fold.</returns>
    public CrossValidationResult CrossValidate(IDataView data, IEstimator<ITransformer> estimator, int numberOfFolds = 5, string labelColumnName = "Label", string scoreColumnName = "Score", string predictedLabelColumnName = "PredictedLabel", IProgress<JobProgress>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(data);
        ArgumentNullException.ThrowIfNull(estimator);
        _ = estimator.GetOutputSchema(data.Schema);
        RowPartition rows = RowPartition.Read(environment, data, labelColumnName, duplicatesTogether: true, cancellation);
        if (rows.Parts is not null) throw new TransferException("The data have a split of their own, so they cannot be divided into folds. Use TrainTestSplit, or give the images without the split.");
        int folds = Check.InRange(numberOfFolds, 2, 20, nameof(numberOfFolds));
        int[] fold = rows.Groups is { } groups
            ? StratifiedFolds.Assign(rows.Labels, groups, folds, environment.Seed, rows.ClassNames)
            : StratifiedFolds.Assign(rows.Labels, folds, environment.Seed);
        if (fold.Distinct().Count() < folds) throw new TransferException($"There are {fold.Length} rows, too few for {folds} folds. Ask for fewer folds.");
        var judged = new List<ClassificationReport>();
        var pooled = new PooledRows();
        for (int f = 0; f < folds; f++)
        {
            progress?.Report(new JobProgress("Cross-validating", f, folds));
            int[] test = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] == f)], train = [.. Enumerable.Range(0, fold.Length).Where(row => fold[row] != f)];
            using ITransformer model = estimator.Fit(rows.Part(data, train), null, cancellation);
            (IReadOnlyList<string> classes, int[] labels, float[] scores, long[] numbers) = ScoredRows.Read(model.Transform(rows.Part(data, test)), labelColumnName, scoreColumnName, predictedLabelColumnName, cancellation);
            judged.Add(ClassificationReport.Of(classes, labels, scores));
            pooled.Add(classes, labels, scores, numbers);
        }

        progress?.Report(new JobProgress("Cross-validating", folds, folds));
        return new CrossValidationResult(pooled.Judge(), judged);
    }
}
