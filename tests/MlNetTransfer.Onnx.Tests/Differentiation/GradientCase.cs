using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Onnx.Tests.Differentiation;

/// <summary>One form of an operator (or a small graph), and the same in PyTorch.</summary>
/// <param name="Name">Name of the case in messages; it also seeds the random values.</param>
/// <param name="Model">The graph; its one output is called y.</param>
/// <param name="Torch">A Python expression of y over the names of inputs and initializers, which are float64 tensors;
/// torch, F and np are there.</param>
internal sealed record GradientCase(string Name, OnnxModel Model, string Torch)
{
    /// <summary>Input and initializer shapes by name.</summary>
    public required IReadOnlyList<(string Name, long[] Shape)> Tensors { get; init; }

    /// <summary>Values of chosen inputs; others are drawn from a normal distribution.</summary>
    public IReadOnlyDictionary<string, float[]> Values { get; init; } = new Dictionary<string, float[]>();

    /// <summary>Tensors to differentiate by; by default all of <see cref="Tensors"/>.</summary>
    public IReadOnlyList<string>? Wanted { get; init; }

    /// <summary>
    /// Largest error of a gradient, relative to the largest gradient of its tensor. Float32 has 2⁻²⁴; sums over a few
    /// hundred terms lose some digits.
    /// </summary>
    public double Tolerance { get; init; } = 2e-5;

    /// <summary>
    /// Whether central differences are compared too; not where the graph has a jump or a kink near the values.
    /// </summary>
    public bool Differences { get; init; } = true;

    /// <summary>Batch size: the first size of the first tensor.</summary>
    public int BatchSize => (int)Tensors[0].Shape[0];

    /// <summary>A graph of one node.</summary>
    /// <param name="name">Name of the case.</param>
    /// <param name="operatorType">Operator.</param>
    /// <param name="torch">The same in Python.</param>
    /// <param name="inputs">Inputs of the node, as <c>"x:2,3,8,8"</c>; those called x, x1, x2 ... are inputs of the
    /// graph and share the batch size, others are initializers with random values. An empty one is left out.</param>
    /// <param name="attributes">Attributes of the node.</param>
    public static GradientCase Node(
        string name,
        string operatorType,
        string torch,
        string[] inputs,
        params AttributeProto[] attributes
    )
    {
        (string Name, long[] Shape)[] tensors = [.. inputs.Where(i => i.Length > 0).Select(Parse)];
        GraphBuilder builder = Declare(name, tensors);
        builder.Node(operatorType, [.. inputs.Select(i => i.Split(':')[0])], ["y"], attributes);
        return new GradientCase(name, builder.Output("y", []).Build(), torch) { Tensors = tensors };
    }

    /// <summary>A graph of several nodes.</summary>
    /// <param name="name">Name of the case.</param>
    /// <param name="torch">The same in Python.</param>
    /// <param name="inputs">Tensors as for <see cref="Node"/>.</param>
    /// <param name="build">Adds the nodes; the last output is y.</param>
    /// <param name="opset">Operator set of the graph.</param>
    public static GradientCase Graph(
        string name,
        string torch,
        string[] inputs,
        Action<GraphBuilder> build,
        int opset = 17
    )
    {
        (string Name, long[] Shape)[] tensors = [.. inputs.Select(Parse)];
        GraphBuilder builder = Declare(name, tensors);
        build(builder);
        return new GradientCase(name, builder.Output("y", []).Build(opset), torch) { Tensors = tensors };
    }

    /// <summary>Values of a tensor: given ones, or normal ones that depend on the names alone.</summary>
    public float[] ValuesOf(string tensor, long[] shape) =>
        Values.TryGetValue(tensor, out float[]? given) ? given : Draw($"{Name}/{tensor}", shape);

    /// <summary>Normal values (Box and Muller) that depend on the key alone.</summary>
    public static float[] Draw(string key, IEnumerable<long> shape)
    {
        Random random = new(key.Aggregate(17, (hash, c) => unchecked(hash * 31 + c)));
        return
        [
            .. Enumerable
                .Range(0, (int)shape.Aggregate(1L, (a, b) => a * b))
                .Select(_ =>
                    (float)(
                        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())
                    )
                ),
        ];
    }

    private static GraphBuilder Declare(string name, (string Name, long[] Shape)[] tensors)
    {
        GraphBuilder builder = new();
        foreach ((string tensor, long[] shape) in tensors)
            if (IsInput(tensor))
                builder.Input(
                    tensor,
                    [.. shape.Select((s, i) => i == 0 ? new Dimension(null, "N") : new Dimension(s))]
                );
            else
                builder.Initializer(tensor, Draw($"{name}/{tensor}", shape), shape);
        return builder;
    }

    private static bool IsInput(string tensor) => tensor[0] == 'x' && tensor[1..].All(char.IsAsciiDigit);

    private static (string Name, long[] Shape) Parse(string text)
    {
        string[] parts = text.Split(':');
        return (
            parts[0],
            parts[1].Length == 0
                ? []
                : [.. parts[1].Split(',').Select(s => long.Parse(s, System.Globalization.CultureInfo.InvariantCulture))]
        );
    }
}
