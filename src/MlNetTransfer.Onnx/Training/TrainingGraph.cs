using Google.Protobuf.Collections;
using MlNetTransfer.Onnx.Differentiation;
using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Training;

/// <summary>
/// A training step as an ONNX model for one batch size: of standard operators and com.microsoft's FusedMatMul, and in a
/// <see cref="TrainingSession"/> of kernels of our own as well.
/// </summary>
/// <remarks>
/// Inputs: those of the forward model; targets [N, C] of each of the <see cref="Objectives"/>; <see cref="RowWeights"/>
/// [N], which should sum to 1; and for a step <see cref="LearningRates"/> [groups], the optimiser's factors, parameters
/// and state. Outputs: <see cref="Loss"/> [1], logits [N, C] of the objectives, <see cref="GradientNorm"/> [1] before
/// clipping, and each parameter and state after the step (<c>next/NAME</c>), or the gradients
/// (<c>gradient_of/NAME</c>).
/// </remarks>
public sealed class TrainingGraph
{
    internal TrainingGraph(
        OnnxModel model,
        TrainingGraphKind kind,
        int batchSize,
        IReadOnlyList<ObjectiveTensors> objectives,
        IReadOnlyList<StateTensor> state,
        IReadOnlyList<DropoutMask> masks
    ) => (Model, Kind, BatchSize, Objectives, State, Masks) = (model, kind, batchSize, objectives, state, masks);

    /// <summary>Name of the input of targets [N, C] of the first objective, unless it names another.</summary>
    public const string Targets = "targets";

    /// <summary>Name of the input of row weights [N].</summary>
    public const string RowWeights = "row_weights";

    /// <summary>Name of the input of learning rates, one for each group.</summary>
    public const string LearningRates = "learning_rates";

    /// <summary>Name of the input of the optimiser's factors of this step; there only where it has some.</summary>
    public const string StepFactors = "step_factors";

    /// <summary>Name of the output of the loss [1].</summary>
    public const string Loss = "loss";

    /// <summary>Name of the output of the global norm of all gradients [1].</summary>
    public const string GradientNorm = "gradient_norm";

    /// <summary>The graph.</summary>
    public OnnxModel Model { get; }

    /// <summary>What it does with the gradients.</summary>
    public TrainingGraphKind Kind { get; }

    /// <summary>Images of a batch.</summary>
    public int BatchSize { get; }

    /// <summary>What each objective reads, in their order; none where there is no forward pass.</summary>
    public IReadOnlyList<ObjectiveTensors> Objectives { get; }

    /// <summary>Inputs and outputs that live from step to step.</summary>
    internal IReadOnlyList<StateTensor> State { get; }

    /// <summary>Inputs that are drawn anew for every step.</summary>
    internal IReadOnlyList<DropoutMask> Masks { get; }
}

/// <summary>The tensors of an objective in a training graph.</summary>
/// <param name="Logits">Name of the output of logits [N, C].</param>
/// <param name="Targets">Name of the input of targets [N, C].</param>
/// <param name="Columns">Columns C of both.</param>
public sealed record ObjectiveTensors(string Logits, string Targets, int Columns);

/// <summary>What a training graph does with the gradients.</summary>
public enum TrainingGraphKind
{
    /// <summary>Updates the parameters: one whole step.</summary>
    Step,

    /// <summary>Gives the gradients of the parameters as outputs.</summary>
    Gradients,

    /// <summary>Adds the gradients to sums kept outside: the first part of a step over several micro-batches.</summary>
    Accumulate,

    /// <summary>
    /// Updates the parameters by the sums of gradients: the last part of a step over several micro-batches. It has no
    /// forward pass.
    /// </summary>
    Apply,
}

/// <summary>Turns a model into training steps: forward pass, loss, gradients and optimiser in one ONNX graph.</summary>
/// <param name="model">The forward model; not changed.</param>
/// <param name="options">What a step does.</param>
public sealed class TrainingStepBuilder(OnnxModel model, TrainingOptions options)
{
    /// <summary>Whether graphs have kernels of our own where they are faster; else they are standard.</summary>
    internal bool HasKernels { get; init; }

    /// <summary>
    /// The training graph for one batch size, which is a constant of it: the last, smaller batch of an epoch needs its
    /// own.
    /// </summary>
    /// <param name="batchSize">Images of a batch, 1 or more.</param>
    /// <param name="kind">What the graph does with the gradients. Default a whole step.</param>
    /// <exception cref="GraphException">A parameter does not exist or has no influence, an operator between has no
    /// gradient, the logits are not [N, C], or a shape is not fixed.</exception>
    public TrainingGraph Build(int batchSize, TrainingGraphKind kind = TrainingGraphKind.Step) =>
        kind == TrainingGraphKind.Apply ? BuildApply() : BuildWithForward(batchSize, kind);

    /// <summary>All that lives from step to step, the same for every batch size.</summary>
    /// <exception cref="GraphException">A parameter does not exist.</exception>
    internal IReadOnlyList<StateTensor> State()
    {
        IReadOnlyList<NormalizedLayer> layers = [];
        if (options.BatchNormalization == BatchNormalizationMode.Training)
            BatchStatistics.Apply(ForwardMode.Inference(Forward()), options.Parameters, out layers);
        return
        [
            .. BuildApply().State.Where(s => s.Role != StateRole.Accumulator),
            .. layers.SelectMany(l => new[] { BatchStatistics.State(l.Mean), BatchStatistics.State(l.Variance) }),
        ];
    }

    private TrainingGraph BuildWithForward(int batchSize, TrainingGraphKind kind)
    {
        OnnxModel mode = Mode(
            batchSize,
            out IReadOnlyList<DropoutMask> masks,
            out IReadOnlyList<NormalizedLayer> layers
        );
        StaticGraph forward = Differentiator.Prepare(mode, options.Logits, options.Parameters, batchSize);
        ObjectiveTensors[] objectives = Tensors(forward, batchSize);
        Dictionary<string, TensorProto> parameters = Parameters();
        List<StateTensor> state = [];
        OnnxModel step = forward.Model.With(proto =>
        {
            GraphEmitter graph = new(proto.Graph, forward.Model.OpsetVersion())
            {
                Scope = "loss",
                HasKernels = HasKernels,
            };
            TensorProto[] frozen = [.. proto.Graph.Initializer.Where(i => !parameters.ContainsKey(i.Name))];
            proto.Graph.Initializer.Clear();
            proto.Graph.Initializer.AddRange(frozen);
            foreach (ObjectiveTensors each in objectives)
                proto.Graph.Input.Add(Differentiator.Float(graph.Reserve(each.Targets), batchSize, each.Columns));
            proto.Graph.Input.Add(Differentiator.Float(graph.Reserve(TrainingGraph.RowWeights), batchSize));
            IReadOnlyDictionary<string, string> gradients = BackwardPass.Append(
                forward,
                graph,
                LossGraph.Append(graph, options.Objectives, objectives),
                options.Parameters
            );
            state.AddRange(
                kind switch
                {
                    TrainingGraphKind.Step => new UpdateGraph(graph, proto.Graph.Input, options).Append(
                        parameters,
                        gradients
                    ),
                    TrainingGraphKind.Gradients => Read(
                        proto.Graph,
                        parameters,
                        Named(graph, gradients, proto.Graph.Output)
                    ),
                    _ => Read(proto.Graph, parameters, Accumulated(graph, gradients, parameters, proto.Graph.Input)),
                }
            );
            if (kind != TrainingGraphKind.Gradients)
                state.AddRange(BatchStatistics.Append(graph, proto.Graph.Input, layers, forward));
            Outputs(proto.Graph, state, kind == TrainingGraphKind.Step);
        });
        if (HasKernels)
            step = KernelLowering.Apply(
                step,
                state.Select(s => s.Input).ToHashSet(),
                new HashSet<string> { TrainingGraph.LearningRates, TrainingGraph.GradientNorm }
            );
        return new TrainingGraph(step, kind, batchSize, objectives, state, masks);
    }

    private TrainingGraph BuildApply()
    {
        Dictionary<string, TensorProto> parameters = Parameters();
        ModelProto proto = new()
        {
            IrVersion = 8,
            ProducerName = "MlNetTransfer",
            Graph = new GraphProto { Name = "apply" },
        };
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "", Version = Differentiator.LeastOpset });
        GraphEmitter graph = new(proto.Graph, Differentiator.LeastOpset);
        foreach (string name in options.Parameters)
            graph.Reserve(name);
        StateTensor[] sums =
        [
            .. options.Parameters.Select(p => Accumulator(parameters[p], graph.Reserve(AccumulatorOf(p)), null)),
        ];
        foreach (StateTensor sum in sums)
            proto.Graph.Input.Add(Differentiator.Float(sum.Input, sum.Shape));
        StateTensor[] state =
        [
            .. sums,
            .. new UpdateGraph(graph, proto.Graph.Input, options).Append(
                parameters,
                sums.ToDictionary(s => s.Owner, s => s.Input)
            ),
        ];
        foreach (StateTensor tensor in state.Where(s => s.Output is not null))
            proto.Graph.Output.Add(Differentiator.Float(tensor.Output!, tensor.Shape));
        proto.Graph.Output.Add(Differentiator.Float(TrainingGraph.GradientNorm, 1));
        return new TrainingGraph(new OnnxModel(proto), TrainingGraphKind.Apply, 0, [], state, []);
    }

    private OnnxModel Forward() =>
        OperatorSetUpgrade.To(GraphCut.At(model, options.Logits, typed: false), Differentiator.LeastOpset);

    private OnnxModel Mode(
        int batchSize,
        out IReadOnlyList<DropoutMask> masks,
        out IReadOnlyList<NormalizedLayer> layers
    )
    {
        OnnxModel forward = Forward();
        (masks, layers) = ([], []);
        if (options.Dropout)
            forward = ForwardMode.WithMasks(forward, batchSize, out masks);
        forward = ForwardMode.Inference(forward);
        return options.BatchNormalization == BatchNormalizationMode.Training
            ? BatchStatistics.Apply(forward, options.Parameters, out layers)
            : forward;
    }

    private ObjectiveTensors[] Tensors(StaticGraph forward, int batchSize) =>
        [
            .. options.Objectives.Select(
                (o, i) => new ObjectiveTensors(o.Logits, o.TargetsAt(i), Columns(forward, o.Logits, batchSize))
            ),
        ];

    private static int Columns(StaticGraph forward, string logits, int batchSize)
    {
        long[] shape = forward.Shape(logits);
        return shape.Length == 2 && shape[0] == batchSize
            ? (int)shape[1]
            : throw new GraphException(
                $"The logits '{logits}' are [{string.Join(", ", shape)}] for a batch of {batchSize}; a loss "
                    + $"needs [{batchSize}, columns]. Choose another tensor, or flatten it first."
            );
    }

    private Dictionary<string, TensorProto> Parameters()
    {
        Dictionary<string, TensorProto> all = model.Initializers.ToDictionary(i => i.Name);
        foreach (string name in options.Parameters)
            if (!all.ContainsKey(name))
                throw new GraphException(
                    $"The model has no initializer '{name}' to train. Near names: "
                        + $"{string.Join(", ", NearestNames.Of(name, all.Keys))}."
                );
        return options.Parameters.ToDictionary(n => n, n => all[n]);
    }

    private static string AccumulatorOf(string parameter) => $"sum_of_gradients/{parameter}";

    private static StateTensor Accumulator(TensorProto parameter, string input, string? output) =>
        new(StateRole.Accumulator, parameter.Name, input, output, [.. parameter.Dims], null);

    /// <summary>Gives the gradients their names as outputs.</summary>
    private StateTensor[] Named(
        GraphEmitter graph,
        IReadOnlyDictionary<string, string> gradients,
        RepeatedField<ValueInfoProto> outputs
    )
    {
        foreach (string name in options.Parameters)
        {
            string named = graph.Reserve($"gradient_of/{name}");
            graph.NodeNamed(named, "Identity", [gradients[name]]);
            outputs.Add(new ValueInfoProto { Name = named });
        }

        return [];
    }

    private StateTensor[] Accumulated(
        GraphEmitter graph,
        IReadOnlyDictionary<string, string> gradients,
        Dictionary<string, TensorProto> parameters,
        RepeatedField<ValueInfoProto> inputs
    )
    {
        StateTensor[] sums =
        [
            .. options.Parameters.Select(p =>
                Accumulator(parameters[p], graph.Reserve(AccumulatorOf(p)), graph.Reserve($"next/{AccumulatorOf(p)}"))
            ),
        ];
        foreach (StateTensor sum in sums)
        {
            inputs.Add(Differentiator.Float(sum.Input, sum.Shape));
            graph.NodeNamed(sum.Output!, "Add", [sum.Input, gradients[sum.Owner]]);
        }

        return sums;
    }

    /// <summary>The parameters as inputs that are only read, beside other state.</summary>
    private StateTensor[] Read(
        GraphProto graph,
        Dictionary<string, TensorProto> parameters,
        IReadOnlyList<StateTensor> others
    )
    {
        foreach (string name in options.Parameters)
            graph.Input.Add(Differentiator.Float(name, parameters[name].Dims));
        return
        [
            .. options.Parameters.Select(p => new StateTensor(
                StateRole.Parameter,
                p,
                p,
                null,
                [.. parameters[p].Dims],
                parameters[p]
            )),
            .. others,
        ];
    }

    private static void Outputs(GraphProto graph, IEnumerable<StateTensor> state, bool step)
    {
        graph.Output.Add(Differentiator.Float(TrainingGraph.Loss, 1));
        if (step)
            graph.Output.Add(Differentiator.Float(TrainingGraph.GradientNorm, 1));
        foreach (StateTensor tensor in state.Where(s => s.Output is not null))
            graph.Output.Add(Differentiator.Float(tensor.Output!, tensor.Shape));
    }
}
