using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>How gradients become steps: <see cref="SgdOptimizer"/> or <see cref="AdamWOptimizer"/>.</summary>
public abstract record TrainingOptimizer
{
    private protected TrainingOptimizer() { }

    /// <summary>Names of the tensors, each of the parameter's shape, that it keeps for each parameter.</summary>
    internal abstract IReadOnlyList<string> State { get; }

    /// <summary>What the host computes from the count of steps, 1 for the first; as long for every step.</summary>
    internal virtual float[] StepFactors(long step) => [];

    /// <summary>Appends the step of one parameter.</summary>
    /// <param name="graph">Writes the nodes.</param>
    /// <param name="gradient">The gradient.</param>
    /// <param name="state">The state now, in the order of <see cref="State"/>.</param>
    /// <param name="next">Names to give to the state after, in that order.</param>
    /// <param name="factors">One element of the parameter's rank for each of <see cref="StepFactors"/>.</param>
    /// <param name="rank">Rank of the parameter, for constants: see
    /// <see cref="GraphEmitter.Mul(string, float, int)"/>.</param>
    /// <returns>The direction, to be multiplied by the learning rate and subtracted.</returns>
    internal abstract string Emit(
        GraphEmitter graph,
        string gradient,
        IReadOnlyList<string> state,
        IReadOnlyList<string> next,
        IReadOnlyList<string> factors,
        int rank
    );
}

/// <summary>
/// Stochastic gradient descent with momentum as PyTorch has it: v ← momentum · v + g; the step is learning rate · v, or
/// with Nesterov's momentum learning rate · (g + momentum · v).
/// </summary>
public sealed record SgdOptimizer : TrainingOptimizer
{
    /// <summary>Momentum, in [0, 1). Default 0.9; at 0 no state is kept.</summary>
    public double Momentum
    {
        get;
        init => field = Range.Check(value, 0, 0.9999999);
    } = 0.9;

    /// <summary>Nesterov's momentum (Sutskever et al., 2013). Default false.</summary>
    public bool Nesterov { get; init; }

    internal override IReadOnlyList<string> State => Momentum > 0 ? ["momentum"] : [];

    internal override string Emit(
        GraphEmitter graph,
        string gradient,
        IReadOnlyList<string> state,
        IReadOnlyList<string> next,
        IReadOnlyList<string> factors,
        int rank
    )
    {
        if (Momentum == 0)
            return gradient;
        graph.NodeNamed(next[0], "Add", [graph.Mul(state[0], (float)Momentum, rank), gradient]);
        return Nesterov ? graph.Add(gradient, graph.Mul(next[0], (float)Momentum, rank)) : next[0];
    }
}

/// <summary>
/// Adam with decoupled weight decay (Kingma and Ba, 2015; Loshchilov and Hutter, 2019): m ← β₁·m + (1 - β₁)·g, v ← β₂·v
/// + (1 - β₂)·g²; the step is learning rate · m̂ / (√v̂ + ε), where m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ) at step
/// t.
/// </summary>
public sealed record AdamWOptimizer : TrainingOptimizer
{
    /// <summary>Decay β₁ of the mean of gradients, in [0, 1). Default 0.9.</summary>
    public double Beta1
    {
        get;
        init => field = Range.Check(value, 0, 0.9999999);
    } = 0.9;

    /// <summary>Decay β₂ of the mean of squared gradients, in [0, 1). Default 0.999.</summary>
    public double Beta2
    {
        get;
        init => field = Range.Check(value, 0, 0.9999999);
    } = 0.999;

    /// <summary>What keeps the division finite, in [1e-16, 1]. Default 1e-8.</summary>
    public double Epsilon
    {
        get;
        init => field = Range.Check(value, 1e-16, 1);
    } = 1e-8;

    internal override IReadOnlyList<string> State => ["first_moment", "second_moment"];

    /// <summary>1 / (1 - β₁ᵗ) and 1 / (1 - β₂ᵗ).</summary>
    internal override float[] StepFactors(long step) =>
        [(float)(1 / (1 - Math.Pow(Beta1, step))), (float)(1 / (1 - Math.Pow(Beta2, step)))];

    internal override string Emit(
        GraphEmitter graph,
        string gradient,
        IReadOnlyList<string> state,
        IReadOnlyList<string> next,
        IReadOnlyList<string> factors,
        int rank
    )
    {
        graph.NodeNamed(
            next[0],
            "Add",
            [graph.Mul(state[0], (float)Beta1, rank), graph.Mul(gradient, (float)(1 - Beta1), rank)]
        );
        graph.NodeNamed(
            next[1],
            "Add",
            [
                graph.Mul(state[1], (float)Beta2, rank),
                graph.Mul(graph.Mul(gradient, gradient), (float)(1 - Beta2), rank),
            ]
        );
        string root = graph.Node("Sqrt", [graph.Mul(next[1], factors[1])]);
        return graph.Div(graph.Mul(next[0], factors[0]), graph.Add(root, graph.Scalar((float)Epsilon, rank)));
    }
}

/// <summary>
/// Appends what turns gradients into new parameters: norm, clipping, optimiser, decays, moving average.
/// </summary>
/// <param name="graph">Writes the nodes.</param>
/// <param name="inputs">Inputs of the graph, to add to.</param>
/// <param name="options">What a step does.</param>
internal sealed class UpdateGraph(GraphEmitter graph, ICollection<ValueInfoProto> inputs, TrainingOptions options)
{
    private readonly List<StateTensor> state = [];
    private readonly Dictionary<(string Scalar, int Rank), string> shaped = [];

    /// <summary>Appends the update of every parameter.</summary>
    /// <param name="parameters">Every initializer to train.</param>
    /// <param name="gradients">Gradient of each.</param>
    /// <returns>Parameters and their state, in the order of the options.</returns>
    public IReadOnlyList<StateTensor> Append(
        IReadOnlyDictionary<string, TensorProto> parameters,
        IReadOnlyDictionary<string, string> gradients
    )
    {
        graph.Scope = "update";
        string norm = GradientNorm(options.Parameters.Select(p => gradients[p]));
        string scale = graph.Node(
            "Min",
            [
                graph.Div(
                    graph.Scalar((float)(options.ClipNorm ?? float.MaxValue)),
                    graph.Add(norm, graph.Scalar(1e-6f))
                ),
                graph.Scalar(1),
            ]
        );
        string rates = Input(TrainingGraph.LearningRates, options.Groups.Count);
        int count = options.Optimizer.StepFactors(1).Length;
        string[] factors = count == 0 ? [] : Parts(Input(TrainingGraph.StepFactors, count), count);
        foreach ((ParameterGroup group, string rate) in options.Groups.Zip(Parts(rates, options.Groups.Count)))
        {
            graph.Scope = $"update/{group.Name}";
            Group step = new(
                group,
                options.ClipNorm is null ? graph.Mul(rate, scale) : rate,
                scale,
                options.StartingPointDecay
            );
            string? keep = Keep(step);
            foreach (string name in group.Parameters)
                Parameter(parameters[name], gradients[name], step, keep, factors);
        }

        return state;
    }

    /// <summary>
    /// What the parameters of a group share. Without clipping the scale is 1 and multiplies the learning rate, so that
    /// no parameter can be written before every gradient has been computed: outputs may be bound onto the inputs they
    /// replace.
    /// </summary>
    private sealed record Group(ParameterGroup Options, string Rate, string Scale, double Pull);

    private string GradientNorm(IEnumerable<string> gradients)
    {
        string[] squares = [.. gradients.Select(g => graph.Node("ReduceSumSquare", [g], Attributes.Of("keepdims", 0)))];
        string name = graph.Reserve(TrainingGraph.GradientNorm);
        graph.NodeNamed(
            name,
            "Sqrt",
            [graph.Reshape(squares.Length == 1 ? squares[0] : graph.Node("Sum", squares), 1)]
        );
        return name;
    }

    private string? Keep(Group group)
    {
        double decay = group.Options.WeightDecay + group.Pull;
        return decay == 0 ? null : graph.Sub(graph.Scalar(1), graph.Mul(group.Rate, (float)decay));
    }

    private void Parameter(
        TensorProto parameter,
        string gradient,
        Group group,
        string? keep,
        IReadOnlyList<string> factors
    )
    {
        string name = parameter.Name;
        graph.Scope = $"update/{name}";
        int rank = parameter.Dims.Count;
        string rate = Shaped(group.Rate, rank),
            clipped = options.ClipNorm is null ? gradient : graph.Mul(gradient, Shaped(group.Scale, rank));
        StateTensor[] moments =
        [
            .. options.Optimizer.State.Select(s => State(StateRole.Optimizer, parameter, $"{s}/{name}", null)),
        ];
        string direction = options.Optimizer.Emit(
            graph,
            clipped,
            [.. moments.Select(m => m.Input)],
            [.. moments.Select(m => m.Output!)],
            [.. factors.Select(f => Shaped(f, rank))],
            rank
        );
        StateTensor weights = State(StateRole.Parameter, parameter, name, parameter);
        string kept = keep is null ? name : graph.Mul(name, Shaped(keep, rank));
        if (group.Pull > 0)
            kept = graph.Add(kept, graph.Mul(graph.Initializer(parameter), graph.Mul(rate, (float)group.Pull)));
        graph.NodeNamed(weights.Output!, "Sub", [kept, graph.Mul(direction, rate)]);
        if (options.AverageDecay is { } decay)
            Average(parameter, weights, (float)(1 - decay));
    }

    private void Average(TensorProto parameter, StateTensor weights, float share)
    {
        StateTensor average = State(StateRole.Average, parameter, $"average/{parameter.Name}", weights.Start);
        graph.NodeNamed(
            average.Output!,
            "Add",
            [average.Input, graph.Mul(graph.Sub(weights.Output!, average.Input), share, parameter.Dims.Count)]
        );
    }

    private StateTensor State(StateRole role, TensorProto parameter, string name, TensorProto? start)
    {
        string input = role == StateRole.Parameter ? name : graph.Reserve(name);
        StateTensor tensor = new(
            role,
            parameter.Name,
            input,
            graph.Reserve($"next/{name}"),
            [.. parameter.Dims],
            start
        );
        inputs.Add(Differentiator.Float(input, tensor.Shape));
        state.Add(tensor);
        return tensor;
    }

    private string Input(string name, int count)
    {
        inputs.Add(Differentiator.Float(graph.Reserve(name), count));
        return name;
    }

    /// <summary>
    /// A scalar [1] as one element of the rank of a parameter: see <see cref="GraphEmitter.Mul(string, float, int)"/>.
    /// </summary>
    private string Shaped(string scalar, int rank) =>
        rank <= 1 ? scalar
        : shaped.TryGetValue((scalar, rank), out string? known) ? known
        : shaped[(scalar, rank)] = graph.Reshape(scalar, GraphEmitter.Ones(rank));

    private string[] Parts(string vector, int count) =>
        count == 1 ? [vector] : [.. Enumerable.Range(0, count).Select(i => graph.Slice(vector, [0], [i], [i + 1]))];
}
