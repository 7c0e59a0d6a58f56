using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx.Kernels;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// Runs training steps of a model; parameters and optimiser state stay in place from step to step. Not thread-safe.
/// </summary>
/// <remarks>
/// Equal model, options and calls give equal bytes, on the same machine with the same number of threads. A graph is
/// made for each batch size when it is first used.
/// </remarks>
public sealed partial class TrainingSession : ITrainingSession
{
    private readonly TrainingStepBuilder builder;
    private readonly TrainingOptions options;
    private readonly TrainingSessionOptions running;
    private readonly TrainingDevice? device;
    private readonly StateStore state;
    private readonly Dictionary<(TrainingGraphKind Kind, int BatchSize), BoundGraph> graphs = [];
    private readonly string input;
    private readonly int rowLength;
    private readonly ObjectiveRows[] objectives;

    /// <summary>Prepares training; the first graph is made by the first step.</summary>
    /// <param name="model">The forward model, of one float32 input whose first dimension is the batch: images, or
    /// activations at the freeze boundary.</param>
    /// <param name="options">What a step does.</param>
    /// <param name="running">How it is run; null for the defaults.</param>
    /// <exception cref="GraphException">The model does not have one input of a fixed shape, or a parameter does not
    /// exist.</exception>
    public TrainingSession(OnnxModel model, TrainingOptions options, TrainingSessionOptions? running = null)
        : this(model, options, running, device: null) { }

    /// <summary>Prepares training on a device.</summary>
    internal TrainingSession(
        OnnxModel model,
        TrainingOptions options,
        TrainingSessionOptions? running,
        TrainingDevice? device
    )
    {
        (this.options, this.running, this.device) = (options, running ?? new TrainingSessionOptions(), device);
        builder = new TrainingStepBuilder(model, options) { HasKernels = device is null && KernelRegistry.IsAvailable };
        objectives = [.. options.Objectives.Select(o => new ObjectiveRows(o.Logits))];
        (input, long[] row) = StepArguments.InputOf(model.CutAt([.. options.Logits]));
        rowLength = (int)row.Aggregate(1L, (a, b) => a * b);
        IReadOnlyList<StateTensor> tensors = builder.State();
        state = new StateStore(TensorMemory.Of(device));
        try
        {
            foreach (StateTensor tensor in tensors)
                state.Value(tensor);
        }
        catch
        {
            state.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public long Steps { get; private set; }

    /// <summary>
    /// Logits [N, C] of the last step, row-major, from before its update; those of the first objective.
    /// </summary>
    public ReadOnlySpan<float> Logits => objectives[0].Logits;

    /// <summary>Logits [N, C] of the last step, row-major, from before its update.</summary>
    /// <param name="objective">Which objective's, counted from 0.</param>
    public ReadOnlySpan<float> LogitsOf(int objective) => objectives[objective].Logits;

    /// <inheritdoc/>
    public StepResult Step(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> targets,
        ReadOnlySpan<float> rowWeights,
        params ReadOnlySpan<float> learningRates
    )
    {
        RequireTargets(1);
        objectives[0].Take(targets);
        return Run(inputs, rowWeights, learningRates);
    }

    /// <summary>One step.</summary>
    /// <param name="inputs">Rows of the model's input [N, ...]; N is found from the length.</param>
    /// <param name="targets">Targets [N, C] of each objective, in their order.</param>
    /// <param name="rowWeights">Weights of the rows [N], 0 or more; they are divided by their sum. Empty for equal
    /// weights.</param>
    /// <param name="learningRates">Learning rate of each group, 0 or more.</param>
    /// <returns>Loss and norm of the gradients, from before the update.</returns>
    /// <exception cref="ArgumentException">A length does not fit, or the weights are all zero.</exception>
    /// <exception cref="GraphException">The training graph cannot be made.</exception>
    public StepResult Step(
        ReadOnlySpan<float> inputs,
        IReadOnlyList<ReadOnlyMemory<float>> targets,
        ReadOnlySpan<float> rowWeights,
        params ReadOnlySpan<float> learningRates
    )
    {
        RequireTargets(targets.Count);
        for (int i = 0; i < objectives.Length; i++)
            objectives[i].Take(targets[i].Span);
        return Run(inputs, rowWeights, learningRates);
    }

    /// <summary>Frees everything; the values are gone.</summary>
    public void Dispose()
    {
        foreach (BoundGraph graph in graphs.Values)
            graph.Dispose();
        graphs.Clear();
        state.Dispose();
    }

    private void RequireTargets(int given)
    {
        if (given != objectives.Length)
            throw new ArgumentException(
                $"Targets of {given} objectives for {objectives.Length}: "
                    + $"{string.Join(", ", objectives.Select(o => $"'{o.Name}'"))}."
            );
    }

    /// <summary>One step, with the targets that the objectives have taken.</summary>
    private StepResult Run(
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> rowWeights,
        ReadOnlySpan<float> learningRates
    )
    {
        int rows = StepArguments.Rows(inputs, rowLength, learningRates, options);
        if (objectives.FirstOrDefault(o => o.Targets.Length % rows != 0) is { } uneven)
            throw new ArgumentException(
                $"{uneven.Targets.Length} targets of '{uneven.Name}' do not belong to {rows} rows."
            );
        float[] weights = StepWeights.Of(rowWeights, rows);
        int part = Math.Min(rows, running.MicroBatch ?? rows);
        StepResult result =
            part == rows ? Whole(inputs, weights, learningRates) : InParts(part, inputs, weights, learningRates);
        Steps++;
        return result;
    }

    private StepResult Whole(ReadOnlySpan<float> inputs, ReadOnlySpan<float> weights, ReadOnlySpan<float> rates)
    {
        BoundGraph graph = Graph(TrainingGraphKind.Step, weights.Length);
        Feed(graph, rates);
        Fit(graph, weights.Length);
        float loss = Forward(graph, inputs, weights, start: 0, part: 0);
        return new StepResult(loss, graph[TrainingGraph.GradientNorm][0]);
    }

    private StepResult InParts(
        int size,
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> weights,
        ReadOnlySpan<float> rates
    )
    {
        float loss = 0;
        state.ClearSums();
        for (int start = 0; start < weights.Length; start += size)
        {
            int rows = Math.Min(size, weights.Length - start);
            BoundGraph part = Graph(TrainingGraphKind.Accumulate, rows);
            Fit(part, weights.Length);
            loss += Forward(
                part,
                inputs.Slice(start * rowLength, rows * rowLength),
                weights.Slice(start, rows),
                start,
                start / size
            );
        }

        BoundGraph apply = Graph(TrainingGraphKind.Apply, 0);
        Feed(apply, rates);
        apply.Run();
        return new StepResult(loss, apply[TrainingGraph.GradientNorm][0]);
    }

    /// <summary>Holds the targets to the graph, and makes room for its logits.</summary>
    private void Fit(BoundGraph graph, int rows)
    {
        foreach ((ObjectiveRows given, ObjectiveTensors tensors) in objectives.Zip(graph.Graph.Objectives))
        {
            int length = rows * tensors.Columns;
            if (given.Targets.Length != length)
                throw new ArgumentException(
                    $"{given.Targets.Length} targets for {rows} rows of {tensors.Columns} logits '{tensors.Logits}'."
                );
            if (given.Logits.Length != length)
                given.Logits = new float[length];
        }
    }

    /// <summary>Runs some of a step's rows.</summary>
    /// <param name="graph">The graph of as many rows.</param>
    /// <param name="inputs">Their inputs.</param>
    /// <param name="weights">Their weights.</param>
    /// <param name="start">The first of them in the step.</param>
    /// <param name="part">Number of the part, from 0.</param>
    /// <returns>Their share of the loss.</returns>
    private float Forward(
        BoundGraph graph,
        ReadOnlySpan<float> inputs,
        ReadOnlySpan<float> weights,
        int start,
        int part
    )
    {
        foreach ((ObjectiveRows given, ObjectiveTensors tensors) in objectives.Zip(graph.Graph.Objectives))
            given
                .Targets.AsSpan(start * tensors.Columns, weights.Length * tensors.Columns)
                .CopyTo(graph[tensors.Targets]);
        inputs.CopyTo(graph[input]);
        weights.CopyTo(graph[TrainingGraph.RowWeights]);
        for (int i = 0; i < graph.Graph.Masks.Count; i++)
            graph
                .Graph.Masks[i]
                .Fill(graph[graph.Graph.Masks[i].Input], running.Seed, Steps, part * graph.Graph.Masks.Count + i);
        graph.Run();
        foreach ((ObjectiveRows found, ObjectiveTensors tensors) in objectives.Zip(graph.Graph.Objectives))
            graph[tensors.Logits].CopyTo(found.Logits.AsSpan(start * tensors.Columns));
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
        return graphs[(kind, batchSize)] = new BoundGraph(
            builder.Build(batchSize, kind),
            state,
            running.Threads,
            device
        );
    }
}

public sealed partial class TrainingSession
{
    /// <inheritdoc/>
    public IReadOnlyDictionary<string, float[]> Parameters() => Values(StateRole.Parameter);

    /// <inheritdoc/>
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
    public void SaveState(Stream stream) => Checkpoint.Write(stream, Steps, state);

    /// <inheritdoc/>
    public void LoadState(Stream stream)
    {
        (StateTensor Tensor, OrtValue Value)[] kept = [.. state.Kept];
        (long steps, Dictionary<string, float[]> values) = Checkpoint.Read(stream, [.. kept.Select(k => k.Tensor)]);
        foreach ((StateTensor tensor, OrtValue value) in kept)
            state.Memory.Write(value, values[tensor.Input]);
        Steps = steps;
    }

    private Dictionary<string, float[]> Values(StateRole role) =>
        state
            .Of(role)
            .Concat(state.Of(StateRole.Statistic))
            .ToDictionary(s => s.Tensor.Owner, s => state.Memory.Read(s.Value).ToArray());
}

/// <summary>The rows of an objective in a step: what it was given and what came out.</summary>
internal sealed class ObjectiveRows(string name)
{
    /// <summary>Name of the logits.</summary>
    public string Name { get; } = name;

    /// <summary>Targets [N, C].</summary>
    public float[] Targets { get; private set; } = [];

    /// <summary>Logits [N, C].</summary>
    public float[] Logits { get; set; } = [];

    /// <summary>Copies the targets of a step.</summary>
    public void Take(ReadOnlySpan<float> targets)
    {
        if (Targets.Length != targets.Length)
            Targets = new float[targets.Length];
        targets.CopyTo(Targets);
    }
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
