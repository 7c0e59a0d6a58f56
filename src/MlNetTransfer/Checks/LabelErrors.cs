using System.Globalization;
using System.Numerics.Tensors;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;

namespace MlNetTransfer.Checks;

/// <summary>What heads say of images that they have not seen, and the labels that contradict it.</summary>
/// <remarks>
/// Heads of several kinds are cross-validated on the same folds, copies of one image in one fold; each is calibrated,
/// and the probabilities are the normalised geometric mean of theirs. A label is a finding where it is a candidate of
/// <see cref="ConfidentLearning"/> and more likely wrong than right: the candidates alone are a third of a data set of
/// which a third is mistaken.
/// </remarks>
internal sealed class LabelErrors
{
    private const int Folds = 5;

    /// <summary>Rows up to which a kernel head, which keeps them, takes part.</summary>
    private const int MostForKernel = 2000;

    /// <summary>Rows times classes up to which a softmax head, which iterates over them, takes part.</summary>
    private const long MostForSoftmax = 1_000_000;

    /// <summary>Rows times classes that are kept at most.</summary>
    private const long MostProbabilities = 1L << 28;

    private readonly FeatureTable table;
    private readonly int[] rows;
    private readonly float[] probabilities;

    private LabelErrors(FeatureTable table, int[] rows, float[] probabilities) =>
        (this.table, this.rows, this.probabilities) = (table, rows, probabilities);

    /// <summary>Rows that were judged by heads which knew their class, ascending.</summary>
    public IReadOnlyList<int> Rows => rows;

    /// <summary>Probabilities of those rows [judged × classes].</summary>
    public ReadOnlyMemory<float> Probabilities => probabilities;

    /// <summary>What is known already of images, by models that have not seen them.</summary>
    /// <param name="table">The images.</param>
    /// <param name="rows">Rows that were judged by models which knew their class.</param>
    /// <param name="probabilities">Probabilities of those rows, calibrated [judged × classes].</param>
    public static LabelErrors Of(FeatureTable table, int[] rows, float[] probabilities) =>
        new(table, rows, probabilities);

    /// <summary>Predicts every image by heads that have not seen it.</summary>
    /// <param name="table">The images.</param>
    /// <param name="together">Equal for copies of one image [rows].</param>
    /// <param name="seed">Seed of the folds.</param>
    /// <param name="workers">Threads at most.</param>
    /// <param name="progress">Told how far it is.</param>
    /// <param name="cancellation">Ends the work.</param>
    /// <returns>The predictions, or a note why there are none.</returns>
    public static (LabelErrors? Found, string? Note) Predict(
        FeatureTable table,
        int[] together,
        int seed,
        int workers,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        if (table.Classes < 2)
            return (null, "Labels were not checked: there is one class only.");
        if ((long)table.Rows * table.Classes > MostProbabilities)
            return (
                null,
                $"Labels were not checked: {table.Rows} images of {table.Classes} classes are too many at a time. "
                    + "Check some of the classes."
            );
        int[] fold = FoldOf(table, together, seed);
        if (fold.All(f => f == CrossValidation.NeverHeldOut) || !LeavesTwoClasses(table, fold))
            return (null, "Labels were not checked: no class has two different images, so that one can be held out.");
        HeadKind[] kinds =
        [
            HeadKind.Discriminant,
            .. (long)table.Rows * table.Classes <= MostForSoftmax ? [HeadKind.Softmax] : (HeadKind[])[],
            .. table.Rows <= MostForKernel ? [HeadKind.Kernel] : (HeadKind[])[],
        ];
        float[]? sum = null;
        OutOfFoldPredictions? predictions = null;
        for (int k = 0; k < kinds.Length; k++)
        {
            progress?.Report(new JobProgress("Checking the labels", k, kinds.Length));
            predictions = CrossValidation.OutOfFold(
                kinds[k].Trainer(new HeadSettings { Seed = seed, Workers = workers }),
                table,
                fold,
                1,
                null,
                cancellation
            );
            float[] logs = predictions.Probabilities(TemperatureCalibration.Fit(predictions).Temperature);
            for (int i = 0; i < logs.Length; i++)
                logs[i] = MathF.Log(MathF.Max(logs[i], 1e-12f)) / kinds.Length + (sum?[i] ?? 0);
            sum = logs;
        }

        progress?.Report(new JobProgress("Checking the labels", kinds.Length, kinds.Length));
        return (Judged(table, predictions!, sum!), null);
    }

    /// <summary>Probability of each image's own class [rows]; not a number where nothing was predicted.</summary>
    public double[] Beliefs()
    {
        var beliefs = new double[table.Rows];
        Array.Fill(beliefs, double.NaN);
        for (int i = 0; i < rows.Length; i++)
            beliefs[rows[i]] = Of(i, table.Labels[rows[i]]);
        return beliefs;
    }

    /// <summary>The findings, the surest first, with their rows.</summary>
    /// <param name="images">The images [rows of the table].</param>
    public IReadOnlyList<(int Row, DataFinding Finding)> Find(IReadOnlyList<DataItem> images)
    {
        int[] labels = [.. rows.Select(row => table.Labels[row])],
            counted = ConfidentLearning.Counted(probabilities, labels, table.Classes);
        return
        [
            .. Enumerable
                .Range(0, rows.Length)
                .Where(i => counted[i] >= 0 && counted[i] != labels[i])
                .Select(i => (At: i, Wrong: ConfidentLearning.IsWrong(Of(i, labels[i]), table.Classes)))
                .Where(found => found.Wrong > 0.5)
                .OrderByDescending(found => found.Wrong)
                .Select(found =>
                    (rows[found.At], Finding(images[rows[found.At]].Name, found.At, counted[found.At], found.Wrong))
                ),
        ];
    }

    private DataFinding Finding(string name, int at, int counted, double wrong)
    {
        string own = table.ClassNames[table.Labels[rows[at]]],
            other = table.ClassNames[counted];
        return new DataFinding(
            FindingKind.LabelError,
            [name],
            wrong,
            string.Create(
                CultureInfo.InvariantCulture,
                $"Labelled '{own}' ({100 * Of(at, table.Labels[rows[at]]):f1} %), looks like '{other}' "
                    + $"({100 * Of(at, counted):f1} %) to models that have not seen it. Correct the label if wrong."
            )
        )
        {
            Class = own,
        };
    }

    private double Of(int at, int label) => probabilities[at * table.Classes + label];

    /// <summary>The fold of the first copy of an image is that of all.</summary>
    private static int[] FoldOf(FeatureTable table, int[] together, int seed)
    {
        var firsts = new Dictionary<int, int>();
        int[] place = Array.ConvertAll(
            together,
            id => firsts.TryGetValue(id, out int at) ? at : firsts[id] = firsts.Count
        );
        int[] labels = new int[firsts.Count];
        for (int row = table.Rows - 1; row >= 0; row--)
            labels[place[row]] = table.Labels[row];
        if (labels.Length < 2)
            return [.. place.Select(_ => CrossValidation.NeverHeldOut)];
        int[] fold = CrossValidation.Folds(labels, Folds, seed);
        return [.. place.Select(at => fold[at])];
    }

    private static bool LeavesTwoClasses(FeatureTable table, int[] fold) =>
        fold.Where(f => f != CrossValidation.NeverHeldOut)
            .Distinct()
            .All(f => table.Labels.Where((_, row) => fold[row] != f).Distinct().Take(2).Count() == 2);

    /// <summary>Leaves out rows whose class no head knew: it lies in one fold.</summary>
    private static LabelErrors Judged(FeatureTable table, OutOfFoldPredictions predictions, float[] logs)
    {
        int classes = table.Classes;
        int[] kept =
        [
            .. Enumerable
                .Range(0, predictions.Rows.Count)
                .Where(i =>
                    predictions.Logits.Span[i * classes + predictions.Labels[i]] > OutOfFoldPredictions.Unknown
                ),
        ];
        var probabilities = new float[kept.Length * classes];
        for (int i = 0; i < kept.Length; i++)
            TensorPrimitives.SoftMax(
                logs.AsSpan(kept[i] * classes, classes),
                probabilities.AsSpan(i * classes, classes)
            );
        return new LabelErrors(table, [.. kept.Select(i => predictions.Rows[i])], probabilities);
    }
}
