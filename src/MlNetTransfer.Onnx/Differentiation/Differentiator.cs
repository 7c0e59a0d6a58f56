using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Differentiation;

/// <summary>
/// Differentiates ONNX graphs: the gradient is an ONNX graph again, of standard operators and com.microsoft's
/// FusedMatMul.
/// </summary>
public static class Differentiator
{
    /// <summary>
    /// Least version of ONNX's operator set that backward passes are written for: ScatterElements adds from 16 on.
    /// </summary>
    internal const int LeastOpset = 16;

    /// <summary>Operator types of ONNX's own set that can be differentiated, sorted.</summary>
    public static IReadOnlyList<string> Operators => OperatorGradients.Supported;

    /// <summary>
    /// The vector-Jacobian product of a model as a model: it has one more input, the gradient of
    /// <paramref name="output"/> (a tensor of the output's shape), and its outputs are <paramref name="output"/> and
    /// the gradient of each wanted tensor, of that tensor's shape.
    /// </summary>
    /// <param name="model">The model; not changed.</param>
    /// <param name="output">A tensor of the model, float32.</param>
    /// <param name="wanted">Names of float32 initializers or inputs, at least one.</param>
    /// <param name="batchSize">Size of every input's first dimension; it is fixed in the result.</param>
    /// <param name="outputGradient">Name of the new input.</param>
    /// <returns>The model, whose outputs are <paramref name="output"/> and <c>gradient_of/NAME</c> for each wanted
    /// NAME.</returns>
    /// <exception cref="GraphException">A name does not exist or is not float32, an operator between has no gradient,
    /// or a shape is not fixed.</exception>
    public static OnnxModel VectorJacobianProduct(
        OnnxModel model,
        string output,
        IReadOnlyList<string> wanted,
        int batchSize,
        string outputGradient = "output_gradient"
    )
    {
        StaticGraph forward = Prepare(model, [output], wanted, batchSize);
        return forward.Model.With(proto =>
        {
            GraphEmitter graph = new(proto.Graph, forward.Model.OpsetVersion());
            graph.Reserve(outputGradient);
            IReadOnlyDictionary<string, string> gradients = BackwardPass.Append(
                forward,
                graph,
                new Dictionary<string, string> { [output] = outputGradient },
                wanted
            );
            proto.Graph.Input.Add(Float(outputGradient, forward.Shape(output)));
            foreach (string name in wanted)
            {
                string named = graph.Reserve($"gradient_of/{name}");
                graph.NodeNamed(named, "Identity", [gradients[name]]);
                proto.Graph.Output.Add(Float(named, forward.Shape(name)));
            }
        });
    }

    /// <summary>
    /// The part of a model that computes the outputs, at a fixed batch size, ready for a backward pass.
    /// </summary>
    internal static StaticGraph Prepare(
        OnnxModel model,
        IReadOnlyList<string> outputs,
        IReadOnlyCollection<string> wanted,
        int batchSize
    )
    {
        OnnxModel raised = OperatorSetUpgrade
            .To(GraphCut.At(model, outputs, typed: false), LeastOpset)
            .WithOpset(1, "com.microsoft");
        CheckWanted(raised, wanted);
        OnnxModel fixedShapes = ShapeArithmetic.Fold(raised, batchSize, wanted);
        OnnxModel folded = FoldedBatchNormalization.Apply(
            fixedShapes,
            Dependence.Around(fixedShapes.TopologicalOrder(), wanted),
            outputs
        );
        StaticGraph forward = StaticGraph.Of(
            folded,
            batchSize,
            [.. Dependence.Around(folded.TopologicalOrder(), wanted), .. outputs]
        );
        if (outputs.FirstOrDefault(o => !forward.IsFloat(o)) is { } other)
            throw new GraphException($"Output '{other}' is not float32, so it has no gradient. Choose the logits.");
        return forward;
    }

    internal static ValueInfoProto Float(string name, params IEnumerable<long> shape) =>
        new TensorShape(TensorProto.Types.DataType.Float, [.. shape.Select(s => new Dimension(s))]).ToValueInfo(name);

    private static void CheckWanted(OnnxModel model, IReadOnlyCollection<string> wanted)
    {
        if (wanted.Count == 0)
            throw new GraphException("No tensor to differentiate by: name at least one initializer or input.");
        Dictionary<string, int> types = model.Initializers.ToDictionary(i => i.Name, i => i.DataType);
        foreach (ValueInfoProto input in model.Inputs)
            types[input.Name] = input.Type?.TensorType?.ElemType ?? 0;
        foreach (string name in wanted)
        {
            if (!types.TryGetValue(name, out int type))
                throw new GraphException(
                    $"The part of the model that computes the outputs has no initializer or input '{name}'. Near "
                        + $"names: {string.Join(", ", NearestNames.Of(name, types.Keys))}."
                );
            if (type != (int)TensorProto.Types.DataType.Float)
                throw new GraphException(
                    $"'{name}' is of type {(TensorProto.Types.DataType)type}; only float32 tensors have a gradient. "
                        + $"Convert the model to float32."
                );
        }
    }
}
