using MlNetTransfer.Features;
using MlNetTransfer.Numerics;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Heads;

/// <summary>
/// A fitted classifier on bottleneck features. Immutable, so that any number of threads may predict with it.
/// </summary>
public interface IHead
{
    /// <summary>Names of the classes [classes]; the index is the label.</summary>
    IReadOnlyList<string> ClassNames { get; }

    /// <summary>Features per row.</summary>
    int Width { get; }

    /// <summary>
    /// Logits of one row or several: numbers whose softmax is the probabilities. They keep the order of classes whose
    /// probabilities round to 0.
    /// </summary>
    /// <param name="rows">Features [rows × width], row-major.</param>
    /// <param name="logits">Receives the logits [rows × classes], row-major.</param>
    /// <exception cref="ArgumentException">The lengths fit no whole number of rows of this head's width; the message
    /// says what it takes.</exception>
    void Logits(ReadOnlySpan<float> rows, Span<float> logits);

    /// <summary>Predicts one row or several.</summary>
    /// <param name="rows">Features [rows × width], row-major.</param>
    /// <param name="probabilities">Receives the probabilities [rows × classes], row-major; each row sums to 1.</param>
    /// <exception cref="ArgumentException">The lengths fit no whole number of rows of this head's width; the message
    /// says what it takes.</exception>
    void Predict(ReadOnlySpan<float> rows, Span<float> probabilities);

    /// <summary>Predicts every row of a table; its labels are not looked at.</summary>
    /// <param name="table">Features of the same width.</param>
    /// <returns>Probabilities [rows × classes], row-major, over this head's classes.</returns>
    /// <exception cref="ArgumentException">The table has another width; the message names both.</exception>
    float[] Predict(FeatureTable table);

    /// <summary>Writes the head into an ONNX graph.</summary>
    /// <param name="graph">Where the features are, and where the nodes go.</param>
    /// <returns>Name of the tensor with the logits, float32 [N × classes].</returns>
    string AddTo(HeadGraph graph);
}

/// <summary>
/// A head whose probabilities are softmax(W·x + b) of the raw features x: one Gemm and one Softmax in ONNX.
/// </summary>
public interface ILinearHead : IHead
{
    /// <summary>W [classes × width], row-major; all scaling of the features is folded in.</summary>
    ReadOnlyMemory<float> Weights { get; }

    /// <summary>b [classes].</summary>
    ReadOnlyMemory<float> Bias { get; }
}

/// <summary>Fits heads on bottleneck features. Holds options only: every fit stands alone.</summary>
public interface IHeadTrainer
{
    /// <summary>Fits a head; changes nothing it is given.</summary>
    /// <param name="train">Training rows [rows × width]; at least two classes, at least one row of each.</param>
    /// <param name="progress">Told how far the fit has come, from the fitting thread.</param>
    /// <param name="cancellation">Honoured within one pass over the rows.</param>
    /// <returns>The fitted head; equal inputs and options give equal bytes.</returns>
    /// <exception cref="TransferException">There are fewer than two classes, or some class has no training row; the
    /// message names it.</exception>
    IHead Fit(FeatureTable train, IProgress<FitProgress>? progress = null, CancellationToken cancellation = default);
}

/// <summary>Fits heads of one kind.</summary>
/// <typeparam name="THead">The fitted head.</typeparam>
public interface IHeadTrainer<out THead> : IHeadTrainer
    where THead : IHead
{
    /// <inheritdoc cref="IHeadTrainer.Fit"/>
    new THead Fit(
        FeatureTable train,
        IProgress<FitProgress>? progress = null,
        CancellationToken cancellation = default
    );

    IHead IHeadTrainer.Fit(FeatureTable train, IProgress<FitProgress>? progress, CancellationToken cancellation) =>
        Fit(train, progress, cancellation);
}

/// <summary>
/// A head that is linear in the features: probabilities = softmax(W·x + b). Immutable. Derived heads add how they were
/// fitted, never how they predict.
/// </summary>
public class LinearHead : ILinearHead
{
    private readonly float[] weights,
        bias;

    internal LinearHead(IReadOnlyList<string> classNames, int width, float[] weights, float[] bias)
    {
        (ClassNames, Width) = (classNames, width);
        (this.weights, this.bias) = (weights, bias);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> ClassNames { get; }

    /// <inheritdoc/>
    public int Width { get; }

    /// <inheritdoc/>
    public ReadOnlyMemory<float> Weights => weights;

    /// <inheritdoc/>
    public ReadOnlyMemory<float> Bias => bias;

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
        string w = graph.Floats("head.weight", weights, ClassNames.Count, Width),
            b = graph.Floats("head.bias", bias, ClassNames.Count);
        return graph.Node("Gemm", "logits", [graph.Features, w, b], Attributes.Of("transB", 1));
    }

    /// <summary>A head whose logits are combinations of this one's.</summary>
    internal LinearHead Combined(LogitMap map) => new(map.ClassNames, Width, map.OfWeights(weights), map.OfBias(bias));

    private void Row(ReadOnlySpan<float> row, Span<float> logits)
    {
        for (int c = 0; c < bias.Length; c++)
            logits[c] = bias[c] + Simd.Dot(weights.AsSpan(c * Width, Width), row);
    }
}

/// <summary>What all heads share at their boundary: checks of what they are given, rows one by one.</summary>
internal static class HeadRows
{
    public delegate void RowFunction(ReadOnlySpan<float> row, Span<float> target);

    public static void CheckTrainable(FeatureTable train)
    {
        if (train.Classes < 2)
            throw new TransferException(
                $"A head tells classes apart: the training rows have {train.Classes} class "
                    + $"({string.Join(", ", train.ClassNames)}), at least 2 are needed. Add images of another class."
            );
        int[] counts = train.RowsPerClass();
        for (int c = 0; c < counts.Length; c++)
            if (counts[c] == 0)
                throw new TransferException(
                    $"Class '{train.ClassNames[c]}' has 0 training rows, at least 1 is needed. Add images of it or "
                        + $"leave the class out."
                );
    }

    /// <summary>
    /// Rows that can be left out, since their class has another: all of them, or so many spread evenly.
    /// </summary>
    public static int[] LeftOut(FeatureTable train, int most)
    {
        int[] counts = train.RowsPerClass(),
            rows = [.. Enumerable.Range(0, train.Rows).Where(i => counts[train.Labels[i]] > 1)];
        return rows.Length <= most
            ? rows
            : [.. Enumerable.Range(0, most).Select(i => rows[(int)((long)i * rows.Length / most)])];
    }

    /// <summary>Applies a function of one row [width] → [classes] to rows [rows × width].</summary>
    public static void ForEach(IHead head, ReadOnlySpan<float> rows, Span<float> target, RowFunction function)
    {
        int classes = head.ClassNames.Count,
            count = rows.Length / head.Width;
        if (rows.Length != count * head.Width)
            throw new ArgumentException(
                $"This head takes rows of {head.Width} features; {rows.Length} values are no whole number of rows.",
                nameof(rows)
            );
        if (target.Length != count * classes)
            throw new ArgumentException(
                $"{count} rows of {classes} classes give {count * classes} values; there is room for {target.Length}.",
                nameof(target)
            );
        for (int i = 0; i < count; i++)
            function(rows.Slice(i * head.Width, head.Width), target.Slice(i * classes, classes));
    }

    /// <summary>The softmax of the logits that a function gives for each row.</summary>
    public static void Predict(IHead head, ReadOnlySpan<float> rows, Span<float> probabilities, RowFunction logits)
    {
        ForEach(head, rows, probabilities, logits);
        for (int i = 0; i < probabilities.Length; i += head.ClassNames.Count)
            Softmax.InPlace(probabilities.Slice(i, head.ClassNames.Count));
    }

    /// <summary>Logits of the rows of a table [rows × classes].</summary>
    public static float[] Logits(IHead head, FeatureTable table)
    {
        var logits = new float[table.Rows * head.ClassNames.Count];
        head.Logits(table.Values, logits);
        return logits;
    }

    public static float[] Predict(IHead head, FeatureTable table)
    {
        if (table.Width != head.Width)
            throw new ArgumentException(
                $"The table has {table.Width} features per row, this head takes {head.Width}. Was it made with "
                    + $"another backbone or tap?",
                nameof(table)
            );
        var probabilities = new float[table.Rows * head.ClassNames.Count];
        head.Predict(table.Values, probabilities);
        return probabilities;
    }
}

/// <summary>
/// An ONNX graph that a head is being written into: takes nodes and constants under names that are free.
/// </summary>
/// <remarks>
/// Heads write standard operators whose form is the same in the operator sets 11 to 17, and leave the number of rows
/// open. A new one per head; not thread-safe.
/// </remarks>
public sealed class HeadGraph
{
    private readonly OnnxModel model;
    private readonly List<NodeProto> nodes;
    private readonly List<TensorProto> constants;
    private readonly HashSet<string> added;

    /// <summary>Starts at a tensor of a model.</summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="features">Name of the tensor with the features, float32 [N × width].</param>
    public HeadGraph(OnnxModel model, string features)
        : this(model, features, [], [], []) { }

    private HeadGraph(
        OnnxModel model,
        string features,
        List<NodeProto> nodes,
        List<TensorProto> constants,
        HashSet<string> added
    ) => (this.model, Features, this.nodes, this.constants, this.added) = (model, features, nodes, constants, added);

    /// <summary>Name of the tensor with the features, float32 [N × width].</summary>
    public string Features { get; }

    /// <summary>The same graph for a head on other features.</summary>
    /// <param name="features">Name of the tensor with them, float32 [N × width].</param>
    internal HeadGraph At(string features) => new(model, features, nodes, constants, added);

    /// <summary>The model with all that was added.</summary>
    public OnnxModel Build() => model.Append(nodes, constants);

    /// <summary>Adds a float32 constant.</summary>
    /// <param name="name">Name that is wanted; a number is added where it is taken.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    /// <returns>The tensor's name.</returns>
    public string Floats(string name, ReadOnlySpan<float> values, params ReadOnlySpan<long> shape)
    {
        string free = Free(name);
        constants.Add(TensorData.Floats(free, values, shape));
        return free;
    }

    /// <summary>Adds an int64 constant.</summary>
    /// <param name="name">Name that is wanted; a number is added where it is taken.</param>
    /// <param name="values">Values [product of shape], row-major.</param>
    /// <param name="shape">Dimensions; empty for a scalar.</param>
    /// <returns>The tensor's name.</returns>
    public string Longs(string name, ReadOnlySpan<long> values, params ReadOnlySpan<long> shape)
    {
        string free = Free(name);
        constants.Add(TensorData.Longs(free, values, shape));
        return free;
    }

    /// <summary>Adds a node with one output.</summary>
    /// <param name="operatorType">Operator, for example <c>Gemm</c>.</param>
    /// <param name="name">Name that is wanted for the node and its output; a number is added where it is taken.</param>
    /// <param name="inputs">Names of its inputs.</param>
    /// <param name="attributes">Its attributes.</param>
    /// <returns>The output's name.</returns>
    public string Node(
        string operatorType,
        string name,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    ) => Nodes(operatorType, [name], inputs, attributes)[0];

    /// <summary>Adds a node with several outputs.</summary>
    /// <param name="operatorType">Operator, for example <c>TopK</c>.</param>
    /// <param name="names">Names that are wanted for its outputs; the first is the node's too.</param>
    /// <param name="inputs">Names of its inputs.</param>
    /// <param name="attributes">Its attributes.</param>
    /// <returns>The outputs' names.</returns>
    public IReadOnlyList<string> Nodes(
        string operatorType,
        IReadOnlyList<string> names,
        IReadOnlyList<string> inputs,
        params IReadOnlyList<AttributeProto> attributes
    )
    {
        string[] outputs = [.. names.Select(Free)];
        nodes.Add(
            new NodeProto
            {
                OpType = operatorType,
                Name = outputs[0],
                Input = { inputs },
                Output = { outputs },
                Attribute = { attributes },
            }
        );
        return outputs;
    }

    private string Free(string name)
    {
        string free = model.UniqueName(name);
        for (int i = 1; !added.Add(free); i++)
            free = model.UniqueName(FormattableString.Invariant($"{name}_{i}"));
        return free;
    }
}

/// <summary>How far a fit has come.</summary>
/// <param name="Stage">What is being done, fit to be shown as it is.</param>
/// <param name="Done">Steps of the stage that are done.</param>
/// <param name="Total">Steps of the stage at most; the stage may end before.</param>
public sealed record FitProgress(string Stage, int Done, int Total)
{
    /// <summary>Log-loss (nats) of the validation part after this step; null where there is none.</summary>
    public double? ValidationLogLoss { get; init; }
}

/// <summary>How much a training row of each class counts.</summary>
public enum ClassWeights
{
    /// <summary>Every row counts 1.</summary>
    None,

    /// <summary>
    /// A row of class c counts rows / (classes · rows of c), so that all classes count the same in total.
    /// </summary>
    Balanced,
}

/// <summary>What <see cref="ClassWeights"/> means for a fit.</summary>
internal static class ClassWeighting
{
    /// <summary>
    /// What a row of each class counts [classes], 1 on average over the rows; null where every row counts 1.
    /// </summary>
    /// <param name="train">The rows; at least one of each class.</param>
    /// <param name="weights">What is asked for.</param>
    public static double[]? Of(FeatureTable train, ClassWeights weights)
    {
        if (weights == ClassWeights.None)
            return null;
        return [.. train.RowsPerClass().Select(count => (double)train.Rows / ((double)train.Classes * count))];
    }

    /// <summary>
    /// What every row counts [rows], by its class and by itself, 1 on average; null where every row counts 1.
    /// </summary>
    /// <param name="train">The rows; at least one of each class.</param>
    /// <param name="weights">What is asked for.</param>
    public static double[]? OfRows(FeatureTable train, ClassWeights weights)
    {
        if (train.Weights is not { } own)
            return Of(train, weights) is { } ofClass ? Array.ConvertAll(train.Labels, label => ofClass[label]) : null;
        var sums = new double[train.Classes];
        for (int row = 0; row < own.Length; row++)
            sums[train.Labels[row]] += own[row];
        // Balanced, the rows of a class share what every class has.
        double each = weights == ClassWeights.None ? own.Sum() / own.Length : 0;
        return
        [
            .. own.Select(
                (weight, row) =>
                    weights == ClassWeights.None
                        ? weight / each
                        : weight * own.Length / (train.Classes * sums[train.Labels[row]])
            ),
        ];
    }
}
