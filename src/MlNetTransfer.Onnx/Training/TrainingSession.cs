using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// Runs training steps of a model; parameters and optimiser state stay in place from step to step. Not thread-safe.
/// </summary>
/// <remarks>
/// Equal model, options and calls give equal bytes, on the same machine with the same number of threads. A graph is
/// made for each batch size when it is first used.
/// </remarks>
public sealed partial class TrainingSession : IDisposable
{
    private readonly TrainingStepBuilder builder;
    private readonly TrainingOptions options;
    private readonly TrainingSessionOptions running;
    private readonly StateStore state = new();
    private readonly Dictionary<(TrainingGraphKind Kind, int BatchSize), BoundGraph> graphs = [];
    private readonly string input;
    private readonly int rowLength;
    private float[] logits = [];

    /// <summary>Prepares training; the first graph is made by the first step.</summary>
    /// <param name="model">The forward model, of one float32 input whose first dimension is the batch: images, or
    /// activations at the freeze boundary.</param>
    /// <param name="options">What a step does.</param>
    /// <param name="running">How it is run; null for the defaults.</param>
    /// <exception cref="GraphException">The model does not have one input of a fixed shape, or a parameter does not
    /// exist.</exception>
    public TrainingSession(OnnxModel model, TrainingOptions options, TrainingSessionOptions? running = null)
    {
        (this.options, this.running) = (options, running ?? new TrainingSessionOptions());
        builder = new TrainingStepBuilder(model, options);
        IReadOnlyList<ValueInfoProto> inputs = model.CutAt(options.Logits).Inputs;
        if (inputs.Count != 1)
            throw new GraphException(
                $"The model has {inputs.Count} inputs ({string.Join(", ", inputs.Select(i => i.Name))}); training "
                    + $"needs one, with the images or the activations at the freeze boundary."
            );
        input = inputs[0].Name;
        if (TensorShape.From(inputs[0]) is not { Rank: > 0 } shape || shape.Dimensions.Skip(1).Any(d => d.Size is null))
            throw new GraphException(
                $"Input '{input}' must be [N, ...] with fixed sizes after the batch size N. Export the model with a "
                    + $"fixed image size."
            );
        rowLength = (int)shape.Dimensions.Skip(1).Aggregate(1L, (a, d) => a * d.Size!.Value);
        foreach (StateTensor tensor in builder.State())
            state.Value(tensor);
    }

    /// <summary>Steps done.</summary>
    public long Steps { get; private set; }

    /// <summary>Logits [N, C] of the last step, row-major, from before its update.</summary>
    public ReadOnlySpan<float> Logits => logits;

    /// <summary>One step.</summary>
    /// <param name="inputs">Rows of the model's input [N, ...]; N is found from the length.</param>
    /// <param name="targets">Soft targets [N, C].</param>
    /// <param name="rowWeights">Weights of the rows [N], 0 or more; they are divided by their sum. Empty for equal
    /// weights.</param>
    /// <param name="learningRates">Learning rate of each group, 0 or more.</param>
    /// <returns>Loss and norm of the gradients, from before the update.</returns>
    /// <exception cref="ArgumentException">A length does not fit, or the weights are all zero.</exception>
    /// <exception cref="GraphException">The training graph cannot be made.</exception>
    public StepResult Step(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> rowWeights,
        params ReadOnlySpan<float> learningRates
    )
    {
        if (inputs.Length == 0 || inputs.Length % rowLength != 0)
            throw new ArgumentException($"{inputs.Length} input values are not rows of {rowLength}.", nameof(inputs));
        int rows = inputs.Length / rowLength;
        if (targets.Length % rows != 0)
            throw new ArgumentException($"{targets.Length} targets do not belong to {rows} rows.", nameof(targets));
        if (learningRates.Length != options.Groups.Count)
            throw new ArgumentException(
                $"{learningRates.Length} learning rates for {options.Groups.Count} parameter groups.",
                nameof(learningRates)
            );
        float[] weights = StepWeights.Of(rowWeights, rows);
        if (logits.Length != targets.Length)
            logits = new float[targets.Length];
        int part = Math.Min(rows, running.MicroBatch ?? rows);
        StepResult result =
            part == rows
                ? Whole(inputs, targets, weights, learningRates)
                : InParts(part, inputs, targets, weights, learningRates);
        Steps++;
        return result;
    }

    /// <summary>Frees everything; the values are gone.</summary>
    public void Dispose()
    {
        foreach (BoundGraph graph in graphs.Values)
            graph.Dispose();
        graphs.Clear();
        state.Dispose();
    }

    private StepResult Whole(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> rates
    )
    {
        BoundGraph graph = Graph(TrainingGraphKind.Step, weights.Length);
        Feed(graph, rates);
        float loss = Forward(graph, inputs, targets, weights, logits, 0);
        return new StepResult(loss, graph[TrainingGraph.GradientNorm][0]);
    }

    private StepResult InParts(
        int size,
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> rates
    )
    {
        int columns = targets.Length / weights.Length;
        float loss = 0;
        state.ClearSums();
        for (int start = 0; start < weights.Length; start += size)
        {
            int rows = Math.Min(size, weights.Length - start);
            BoundGraph part = Graph(TrainingGraphKind.Accumulate, rows);
            loss += Forward(
                part,
                inputs.Slice(start * rowLength, rows * rowLength),
                targets.Slice(start * columns, rows * columns),
                weights.Slice(start, rows),
                logits.AsSpan(start * columns, rows * columns),
                start / size
            );
        }

        BoundGraph apply = Graph(TrainingGraphKind.Apply, 0);
        Feed(apply, rates);
        apply.Run();
        return new StepResult(loss, apply[TrainingGraph.GradientNorm][0]);
    }

    private float Forward(
        BoundGraph graph,
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> weights,
        Span<float> result,
        int part
    )
    {
        if (targets.Length != weights.Length * graph.Graph.Columns)
            throw new ArgumentException(
                $"{targets.Length} targets for {weights.Length} rows of {graph.Graph.Columns} logits.",
                nameof(targets)
            );
        inputs.CopyTo(graph[input]);
        targets.CopyTo(graph[TrainingGraph.Targets]);
        weights.CopyTo(graph[TrainingGraph.RowWeights]);
        for (int i = 0; i < graph.Graph.Masks.Count; i++)
            graph
                .Graph.Masks[i]
                .Fill(graph[graph.Graph.Masks[i].Input], running.Seed, Steps, part * graph.Graph.Masks.Count + i);
        graph.Run();
        graph[options.Logits].CopyTo(result);
        return graph[TrainingGraph.Loss][0];
    }

    private void Feed(BoundGraph graph, ReadOnlySpan<float> rates)
    {
        rates.CopyTo(graph[TrainingGraph.LearningRates]);
        if (graph.Has(TrainingGraph.StepFactors))
            options.Optimizer.StepFactors(Steps + 1).CopyTo(graph[TrainingGraph.StepFactors]);
    }

    private BoundGraph Graph(TrainingGraphKind kind, int batchSize)
    {
        if (graphs.TryGetValue((kind, batchSize), out BoundGraph? known))
            return known;
        return graphs[(kind, batchSize)] = new BoundGraph(builder.Build(batchSize, kind), state, running.Threads);
    }
}

public sealed partial class TrainingSession
{
    /// <summary>
    /// The trained parameters, and the running statistics where batch normalisation updates them, by the name of the
    /// model's initializer; row-major. <see cref="InitializerEdits"/> writes them back.
    /// </summary>
    public IReadOnlyDictionary<string, float[]> Parameters() => Values(StateRole.Parameter);

    /// <summary>
    /// The moving average of the parameters, and the running statistics, by the name of the model's initializer.
    /// </summary>
    /// <exception cref="InvalidOperationException">The options ask for no average.</exception>
    public IReadOnlyDictionary<string, float[]> Averages() =>
        options.AverageDecay is null
            ? throw new InvalidOperationException(
                $"No average is kept: {nameof(TrainingOptions.AverageDecay)} is not set."
            )
            : Values(StateRole.Average);

    /// <summary>
    /// Writes parameters, optimiser state, averages, running statistics and the count of steps: all that
    /// <see cref="LoadState(Stream)"/> needs to go on with the same bytes.
    /// </summary>
    public void SaveState(Stream stream) => Checkpoint.Write(stream, Steps, [.. state.Kept]);

    /// <summary>
    /// Goes on from a state that a session of the same model and options has saved. On an error nothing is changed.
    /// </summary>
    /// <exception cref="GraphException">The bytes are no state, or one of another model or other options.</exception>
    public void LoadState(Stream stream)
    {
        (StateTensor Tensor, OrtValue Value)[] kept = [.. state.Kept];
        (long steps, Dictionary<string, float[]> values) = Checkpoint.Read(stream, [.. kept.Select(k => k.Tensor)]);
        foreach ((StateTensor tensor, OrtValue value) in kept)
            values[tensor.Input].CopyTo(value.GetTensorMutableDataAsSpan<float>());
        Steps = steps;
    }

    private Dictionary<string, float[]> Values(StateRole role) =>
        state
            .Of(role)
            .Concat(state.Of(StateRole.Statistic))
            .ToDictionary(s => s.Tensor.Owner, s => s.Value.GetTensorDataAsSpan<float>().ToArray());
}

/// <summary>How training steps are run. Immutable; an invalid instance cannot be made.</summary>
public sealed record TrainingSessionOptions
{
    /// <summary>
    /// Threads of a step, 1 to 1024; null for one per core. The bytes that come out may depend on it.
    /// </summary>
    public int? Threads
    {
        get;
        init => field = value is { } threads ? (int)Range.Check(threads, 1, 1024) : null;
    }

    /// <summary>
    /// Images worked on at a time, 1 or more; null for the whole batch. Smaller micro-batches need less memory and give
    /// the same step but for rounding, as long as batch normalisation uses its running statistics.
    /// </summary>
    public int? MicroBatch
    {
        get;
        init => field = value is { } size ? (int)Range.Check(size, 1, int.MaxValue) : null;
    }

    /// <summary>Seed of the dropout masks. Default 0.</summary>
    public int Seed { get; init; }
}

/// <summary>What a training step reports.</summary>
/// <param name="Loss">Loss before the step, Σ row weight · loss of the row with the weights scaled to sum 1.</param>
/// <param name="GradientNorm">Euclidean norm of all gradients together, before clipping.</param>
public readonly record struct StepResult(float Loss, float GradientNorm);
