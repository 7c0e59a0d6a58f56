using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Quantization;

/// <summary>A model made ready to be quantised: simplified, with the layers that can run on bytes. Immutable.</summary>
public sealed class QuantizableGraph
{
    /// <summary>Scales for each channel need this operator set.</summary>
    private const int LeastOpset = 13;

    private readonly LayerNode[] layers;

    private QuantizableGraph(OnnxModel model, LayerNode[] layers)
    {
        (Model, this.layers) = (model, layers);
        Layers =
        [
            .. layers.Select(l => new QuantizableLayer(
                l.Node.Name,
                l.Node.OpType,
                l.Weights.Dims.Aggregate(1L, (a, b) => a * b)
            )),
        ];
        Activations = new QuantizationPlan(model.Proto.Graph, layers).Tensors;
    }

    /// <summary>The model in float, simplified; same inputs, outputs and metadata.</summary>
    public OnnxModel Model { get; }

    /// <summary>The layers that can run on bytes, from the input to the outputs.</summary>
    public IReadOnlyList<QuantizableLayer> Layers { get; }

    /// <summary>Tensors whose ranges <see cref="Quantize"/> needs.</summary>
    public IReadOnlyList<string> Activations { get; }

    /// <summary>
    /// Makes a model ready: folds constants, batch normalisation and padding, and raises the operator set to 13 where
    /// it is lower.
    /// </summary>
    /// <param name="model">The model; not changed.</param>
    /// <exception cref="GraphException">ONNX Runtime cannot load the model, or it has no layer that can run on
    /// bytes.</exception>
    public static QuantizableGraph Of(OnnxModel model)
    {
        OnnxModel optimized = WithNames(OptimizedGraph.Of(model, LeastOpset));
        Dictionary<string, TensorProto> constants = optimized.Initializers.ToDictionary(i => i.Name);
        LayerNode[] layers = [.. optimized.Nodes.Select(n => LayerNode.Of(n, constants)).OfType<LayerNode>()];
        return layers.Length > 0
            ? new QuantizableGraph(optimized, layers)
            : throw new GraphException(
                "The model has no Conv, Gemm or MatMul with constant float32 weights, so there is nothing to "
                    + "quantise. Is it quantised or in half precision already? Give the float32 model."
            );
    }

    /// <summary>
    /// The model with layers on bytes: QuantizeLinear and DequantizeLinear around them, weights in signed bytes by
    /// channel, activations in unsigned bytes, biases in int32.
    /// </summary>
    /// <param name="ranges">Range of each of <see cref="Activations"/>.</param>
    /// <param name="inFloat">Names of layers to leave in float; null for none.</param>
    /// <param name="bits">How much of a byte the weights use.</param>
    /// <returns>The model; same inputs, outputs and metadata.</returns>
    /// <exception cref="GraphException">A layer does not exist, or a range is missing or not finite.</exception>
    public OnnxModel Quantize(
        IReadOnlyDictionary<string, ValueRange> ranges,
        IReadOnlySet<string>? inFloat = null,
        WeightBits bits = WeightBits.Eight
    )
    {
        HashSet<string> known = [.. Layers.Select(l => l.Name)];
        if (inFloat?.FirstOrDefault(n => !known.Contains(n)) is { } missing)
            throw new GraphException(
                $"The model has no layer '{missing}' that could be left in float. Near names: "
                    + $"{string.Join(", ", NearestNames.Of(missing, known))}."
            );
        LayerNode[] chosen = [.. layers.Where(l => inFloat?.Contains(l.Node.Name) is not true)];
        var plan = new QuantizationPlan(Model.Proto.Graph, chosen);
        return new QuantizedGraphWriter(Model, plan, ranges, bits).Write(chosen);
    }

    /// <summary>Layers are called by their nodes' names, so each needs one of its own.</summary>
    private static OnnxModel WithNames(OnnxModel model) =>
        model.With(proto =>
        {
            NodeProto[] sorted = [.. NodeOrder.Sort(proto.Graph.Node).Select(n => n.Clone())];
            HashSet<string> taken = [];
            foreach (NodeProto node in sorted)
                taken.Add(node.Name = NameAllocator.First(node.Name.Length > 0 ? node.Name : node.Output[0], taken));
            proto.Graph.Node.Clear();
            proto.Graph.Node.AddRange(sorted);
        });
}
