using MlNetTransfer.Onnx;

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
