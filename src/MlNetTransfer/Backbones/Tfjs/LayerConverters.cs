using System.Text.Json;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Keras layers by class name, and how each is written. To add a layer, add an entry.</summary>
internal static class LayerConverters
{
    private static readonly Dictionary<string, Func<LayerConfig, TfValue>> Known = new(StringComparer.Ordinal)
    {
        ["Conv2D"] = Conv,
        ["DepthwiseConv2D"] = Depthwise,
        ["SeparableConv2D"] = Separable,
        ["Dense"] = l => l.Activated(name => Dense.MatMul(l.Graph, l.Input, l.Weight("kernel"), l.Bias(), name)),
        ["BatchNormalization"] = BatchNorm,
        ["BatchNormalizationV1"] = BatchNorm,
        ["Activation"] = l => l.Activated(name => l.Graph.Alias(name, l.Input)),
        ["ReLU"] = Relu,
        ["LeakyReLU"] = l =>
            Activations.LeakyRelu(
                l.Graph,
                l.Input,
                l.Name,
                l.OptionalNumber("alpha") ?? l.Number("negative_slope", 0.3)
            ),
        ["Softmax"] = l => Activations.Write("softmax", l.Graph, l.Input, l.Name),
        ["MaxPooling2D"] = l => Pool(l, Pooling.Max),
        ["AveragePooling2D"] = l => Pool(l, Pooling.Average),
        ["GlobalAveragePooling2D"] = l => Pooling.Global(l.Graph, l.Input, max: false, l.Name),
        ["GlobalMaxPooling2D"] = l => Pooling.Global(l.Graph, l.Input, max: true, l.Name),
        ["ZeroPadding2D"] = Pad,
        ["Add"] = l => Fold(l, "Add"),
        ["Multiply"] = l => Fold(l, "Mul"),
        ["Maximum"] = l => Fold(l, "Max"),
        ["Concatenate"] = l => Shaping.Concat(l.Graph, l.Inputs, (long)l.Number("axis", -1), l.Name),
        ["Flatten"] = l =>
            Shaping.Reshape(l.Graph, l.Input, [-1, l.Input.Shape.Skip(1).Aggregate(1L, (a, b) => a * b)], l.Name),
        ["Reshape"] = l =>
            Shaping.Reshape(
                l.Graph,
                l.Input,
                [
                    -1,
                    .. l
                        .Config.GetProperty("target_shape")
                        .EnumerateArray()
                        .Select(d => d.ValueKind == JsonValueKind.Null ? -1 : d.GetInt64()),
                ],
                l.Name
            ),
        ["Dropout"] = l => l.Graph.Alias(l.Name, l.Input),
        ["SpatialDropout2D"] = l => l.Graph.Alias(l.Name, l.Input),
        ["GaussianNoise"] = l => l.Graph.Alias(l.Name, l.Input),
    };

    public static TfValue Convert(LayerConfig layer) =>
        Known.TryGetValue(layer.ClassName, out Func<LayerConfig, TfValue>? convert)
            ? convert(layer)
            : throw layer.Wrong(
                "is of a class that cannot be imported yet",
                $"one of {string.Join(", ", Known.Keys.Order(StringComparer.Ordinal))}"
            );

    private static TfValue Conv(LayerConfig layer)
    {
        TfTensor kernel = layer.Weight("kernel");
        (Window h, Window w) = layer.Windows((kernel.Shape[0], kernel.Shape[1]), (1, 1));
        return layer.Activated(name => Convolutions.Conv(layer.Graph, layer.Input, kernel, layer.Bias(), h, w, name));
    }

    private static TfValue Depthwise(LayerConfig layer)
    {
        TfTensor kernel = layer.OptionalWeight("depthwise_kernel") ?? layer.Weight("kernel");
        (Window h, Window w) = layer.Windows((kernel.Shape[0], kernel.Shape[1]), (1, 1));
        return layer.Activated(name =>
            Convolutions.Depthwise(layer.Graph, layer.Input, kernel, layer.Bias(), h, w, name)
        );
    }

    private static TfValue Separable(LayerConfig layer)
    {
        TfTensor kernel = layer.Weight("depthwise_kernel");
        (Window h, Window w) = layer.Windows((kernel.Shape[0], kernel.Shape[1]), (1, 1));
        TfValue depthwise = Convolutions.Depthwise(
            layer.Graph,
            layer.Input,
            kernel,
            null,
            h,
            w,
            layer.Graph.Unique(layer.Name + "/depthwise")
        );
        Window point = new(1, 1, 1, 0, 0);
        return layer.Activated(name =>
            Convolutions.Conv(
                layer.Graph,
                depthwise,
                layer.Weight("pointwise_kernel"),
                layer.Bias(),
                point,
                point,
                name
            )
        );
    }

    private static TfValue BatchNorm(LayerConfig layer)
    {
        long axis = layer.Config.TryGetProperty("axis", out JsonElement value)
            ? (value.ValueKind == JsonValueKind.Array ? value[0] : value).GetInt64()
            : -1;
        if (axis != -1 && axis != layer.Input.Rank - 1)
            throw layer.Wrong($"normalises axis {axis}", "the last");
        TfTensor? gamma = layer.Flag("scale", true) ? layer.Weight("gamma") : null;
        TfTensor? beta = layer.Flag("center", true) ? layer.Weight("beta") : null;
        return Dense.BatchNorm(
            layer.Graph,
            layer.Input,
            gamma,
            beta,
            layer.Weight("moving_mean"),
            layer.Weight("moving_variance"),
            layer.Number("epsilon", 1e-3),
            layer.Name
        );
    }

    private static TfValue Relu(LayerConfig layer)
    {
        if (layer.Number("threshold", 0) is var threshold and not 0)
            throw layer.Wrong($"has threshold {threshold}", "0");
        double? limit = layer.OptionalNumber("max_value");
        double slope = layer.Number("negative_slope", 0);
        if (slope != 0 && limit is not null)
            throw layer.Wrong($"has negative_slope {slope} and max_value {limit}", "one of them");
        return slope != 0 ? Activations.LeakyRelu(layer.Graph, layer.Input, layer.Name, slope)
            : limit is { } max ? Activations.Clip(layer.Graph, layer.Input, layer.Name, 0, (float)max)
            : Activations.Write("relu", layer.Graph, layer.Input, layer.Name);
    }

    private static TfValue Pool(LayerConfig layer, Func<TfGraphWriter, TfValue, Window, Window, string, TfValue> pool)
    {
        (long Height, long Width) size = layer.OptionalPair("pool_size") ?? (2, 2);
        (Window h, Window w) = layer.Windows(size, size);
        return pool(layer.Graph, layer.Input, h, w, layer.Name);
    }

    private static TfValue Pad(LayerConfig layer)
    {
        layer.RequireChannelsLast();
        JsonElement padding = layer.Config.GetProperty("padding");
        (long, long) Side(int side) =>
            padding.ValueKind == JsonValueKind.Number ? (padding.GetInt64(), padding.GetInt64())
            : padding[side].ValueKind == JsonValueKind.Number ? (padding[side].GetInt64(), padding[side].GetInt64())
            : (padding[side][0].GetInt64(), padding[side][1].GetInt64());
        return Shaping.Pad(layer.Graph, layer.Input, Side(0), Side(1), 0, layer.Name);
    }

    private static TfValue Fold(LayerConfig layer, string op)
    {
        if (layer.Inputs.Count < 2)
            throw layer.Wrong($"takes {layer.Inputs.Count} input", "two or more");
        TfValue result = layer.Inputs[0];
        for (int i = 1; i < layer.Inputs.Count; i++)
            result = Elementwise.Write(
                op,
                layer.Graph,
                result,
                layer.Inputs[i],
                i == layer.Inputs.Count - 1 ? layer.Name : layer.Graph.Unique($"{layer.Name}/{i}")
            );
        return result;
    }
}
