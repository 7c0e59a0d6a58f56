using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Features;

/// <summary>
/// Cuts a backbone at one tap or several and pools each: image [N, 3, H, W] to <see cref="Output"/> [N × width].
/// </summary>
public static class FeatureGraph
{
    /// <summary>Name of the graph's only output.</summary>
    public const string Output = "features";

    /// <summary>
    /// What convolutional networks are made of. Every one of them computes an image's numbers in the same order
    /// whatever runs beside it; a matrix product may not.
    /// </summary>
    private static readonly HashSet<string> EachImageByItself =
    [
        "Add",
        "AveragePool",
        "BatchNormalization",
        "Cast",
        "Clip",
        "Concat",
        "Constant",
        "Conv",
        "Div",
        "Dropout",
        "Elu",
        "Flatten",
        "GlobalAveragePool",
        "GlobalMaxPool",
        "HardSigmoid",
        "HardSwish",
        "Identity",
        "LeakyRelu",
        "LRN",
        "MaxPool",
        "Mul",
        "Pad",
        "PRelu",
        "Relu",
        "Selu",
        "Sigmoid",
        "Slice",
        "Softplus",
        "Split",
        "Sub",
        "Tanh",
    ];

    // Weights beyond this share of the usual processor's cache are read from memory at every run: 64 MB of resnet18
    // gained 8 % by four images a run, 14 MB of mobilenet_v2 lost 5 %.
    private const long WeightsOfALargeNetwork = 32 << 20;

    /// <summary>
    /// How many images a worker on a CPU runs together: 4 where that pays and the features are the same bits either
    /// way, else 1.
    /// </summary>
    /// <param name="features">The graph.</param>
    internal static int ItemsPerRun(OnnxModel features) =>
        features.WeightBytes > WeightsOfALargeNetwork
        && features.Nodes.All(node => node.Domain.Length == 0 && EachImageByItself.Contains(node.OpType))
            ? 4
            : 1;

    /// <summary>Builds the graph and opens it, a few images a run where that pays.</summary>
    /// <param name="backbone">The whole backbone; not changed.</param>
    /// <param name="tensors">The tensors to tap.</param>
    /// <param name="encoder">What turns content into the backbone's input.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <returns>The graph's bytes, and the graph.</returns>
    internal static (byte[] Onnx, ItemGraph Graph) Open(
        OnnxModel backbone,
        IReadOnlyList<string> tensors,
        ContentEncoder encoder,
        ImageLimits? limits,
        ExecutionPlan? plan
    )
    {
        OnnxModel features = Build(backbone, tensors);
        byte[] onnx = features.ToBytes();
        return (onnx, new ItemGraph(onnx, Output, encoder, limits, plan, ItemsPerRun(features)));
    }

    /// <summary>Builds the graph.</summary>
    /// <param name="backbone">The whole backbone; not changed.</param>
    /// <param name="tensors">The tensors to tap: maps [N, width, h, w], averaged over their positions, or rows [N,
    /// width]; side by side in this order. Half and double precision become float32 first.</param>
    /// <exception cref="TransferException">A tensor is neither a map nor a row.</exception>
    /// <exception cref="GraphException">A tensor does not exist.</exception>
    public static OnnxModel Build(OnnxModel backbone, params IReadOnlyList<string> tensors)
    {
        (OnnxModel model, string renamed) = backbone.CutAt(tensors).WithFreeName(Output);
        (List<NodeProto> nodes, List<string> rows) = Pooled(
            backbone,
            model,
            tensors,
            tap => tap == Output ? renamed : tap
        );
        nodes.Add(
            rows.Count == 1
                ? new NodeProto
                {
                    OpType = "Identity",
                    Name = Output,
                    Input = { rows[0] },
                    Output = { Output },
                }
                : new NodeProto
                {
                    OpType = "Concat",
                    Name = Output,
                    Input = { rows },
                    Output = { Output },
                    Attribute = { Attributes.Of("axis", 1) },
                }
        );
        return model.Append(nodes).CutAt(Output);
    }

    /// <summary>Nodes that make a row [N × width] of each tensor.</summary>
    /// <param name="backbone">The whole backbone, which knows the shapes.</param>
    /// <param name="model">What the nodes are for.</param>
    /// <param name="tensors">The tensors to tap.</param>
    /// <param name="nameOf">What a tensor is called in the model.</param>
    /// <returns>The nodes, and the names of the rows.</returns>
    /// <exception cref="TransferException">A tensor is neither a map nor a row.</exception>
    internal static (List<NodeProto> Nodes, List<string> Rows) Pooled(
        OnnxModel backbone,
        OnnxModel model,
        IReadOnlyList<string> tensors,
        Func<string, string> nameOf
    )
    {
        IReadOnlyDictionary<string, TensorShape> shapes = TensorShapes.Of(backbone, tensors);
        var nodes = new List<NodeProto>();
        var rows = new List<string>();
        foreach (string tap in tensors)
        {
            string tensor = nameOf(tap);
            if (shapes[tap].Rank is not (2 or 4))
                throw new TransferException(
                    $"Tensor '{tap}' is {shapes[tap]}; a tap must be a map [N, channels, height, width] or a row "
                        + $"[N, width]. Choose another tensor."
                );
            if (shapes[tap].ElementType is DataType.Float16 or DataType.Double)
            {
                string single = model.UniqueName($"single_{rows.Count}");
                nodes.Add(
                    new NodeProto
                    {
                        OpType = "Cast",
                        Name = single,
                        Input = { tensor },
                        Output = { single },
                        Attribute = { Attributes.Of("to", (long)DataType.Float) },
                    }
                );
                tensor = single;
            }

            if (shapes[tap].Rank == 4)
            {
                string pooled = model.UniqueName($"pooled_{rows.Count}"),
                    flat = model.UniqueName($"flat_{rows.Count}");
                nodes.Add(
                    new NodeProto
                    {
                        OpType = "GlobalAveragePool",
                        Name = pooled,
                        Input = { tensor },
                        Output = { pooled },
                    }
                );
                nodes.Add(
                    new NodeProto
                    {
                        OpType = "Flatten",
                        Name = flat,
                        Input = { pooled },
                        Output = { flat },
                        Attribute = { Attributes.Of("axis", 1) },
                    }
                );
                tensor = flat;
            }

            rows.Add(tensor);
        }

        return (nodes, rows);
    }

    /// <summary>
    /// Frees a name that a new node wants, by renaming the tensor that has it; gives that tensor's new name, or the
    /// free name itself.
    /// </summary>
    internal static (OnnxModel Model, string Renamed) WithFreeName(this OnnxModel model, string name)
    {
        string other = model.UniqueName(name);
        return (other == name ? model : model.RenameTensor(name, other), other);
    }
}
