using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Heads;

/// <summary>How to fit a multi-layer perceptron. Immutable; an invalid instance cannot be made.</summary>
public sealed record MlpTrainerOptions
{
    /// <summary>Units of the hidden layer, in [1, 8192]. Default 128.</summary>
    public int Hidden
    {
        get;
        init => field = Check.InRange(value, 1, 8192, nameof(Hidden));
    } = 128;

    /// <summary>Share of the hidden units that is left out of each training step, in [0, 0.95]. Default 0.5.</summary>
    public double Dropout
    {
        get;
        init => field = Check.InRange(value, 0, 0.95, nameof(Dropout));
    } = 0.5;

    /// <summary>Learning rate of AdamW, in [1e-7, 1]. Default 1e-3.</summary>
    public double LearningRate
    {
        get;
        init => field = Check.InRange(value, 1e-7, 1, nameof(LearningRate));
    } = 1e-3;

    /// <summary>
    /// Decoupled weight decay: each step shrinks the weights (not the biases) by learning rate · this; in [0, 100].
    /// Default 0.1.
    /// </summary>
    public double WeightDecay
    {
        get;
        init => field = Check.InRange(value, 0, 100, nameof(WeightDecay));
    } = 0.1;

    /// <summary>Rows per step, in [1, 65536]. Default 32.</summary>
    public int BatchSize
    {
        get;
        init => field = Check.InRange(value, 1, 65_536, nameof(BatchSize));
    } = 32;

    /// <summary>Passes over the training part at most, in [1, 100000]. Default 100.</summary>
    public int MaxEpochs
    {
        get;
        init => field = Check.InRange(value, 1, 100_000, nameof(MaxEpochs));
    } = 100;

    /// <summary>Epochs without a lower validation loss after which the fit ends, in [1, 100000]. Default 8.</summary>
    public int Patience
    {
        get;
        init => field = Check.InRange(value, 1, 100_000, nameof(Patience));
    } = 8;

    /// <summary>Share of each class that only decides when to stop, in [0.01, 0.5]. Default 0.15.</summary>
    public double ValidationFraction
    {
        get;
        init => field = Check.InRange(value, 0.01, 0.5, nameof(ValidationFraction));
    } = 0.15;

    /// <summary>
    /// Seed of the validation part, the first weights, the order of the rows and the dropout. Default 0.
    /// </summary>
    public int Seed { get; init; }

    /// <summary>How much a row of each class counts. Default equally.</summary>
    public ClassWeights ClassWeights { get; init; }

    /// <summary>Threads at most, in [1, 1024]; the result does not depend on it. Default: one per core.</summary>
    public int Workers
    {
        get;
        init => field = Check.InRange(value, 1, 1024, nameof(Workers));
    } = Environment.ProcessorCount;
}

/// <summary>
/// Fits a perceptron with one hidden layer: for classes that no line separates, from some thousand rows on.
/// </summary>
/// <remarks>
/// <para>Rectified units on features standardised by the training part, mean cross-entropy (nats), dropout of hidden
/// units scaled by 1 / (1 - rate) (Srivastava et al., 2014), AdamW (Loshchilov and Hutter, 2019; β 0.9 and 0.999, ε
/// 1e-8), weights drawn from N(0, 2/inputs) (He et al., 2015), rows in a new order each epoch.</para>
/// <para>A stratified part of the rows is never trained on: the weights of the epoch with its lowest log-loss are kept,
/// and the fit ends when that has not fallen for <see cref="MlpTrainerOptions.Patience"/> epochs. Where every class has
/// a single row there is no such part, and all epochs are done. Equal inputs, options and seed give equal bytes
/// whatever the number of threads. O(epochs · rows · width · hidden).</para>
/// </remarks>
/// <param name="options">How to fit; null for the defaults.</param>
/// <param name="validation">Rows that decide when to stop, as wide as the training rows, over the same classes; null to
/// set a part of the training rows aside.</param>
public sealed class MlpTrainer(MlpTrainerOptions? options = null, FeatureTable? validation = null)
    : IHeadTrainer<MlpHead>
{
    private readonly MlpTrainerOptions options = options ?? new MlpTrainerOptions();

    /// <summary>What is known of the kind; see <see cref="HeadKind"/>.</summary>
    /// <remarks>From 5,000 rows on it is worth its cost.</remarks>
    internal static HeadKind Describe() =>
        new(
            "Mlp",
            s => new MlpTrainer(
                new MlpTrainerOptions
                {
                    ClassWeights = s.ClassWeights,
                    Seed = s.Seed,
                    Workers = s.Workers,
                }
            )
        )
        {
            Chosen = (5000, int.MaxValue),
        };

    /// <inheritdoc/>
    public MlpHead Fit(
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
        (FeatureTable part, FeatureTable validation) = Parts(train);
        var scaler = new FeatureScaler(part, parallel);
        var network = new MlpNetwork(
            train.Width,
            options.Hidden,
            train.Classes,
            ClassWeighting.Of(train, options.ClassWeights),
            parallel
        );
        var rng = new Rng(options.Seed);
        Draw(network.Weights1, options.Hidden, train.Width, rng);
        Draw(network.Weights2, train.Classes, options.Hidden, rng);
        int[] order = [.. Enumerable.Range(0, part.Rows)];
        (double Loss, int Epoch, float[][] Weights) best = (double.PositiveInfinity, 0, Weights(network));
        int epoch = 0,
            steps = 0;
        for (; epoch < options.MaxEpochs && (validation.Rows == 0 || epoch - best.Epoch < options.Patience); epoch++)
        {
            rng.Shuffle<int>(order);
            for (int start = 0; start < order.Length; start += options.BatchSize)
                Step(
                    network,
                    part,
                    scaler,
                    order.AsSpan(start, Math.Min(options.BatchSize, order.Length - start)),
                    rng,
                    ++steps,
                    parallel
                );
            double loss = validation.Rows > 0 ? Loss(network, validation, scaler) : double.NaN;
            if (!(loss >= best.Loss))
                best = (loss, epoch + 1, Weights(network));
            progress?.Report(
                new FitProgress("Fitting the head", epoch + 1, options.MaxEpochs)
                {
                    ValidationLogLoss = double.IsNaN(loss) ? null : loss,
                }
            );
        }

        var report = new MlpFitReport(epoch, best.Epoch, best.Loss, validation.Rows);
        return Head(train, scaler, best.Weights, report);
    }

    private (FeatureTable Train, FeatureTable Validation) Parts(FeatureTable train)
    {
        if (validation is null)
        {
            TrainTestRows split = StratifiedSplit.TrainTest(
                train.Labels,
                options.ValidationFraction,
                options.Seed,
                train.ClassNames
            );
            return (train.Select(split.Train), train.Select(split.Test));
        }

        if (validation.Width != train.Width || !validation.ClassNames.SequenceEqual(train.ClassNames))
            throw new ArgumentException(
                $"The validation rows have {validation.Width} features and {validation.Classes} classes, the "
                    + $"training rows {train.Width} and {train.Classes}; both must agree.",
                nameof(train)
            );
        return (train, validation);
    }

    private void Step(
        MlpNetwork network,
        FeatureTable part,
        FeatureScaler scaler,
        ReadOnlySpan<int> batch,
        Rng rng,
        int step,
        ParallelOptions parallel
    )
    {
        float[]? mask = options.Dropout > 0 ? new float[network.MaskLength] : null;
        float kept = (float)(1 / (1 - options.Dropout)),
            scale = 1f / batch.Length;
        for (int start = 0; start < batch.Length; start += MlpNetwork.Rows)
        {
            for (int i = 0; i < (mask?.Length ?? 0); i++)
                mask![i] = rng.NextDouble() < options.Dropout ? 0 : kept;
            network.AddGradient(
                Load(network, part, scaler, batch[start..Math.Min(batch.Length, start + MlpNetwork.Rows)]),
                mask,
                scale
            );
        }

        network.Weights1.Step(step, options.LearningRate, options.WeightDecay, parallel);
        network.Weights2.Step(step, options.LearningRate, options.WeightDecay, parallel);
    }

    private static double Loss(MlpNetwork network, FeatureTable validation, FeatureScaler scaler)
    {
        int[] rows = [.. Enumerable.Range(0, validation.Rows)];
        double loss = 0;
        for (int start = 0; start < rows.Length; start += MlpNetwork.Rows)
            loss += network.Loss(
                Load(network, validation, scaler, rows.AsSpan(start, Math.Min(MlpNetwork.Rows, rows.Length - start)))
            );
        return loss / rows.Length;
    }

    private static int[] Load(MlpNetwork network, FeatureTable table, FeatureScaler scaler, ReadOnlySpan<int> rows)
    {
        network.Input.Span.Clear();
        var labels = new int[rows.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            labels[i] = table.Labels[rows[i]];
            scaler.Apply(table.Row(rows[i]), network.Input.Span.Slice(i * network.Stride, table.Width));
        }

        return labels;
    }

    private static void Draw(MlpLayer layer, int units, int inputs, Rng rng)
    {
        double deviation = Math.Sqrt(2.0 / inputs);
        for (int u = 0; u < units; u++)
        for (int i = 0; i < inputs; i++)
            layer.Weights.Span[u * layer.Inputs + i] = (float)(deviation * rng.NextNormal());
    }

    private static float[][] Weights(MlpNetwork network) =>
        [
            network.Weights1.Weights.Span.ToArray(),
            network.Weights1.Bias.Span.ToArray(),
            network.Weights2.Weights.Span.ToArray(),
            network.Weights2.Bias.Span.ToArray(),
        ];

    private MlpHead Head(FeatureTable train, FeatureScaler scaler, float[][] found, MlpFitReport report)
    {
        float[] weights1 = Unpadded(found[0], options.Hidden, train.Width, found[0].Length / found[1].Length),
            bias1 = found[1][..options.Hidden];
        float[] weights2 = Unpadded(found[2], train.Classes, options.Hidden, found[2].Length / found[3].Length),
            bias2 = found[3][..train.Classes];
        scaler.FoldInto(weights1, bias1);
        return new MlpHead(train.ClassNames, train.Width, weights1, bias1, weights2, bias2, report);
    }

    private static float[] Unpadded(float[] padded, int units, int inputs, int stride)
    {
        var values = new float[units * inputs];
        for (int u = 0; u < units; u++)
            padded.AsSpan(u * stride, inputs).CopyTo(values.AsSpan(u * inputs));
        return values;
    }
}

/// <summary>
/// A perceptron with one hidden layer: probabilities = softmax(W₂·max(0, W₁·x + b₁) + b₂) of the raw features.
/// Immutable.
/// </summary>
public sealed class MlpHead : IHead
{
    private readonly float[] weights1,
        bias1,
        weights2,
        bias2;

    internal MlpHead(
        IReadOnlyList<string> classNames,
        int width,
        float[] weights1,
        float[] bias1,
        float[] weights2,
        float[] bias2,
        MlpFitReport report
    )
    {
        (ClassNames, Width, Report) = (classNames, width, report);
        (this.weights1, this.bias1, this.weights2, this.bias2) = (weights1, bias1, weights2, bias2);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width { get; }

    /// <summary>Units of the hidden layer.</summary>
    public int Hidden => bias1.Length;

    /// <summary>How it was fitted.</summary>
    public MlpFitReport Report { get; }

    /// <inheritdoc/>
    public void Logits(ReadOnlySpan<float> rows, Span<float> logits) => HeadRows.ForEach(this, rows, logits, Row);

    /// <inheritdoc/>
    public void Predict(ReadOnlySpan<float> rows, Span<float> probabilities) =>
        HeadRows.Predict(this, rows, probabilities, Row);

    /// <inheritdoc/>
    public float[] Predict(FeatureTable table) => HeadRows.Predict(this, table);

    /// <inheritdoc/>
    public string AddTo(HeadGraph graph)
    {
        string w1 = graph.Floats("head.hidden.weight", weights1, Hidden, Width),
            b1 = graph.Floats("head.hidden.bias", bias1, Hidden);
        string w2 = graph.Floats("head.weight", weights2, ClassNames.Count, Hidden),
            b2 = graph.Floats("head.bias", bias2, ClassNames.Count);
        string hidden = graph.Node(
            "Relu",
            "head.active",
            [graph.Node("Gemm", "head.hidden", [graph.Features, w1, b1], Attributes.Of("transB", 1))]
        );
        return graph.Node("Gemm", "logits", [hidden, w2, b2], Attributes.Of("transB", 1));
    }

    private void Row(ReadOnlySpan<float> row, Span<float> logits)
    {
        var hidden = new float[Hidden];
        for (int h = 0; h < hidden.Length; h++)
            hidden[h] = MathF.Max(0, bias1[h] + Simd.Dot(weights1.AsSpan(h * Width, Width), row));
        for (int c = 0; c < logits.Length; c++)
            logits[c] = bias2[c] + Simd.Dot(weights2.AsSpan(c * Hidden, Hidden), hidden);
    }
}

/// <summary>How a multi-layer perceptron was fitted.</summary>
/// <param name="Epochs">Passes over the training part.</param>
/// <param name="BestEpoch">The pass after which the weights were kept.</param>
/// <param name="ValidationLogLoss">Log-loss (nats) of the validation part with those weights; NaN where no row could be
/// spared for it.</param>
/// <param name="ValidationRows">Rows of the validation part.</param>
public sealed record MlpFitReport(int Epochs, int BestEpoch, double ValidationLogLoss, int ValidationRows);
