using System.Globalization;
using MlNetTransfer.Onnx.Torch.Modules;

namespace MlNetTransfer.Onnx.Torch.Layers;

/// <summary>A size, stride, padding or dilation: height and width.</summary>
internal readonly record struct Pair(long Height, long Width)
{
    public static readonly Pair Zero = new(0, 0),
        One = new(1, 1);

    public bool IsSquare => Height == Width;

    /// <summary>As a list of TorchScript.</summary>
    public string List => FormattableString.Invariant($"[{Height}, {Width}]");

    /// <summary>As a tuple of C#.</summary>
    public string Tuple => FormattableString.Invariant($"({Height}, {Width})");

    public static Pair Of(IReadOnlyList<long> values) => new(values[0], values[1]);

    public SharpArgument Argument(string name, string role) =>
        new(name, Height.ToString(CultureInfo.InvariantCulture), role);
}
