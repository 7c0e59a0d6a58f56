namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>TensorFlow operators by name, and how each is written. To add an operator, add an entry.</summary>
internal static class OpConverters
{
    private static readonly Dictionary<string, Func<GraphNode, TfValue>> Known = new(StringComparer.Ordinal)
    {
        ["Conv2D"] = Conv,
        ["_FusedConv2D"] = Conv,
        ["DepthwiseConv2dNative"] = Depthwise,
        ["FusedDepthwiseConv2dNative"] = Depthwise,
        ["MatMul"] = MatMul,
        ["_FusedMatMul"] = MatMul,
        ["FusedBatchNorm"] = BatchNorm,
        ["FusedBatchNormV2"] = BatchNorm,
        ["FusedBatchNormV3"] = BatchNorm,
        ["BiasAdd"] = n => Binary(n, "Add"),
        ["Add"] = n => Binary(n, "Add"),
        ["AddV2"] = n => Binary(n, "Add"),
        ["Sub"] = n => Binary(n, "Sub"),
        ["Mul"] = n => Binary(n, "Mul"),
        ["RealDiv"] = n => Binary(n, "Div"),
        ["Div"] = n => Binary(n, "Div"),
        ["Maximum"] = n => Binary(n, "Max"),
        ["Minimum"] = n => Binary(n, "Min"),
        ["Relu"] = n => Activation(n, "relu"),
        ["Relu6"] = n => Activation(n, "relu6"),
        ["Elu"] = n => Activation(n, "elu"),
        ["Selu"] = n => Activation(n, "selu"),
        ["Sigmoid"] = n => Activation(n, "sigmoid"),
        ["Tanh"] = n => Activation(n, "tanh"),
        ["Softplus"] = n => Activation(n, "softplus"),
        ["Softmax"] = n => Activation(n, "softmax"),
        ["LeakyRelu"] = n => Activations.LeakyRelu(n.Graph, n.Input(0), n.Name, n.Number("alpha", 0.2)),
        ["MaxPool"] = n => Pool(n, Pooling.Max),
        ["AvgPool"] = n => Pool(n, Pooling.Average),
        ["Mean"] = n =>
            Shaping.Mean(n.Graph, n.Input(0), n.Constant(1).ToIntegers(), n.Flag("keep_dims", false), n.Name),
        ["Squeeze"] = n =>
            Shaping.Squeeze(
                n.Graph,
                n.Input(0),
                n.Integers("squeeze_dims") is { Count: > 0 } axes ? axes : n.Integers("axis"),
                n.Name
            ),
        ["Reshape"] = n => Shaping.Reshape(n.Graph, n.Input(0), n.Constant(1).ToIntegers(), n.Name),
        ["Transpose"] = n => Shaping.Transpose(n.Graph, n.Input(0), n.Constant(1).ToIntegers(), n.Name),
        ["ConcatV2"] = n =>
            Shaping.Concat(n.Graph, [.. n.Inputs.SkipLast(1)], n.Constant(n.Inputs.Count - 1).ToIntegers()[0], n.Name),
        ["Pad"] = Pad,
        ["PadV2"] = Pad,
        ["Identity"] = n => n.Graph.Alias(n.Name, n.Input(0)),
        ["StopGradient"] = n => n.Graph.Alias(n.Name, n.Input(0)),
    };

    public static TfValue Convert(GraphNode node) =>
        Known.TryGetValue(node.Op, out Func<GraphNode, TfValue>? convert)
            ? convert(node)
            : throw node.Wrong(
                "is an operator that cannot be imported yet",
                $"one of {string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}"
            );

    private static TfValue Conv(GraphNode node)
    {
        TfTensor kernel = node.Constant(1);
        (Window h, Window w) = node.Windows((kernel.Shape[0], kernel.Shape[1]));
        return Fused(node, (bias, name) => Convolutions.Conv(node.Graph, node.Input(0), kernel, bias, h, w, name));
    }

    private static TfValue Depthwise(GraphNode node)
    {
        TfTensor kernel = node.Constant(1);
        (Window h, Window w) = node.Windows((kernel.Shape[0], kernel.Shape[1]));
        return Fused(node, (bias, name) => Convolutions.Depthwise(node.Graph, node.Input(0), kernel, bias, h, w, name));
    }

    private static TfValue MatMul(GraphNode node)
    {
        if (node.Flag("transpose_a", false))
            throw node.Wrong("has transpose_a", "it without");
        TfTensor weights = node.Flag("transpose_b", false) ? node.Constant(1).Permute(1, 0) : node.Constant(1);
        return Fused(node, (bias, name) => Dense.MatMul(node.Graph, node.Input(0), weights, bias, name));
    }

    /// <summary>
    /// Writes a node with the operators fused into it: an optional BiasAdd, then an optional activation, which gets the
    /// node's name.
    /// </summary>
    private static TfValue Fused(GraphNode node, Func<TfTensor?, string, TfValue> write)
    {
        List<string> fused = [.. node.Texts("fused_ops")];
        TfTensor? bias = fused.Remove("BiasAdd") ? node.Constant(2) : null;
        if (fused.Count == 0)
            return write(bias, node.Name);
        TfValue linear = write(bias, node.Graph.Unique(node.Name + "/linear"));
        if (fused is ["LeakyRelu"])
            return Activations.LeakyRelu(node.Graph, linear, node.Name, node.Number("leakyrelu_alpha", 0.2));
        return fused is [string activation] && Activations.IsKnown(activation)
            ? Activations.Write(activation, node.Graph, linear, node.Name)
            : throw node.Wrong(
                $"has {string.Join(" and ", fused)} fused into it",
                $"at most BiasAdd and one of LeakyRelu, {Activations.KnownNames}"
            );
    }

    private static TfValue BatchNorm(GraphNode node)
    {
        node.RequireNhwc();
        if (node.Flag("is_training", true))
            throw node.Wrong("is in training mode", "a model exported for inference");
        return Dense.BatchNorm(
            node.Graph,
            node.Input(0),
            node.Constant(1),
            node.Constant(2),
            node.Constant(3),
            node.Constant(4),
            node.Number("epsilon", 1e-4),
            node.Name
        );
    }

    private static TfValue Binary(GraphNode node, string op) =>
        Elementwise.Write(op, node.Graph, node.Input(0), node.Input(1), node.Name);

    private static TfValue Activation(GraphNode node, string activation) =>
        Activations.Write(activation, node.Graph, node.Input(0), node.Name);

    private static TfValue Pool(GraphNode node, Func<TfGraphWriter, TfValue, Window, Window, string, TfValue> pool)
    {
        IReadOnlyList<long> size = node.Integers("ksize") is { Count: 4 } k
            ? k
            : throw node.Wrong("has no ksize of 4 values", "it");
        (Window h, Window w) = node.Windows((size[1], size[2]));
        return pool(node.Graph, node.Input(0), h, w, node.Name);
    }

    private static TfValue Pad(GraphNode node)
    {
        long[] pads = node.Constant(1).ToIntegers();
        if (pads.Length != 2 * node.Input(0).Rank || pads is not [0, 0, ..] || pads.Any(p => p < 0))
            throw node.Wrong(
                $"pads {node.Input(0).Rank} dimensions by [{string.Join(", ", pads)}]",
                "none before or after the batch, and two numbers from 0 up for every other dimension"
            );
        float value = node.Inputs.Count > 2 ? node.Constant(2).Values[0] : 0;
        return Shaping.Pad(node.Graph, node.Input(0), [.. pads.Chunk(2).Select(p => (p[0], p[1]))], value, node.Name);
    }
}
