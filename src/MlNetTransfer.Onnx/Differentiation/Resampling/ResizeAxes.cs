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

/// <summary>How one axis is resized, as the ONNX operator Resize defines it.</summary>
/// <param name="Input">Elements of the input.</param>
/// <param name="Output">Elements of the output.</param>
/// <param name="Scale">Output over input; a stated scale need not be exactly that.</param>
/// <param name="Mode">nearest, linear or cubic.</param>
/// <param name="Coordinates">half_pixel, pytorch_half_pixel, align_corners, asymmetric or tf_half_pixel_for_nn.</param>
/// <param name="Rounding">Of nearest: round_prefer_floor, round_prefer_ceil, floor or ceil.</param>
/// <param name="Cubic">Coefficient a of the cubic kernel.</param>
/// <param name="ExcludeOutside">Whether cubic leaves out taps beyond the edges, instead of repeating the edges.</param>
internal sealed record ResizeAxis(
    long Input,
    long Output,
    float Scale,
    string Mode,
    string Coordinates,
    string Rounding,
    float Cubic,
    bool ExcludeOutside
)
{
    /// <summary>Whether the axis stays as it is.</summary>
    public bool IsIdentity => Input == Output && Scale == 1;

    /// <summary>Whether every element is repeated the same whole number of times.</summary>
    public bool Repeats =>
        IsIdentity
        || (
            Mode == "nearest"
            && Output % Input == 0
            && Enumerable.Range(0, (int)Output).All(j => Nearest(j) == j / (Output / Input))
        );

    /// <summary>M [outputs, inputs]: the weight of each input in each output.</summary>
    public float[] Matrix()
    {
        float[] matrix = new float[Output * Input];
        for (long j = 0; j < Output; j++)
            foreach ((long source, float weight) in Taps(j))
                matrix[j * Input + source] += weight;
        return matrix;
    }

    private (long Source, float Weight)[] Taps(long j) =>
        Mode switch
        {
            "nearest" => [(Nearest(j), 1)],
            "linear" => Linear(j),
            _ => CubicTaps(j),
        };

    private float Position(long j) =>
        Coordinates switch
        {
            "align_corners" => Output == 1 ? 0 : j * (Input - 1f) / (Output - 1f),
            "asymmetric" => j / Scale,
            "tf_half_pixel_for_nn" => (j + 0.5f) / Scale,
            "pytorch_half_pixel" when Output <= 1 => 0,
            _ => (j + 0.5f) / Scale - 0.5f,
        };

    private long Nearest(long j)
    {
        float at = Position(j);
        float rounded = Rounding switch
        {
            "floor" => MathF.Floor(at),
            "ceil" => MathF.Ceiling(at),
            "round_prefer_ceil" => MathF.Floor(at + 0.5f),
            _ => MathF.Ceiling(at - 0.5f),
        };
        return Math.Clamp((long)rounded, 0, Input - 1);
    }

    private (long, float)[] Linear(long j)
    {
        float at = Math.Clamp(Position(j), 0, Input - 1);
        long left = (long)at;
        float share = at - left;
        return [(left, 1 - share), (Math.Min(left + 1, Input - 1), share)];
    }

    /// <summary>Keys' kernel (1981) over four taps.</summary>
    private (long, float)[] CubicTaps(long j)
    {
        float at = Position(j);
        long left = (long)MathF.Floor(at);
        float t = at - left;
        (long Source, float Weight)[] taps =
        [
            (left - 1, Outer(1 + t)),
            (left, Inner(t)),
            (left + 1, Inner(1 - t)),
            (left + 2, Outer(2 - t)),
        ];
        if (!ExcludeOutside)
            return [.. taps.Select(p => (Math.Clamp(p.Source, 0, Input - 1), p.Weight))];
        (long, float Weight)[] inside = [.. taps.Where(p => p.Source >= 0 && p.Source < Input)];
        float sum = inside.Sum(p => p.Weight);
        return [.. inside.Select(p => (p.Item1, p.Weight / sum))];
    }

    private float Inner(float d) => ((Cubic + 2) * d - (Cubic + 3)) * d * d + 1;

    private float Outer(float d) => ((Cubic * d - 5 * Cubic) * d + 8 * Cubic) * d - 4 * Cubic;
}
