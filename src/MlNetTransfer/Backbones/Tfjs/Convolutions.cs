using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Tfjs;

/// <summary>Convolutions over images. Kernels are reordered for ONNX once, at the import.</summary>
internal static class Convolutions
{
    /// <summary>Ordinary convolution.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Images.</param>
    /// <param name="kernel">HWIO; becomes OIHW. Fewer input channels than the images have means groups.</param>
    /// <param name="bias">[O], or null.</param>
    /// <param name="h">Window along the height.</param>
    /// <param name="w">Window along the width.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue Conv(
        TfGraphWriter graph,
        TfValue x,
        TfTensor kernel,
        TfTensor? bias,
        Window h,
        Window w,
        string name
    )
    {
        CheckRank(kernel, name);
        long groups = x.Channels / kernel.Shape[2];
        if (groups * kernel.Shape[2] != x.Channels)
            throw new TfjsException(
                $"'{name}': the images have {x.Channels} channels; the kernel [{string.Join(", ", kernel.Shape)}] "
                    + $"takes {kernel.Shape[2]}."
            );
        return Write(graph, x, kernel.Permute(3, 2, 0, 1), bias, groups, h, w, name);
    }

    /// <summary>Depthwise convolution with a multiplier of M.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Images of C channels.</param>
    /// <param name="kernel">HWCM; becomes (C·M, 1, H, W) with C groups: output channel c·M + m comes from input channel
    /// c.</param>
    /// <param name="bias">[C·M], or null.</param>
    /// <param name="h">Window along the height.</param>
    /// <param name="w">Window along the width.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue Depthwise(
        TfGraphWriter graph,
        TfValue x,
        TfTensor kernel,
        TfTensor? bias,
        Window h,
        Window w,
        string name
    )
    {
        CheckRank(kernel, name);
        if (kernel.Shape[2] != x.Channels)
            throw new TfjsException(
                $"'{name}': the images have {x.Channels} channels; the depthwise kernel "
                    + $"[{string.Join(", ", kernel.Shape)}] takes {kernel.Shape[2]}."
            );
        TfTensor weights = kernel.Permute(2, 3, 0, 1);
        return Write(
            graph,
            x,
            weights.Reshape(weights.Shape[0] * weights.Shape[1], 1, weights.Shape[2], weights.Shape[3]),
            bias,
            x.Channels,
            h,
            w,
            name
        );
    }

    private static TfValue Write(
        TfGraphWriter graph,
        TfValue x,
        TfTensor weights,
        TfTensor? bias,
        long groups,
        Window h,
        Window w,
        string name
    )
    {
        TfValue images = graph.Images(x);
        long channels = weights.Shape[0];
        if (bias is not null && bias.Values.Length != channels)
            throw new TfjsException($"'{name}' has {channels} output channels and {bias.Values.Length} biases.");
        string[] inputs =
        [
            images.Name,
            graph.Constant(weights),
            .. bias is null ? Array.Empty<string>() : [graph.Constant(bias)],
        ];
        TfValue output = images with
        {
            Name = name,
            Shape = [x.Shape[0], h.OutputSize(x.Size.Height), w.OutputSize(x.Size.Width), channels],
        };
        return graph.Node(
            "Conv",
            output,
            inputs,
            [.. Window.Attributes(h, w, dilations: true), Attributes.Of("group", groups)]
        );
    }

    private static void CheckRank(TfTensor kernel, string name)
    {
        if (kernel.Shape.Count != 4)
            throw new TfjsException(
                $"'{name}': the kernel '{kernel.Name}' has shape [{string.Join(", ", kernel.Shape)}]; a 2-D "
                    + $"convolution needs 4 dimensions."
            );
    }
}

/// <summary>Pooling over images.</summary>
internal static class Pooling
{
    /// <summary>Maximum over windows; padding never wins.</summary>
    public static TfValue Max(TfGraphWriter graph, TfValue x, Window h, Window w, string name) =>
        Write("MaxPool", graph, x, h, w, name);

    /// <summary>Mean over windows; padding is left out of the mean, as TensorFlow does.</summary>
    public static TfValue Average(TfGraphWriter graph, TfValue x, Window h, Window w, string name) =>
        Write("AveragePool", graph, x, h, w, name);

    /// <summary>Mean or maximum over height and width: [N, H, W, C] to [N, C].</summary>
    public static TfValue Global(TfGraphWriter graph, TfValue x, bool max, string name)
    {
        TfValue images = graph.Images(x);
        TfValue pooled = graph.Node(
            max ? "GlobalMaxPool" : "GlobalAveragePool",
            images with
            {
                Name = graph.Unique(name + "/pool"),
                Shape = [x.Shape[0], 1, 1, x.Channels],
            },
            [images.Name]
        );
        return graph.Node("Flatten", new TfValue(name, [x.Shape[0], x.Channels], ChannelsFirst: false), [pooled.Name]);
    }

    private static TfValue Write(string op, TfGraphWriter graph, TfValue x, Window h, Window w, string name)
    {
        TfValue images = graph.Images(x);
        TfValue output = images with
        {
            Name = name,
            Shape = [x.Shape[0], h.OutputSize(x.Size.Height), w.OutputSize(x.Size.Width), x.Channels],
        };
        return graph.Node(op, output, [images.Name], Window.Attributes(h, w, dilations: false));
    }
}

/// <summary>A sliding window along one axis: kernel, stride, dilation and zero padding, in elements.</summary>
internal readonly record struct Window(long Kernel, long Stride, long Dilation, long PadBefore, long PadAfter)
{
    /// <summary>
    /// TensorFlow's rules: VALID pads nothing; SAME makes ceil(input / stride) outputs and puts the odd element of
    /// padding after (SAME_UPPER in ONNX), so it is asymmetric at stride 2.
    /// </summary>
    /// <param name="same">SAME, else VALID.</param>
    /// <param name="input">Size of the input along the axis.</param>
    /// <param name="kernel">Size of the kernel, not dilated.</param>
    /// <param name="stride">Stride.</param>
    /// <param name="dilation">Dilation.</param>
    public static Window Of(bool same, long input, long kernel, long stride, long dilation = 1)
    {
        if (kernel < 1 || stride < 1 || dilation < 1)
            throw new TfjsException(
                $"A window has kernel {kernel}, stride {stride} and dilation {dilation}; each must be at least 1."
            );
        long outputs = (input + stride - 1) / stride;
        long pad = same ? Math.Max(0, (outputs - 1) * stride + (kernel - 1) * dilation + 1 - input) : 0;
        return new Window(kernel, stride, dilation, pad / 2, pad - pad / 2);
    }

    public long OutputSize(long input) => (input + PadBefore + PadAfter - (Kernel - 1) * Dilation - 1) / Stride + 1;

    public static List<AttributeProto> Attributes(Window h, Window w, bool dilations) =>
        [
            MlNetTransfer.Onnx.Attributes.Of("kernel_shape", [h.Kernel, w.Kernel]),
            MlNetTransfer.Onnx.Attributes.Of("strides", [h.Stride, w.Stride]),
            MlNetTransfer.Onnx.Attributes.Of("pads", [h.PadBefore, w.PadBefore, h.PadAfter, w.PadAfter]),
            .. dilations
                ? [MlNetTransfer.Onnx.Attributes.Of("dilations", [h.Dilation, w.Dilation])]
                : Array.Empty<AttributeProto>(),
        ];
}

/// <summary>Matrix products and batch normalisation: what has weights besides convolutions.</summary>
internal static class Dense
{
    /// <summary>x · W + b over the last axis.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="x">Values [N, ..., inputs].</param>
    /// <param name="weights">[inputs, outputs].</param>
    /// <param name="bias">[outputs], or null.</param>
    /// <param name="name">Name of the output.</param>
    public static TfValue MatMul(TfGraphWriter graph, TfValue x, TfTensor weights, TfTensor? bias, string name)
    {
        if (weights.Shape.Count != 2 || weights.Shape[0] != x.Shape[^1])
            throw new TfjsException(
                $"'{name}': the weights '{weights.Name}' have shape [{string.Join(", ", weights.Shape)}]; expected "
                    + $"[{x.Shape[^1]}, outputs]."
            );
        TfValue source = graph.InOrder(x);
        TfValue output = new(name, [.. x.Shape.SkipLast(1), weights.Shape[1]], ChannelsFirst: false);
        string[] inputs = [source.Name, graph.Constant(weights)];
        if (x.Rank == 2)
            return graph.Node("Gemm", output, bias is null ? inputs : [.. inputs, graph.Constant(bias)]);
        if (bias is null)
            return graph.Node("MatMul", output, inputs);
        TfValue product = graph.Node("MatMul", output with { Name = graph.Unique(name + "/matmul") }, inputs);
        return graph.Node("Add", output, [product.Name, graph.Constant(bias)]);
    }

    /// <summary>
    /// γ (x - mean) / √(variance + ε) + β over the last axis (Ioffe and Szegedy 2015). Missing γ is 1, missing β is 0.
    /// Quantised variances may be exactly 0, so ε is taken as the model states it.
    /// </summary>
    public static TfValue BatchNorm(
        TfGraphWriter graph,
        TfValue x,
        TfTensor? gamma,
        TfTensor? beta,
        TfTensor mean,
        TfTensor variance,
        double epsilon,
        string name
    )
    {
        TfValue source = x.Rank == 4 ? graph.Images(x) : x;
        if (x.Rank is not (2 or 4))
            throw new TfjsException(
                $"'{name}': batch normalisation of {x.Rank} dimensions is not known; expected images or feature "
                    + $"vectors."
            );
        string[] inputs =
        [
            source.Name,
            graph.Constant(gamma ?? Filled(name + "/gamma", 1, mean)),
            graph.Constant(beta ?? Filled(name + "/beta", 0, mean)),
            graph.Constant(mean),
            graph.Constant(variance),
        ];
        return graph.Node(
            "BatchNormalization",
            source with
            {
                Name = name,
            },
            inputs,
            Attributes.Of("epsilon", (float)epsilon)
        );
    }

    private static TfTensor Filled(string name, float value, TfTensor like) =>
        new(name, like.Shape, [.. Enumerable.Repeat(value, like.Values.Length)]);
}
