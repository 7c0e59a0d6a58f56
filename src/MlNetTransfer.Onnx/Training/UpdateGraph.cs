using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

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
