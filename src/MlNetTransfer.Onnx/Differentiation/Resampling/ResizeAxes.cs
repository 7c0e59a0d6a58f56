namespace MlNetTransfer.Onnx.Differentiation.Resampling;

/// <summary>Reads a Resize node: one <see cref="ResizeAxis"/> for each axis.</summary>
internal static class ResizeAxes
{
    /// <exception cref="GraphException">The node crops, filters or has a mode that is not known.</exception>
    public static ResizeAxis[] Of(BackwardNode node)
    {
        if (node.Int("antialias", 0) != 0)
            throw node.Unsupported("antialias");
        string mode = node.Text("mode", "nearest"),
            coordinates = node.Text("coordinate_transformation_mode", "half_pixel"),
            rounding = node.Text("nearest_mode", "round_prefer_floor");
        if (mode is not ("nearest" or "linear" or "cubic"))
            throw node.Unsupported($"mode '{mode}'");
        if (
            coordinates
            is not ("half_pixel" or "pytorch_half_pixel" or "align_corners" or "asymmetric" or "tf_half_pixel_for_nn")
        )
            throw node.Unsupported($"coordinate_transformation_mode '{coordinates}'");
        long[] x = node.InputShape(0),
            y = node.OutputShape();
        float?[] scales = Scales(node, x.Length);
        float cubic = node.Float("cubic_coeff_a", -0.75f);
        bool excludeOutside = node.Int("exclude_outside", 0) != 0;
        return
        [
            .. Enumerable
                .Range(0, x.Length)
                .Select(i => new ResizeAxis(
                    x[i],
                    y[i],
                    scales[i] ?? (float)y[i] / x[i],
                    mode,
                    coordinates,
                    rounding,
                    cubic,
                    excludeOutside
                )),
        ];
    }

    /// <summary>Scales that the node states; it may state sizes instead.</summary>
    private static float?[] Scales(BackwardNode node, int rank)
    {
        float?[] scales = new float?[rank];
        float[] given = node.ConstantFloats(2) ?? [];
        long[] axes = node.Ints("axes") ?? [.. Enumerable.Range(0, rank).Select(i => (long)i)];
        for (int i = 0; i < given.Length; i++)
            scales[axes[i] < 0 ? axes[i] + rank : axes[i]] = given[i];
        return scales;
    }
}
