using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

/// <summary>Operators of several tensors that broadcast, and reductions.</summary>
[TestClass]
public sealed class ArithmeticGradientTests
{
    private static readonly (string Name, string Operator, string Symbol)[] Binary =
    [
        ("add", "Add", "+"),
        ("sub", "Sub", "-"),
        ("mul", "Mul", "*"),
        ("div", "Div", "/"),
    ];

    /// <summary>Left and right shapes; x is the batch, w is not.</summary>
    private static readonly (string X, string W)[] Broadcasts =
    [
        ("x:3,4,5", "w:"),
        ("x:3,4,5", "w:1"),
        ("x:3,4,5", "w:5"),
        ("x:3,1,5", "w:4,1"),
        ("x:3,1,1", "w:1,4,5"),
        ("x:3,4", "w:2,3,4"),
        ("x:1,1", "w:2,1,3"),
        ("x:3,1,5,1", "w:3,4,1,2"),
    ];

    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch([.. Broadcast(), .. Powers(), .. SeveralTensors(), .. Reductions(), .. Einsums()]);

    private static GradientCase[] Broadcast() =>
        [
            .. Binary.SelectMany(o =>
                Broadcasts.SelectMany(b => new[] { Case(o, b.X, b.W, false), Case(o, b.X, b.W, true) })
            ),
        ];

    private static GradientCase[] Powers() =>
        [
            Power("zero", 0),
            Power("one", 1),
            Power("two", 2),
            Power("three", 3),
            Power("minus one", -1),
            Power("half", 0.5f),
            Power("two and a half", 2.5f),
            Graph(
                "pow by an integer",
                "x ** 4",
                ["x:3,4"],
                g => g.Initializer("p", [4L], 1).Node("Pow", ["x", "p"], ["y"])
            ),
            Node("pow, trained exponent", "Pow", "x ** w", ["x:2,3", "w:3"]) with
            {
                Values = Values([0.5f, 1.5f, 2, 1, 0.7f, 3]),
            },
            Node("pow, computed exponent, negative base", "Pow", "x ** x1.detach()", ["x:1,5", "x1:1,5"]) with
            {
                Wanted = ["x"],
                Values = new Dictionary<string, float[]> { ["x"] = [-2, -1.5f, 0.5f, 0, 0], ["x1"] = [2, 3, 0, 2, 0] },
                Differences = false,
            },
            Node("pow, broadcast base", "Pow", "w ** x", ["w:3,1", "x:2,1,4"]) with
            {
                Tensors = [("x", [2, 1, 4]), ("w", [3, 1])],
                Values = new Dictionary<string, float[]> { ["w"] = [0.5f, 1.5f, 2] },
            },
        ];

    private static GradientCase[] SeveralTensors() =>
        [
            Node("sum of one", "Sum", "x * 1", ["x:3,4"]),
            Node("sum of three, broadcast", "Sum", "x + w + x1", ["x:3,4,5", "w:5", "x1:3,1,5"]),
            Node("mean of three, broadcast", "Mean", "(x + w + x1) / 3", ["x:3,4,5", "w:4,1", "x1:3,1,5"]),
            Node("max of two", "Max", "torch.maximum(x, x1)", ["x:3,4,5", "x1:3,4,5"]) with
            {
                Differences = false,
            },
            Node("min of two, broadcast", "Min", "torch.minimum(x, w)", ["x:3,4,5", "w:4,1"]) with
            {
                Differences = false,
            },
            Node("max of one", "Max", "x * 1", ["x:3,4"]),
            Node("max of two that tie", "Max", "torch.maximum(x, x1)", ["x:1,4", "x1:1,4"]) with
            {
                Values = new Dictionary<string, float[]> { ["x"] = [1, 2, 0, -3], ["x1"] = [1, 1, 0, -3] },
                Differences = false,
            },
            Node("min of three that tie", "Min", "torch.stack([x, x1, x2]).amin(0)", ["x:1,4", "x1:1,4", "x2:1,4"]) with
            {
                Values = new Dictionary<string, float[]>
                {
                    ["x"] = [1, 2, 0, -3],
                    ["x1"] = [1, 1, 0, -3],
                    ["x2"] = [1, 1, 4, -2],
                },
                Differences = false,
            },
            Graph(
                "where",
                "torch.where(x > x1, x, w)",
                ["x:3,4,5", "x1:3,4,5", "w:4,1"],
                g => g.Node("Greater", ["x", "x1"], ["c"]).Node("Where", ["c", "x", "w"], ["y"])
            ) with
            {
                Wanted = ["x", "w"],
                Differences = false,
            },
            Graph(
                "where, broadcast condition",
                "torch.where(torch.tensor([[True], [False], [True], [False]]), w, x)",
                ["x:3,4,5", "w:5"],
                g =>
                    g.Initializer(
                            new Onnx.Proto.TensorProto
                            {
                                Name = "c",
                                DataType = 9,
                                Dims = { 4, 1 },
                                Int32Data = { 1, 0, 1, 0 },
                            }
                        )
                        .Node("Where", ["c", "w", "x"], ["y"])
            ) with
            {
                Differences = false,
            },
        ];

    private static GradientCase[] Reductions()
    {
        List<GradientCase> cases = [];
        foreach (
            (string name, string torch) in new[]
            {
                ("ReduceMean", "x.mean(A, keepdim=K)"),
                ("ReduceSum", "x.sum(A, keepdim=K)"),
                ("ReduceMax", "x.amax(A, keepdim=K)"),
                ("ReduceMin", "x.amin(A, keepdim=K)"),
                ("ReduceL1", "x.abs().sum(A, keepdim=K)"),
                ("ReduceL2", "torch.linalg.vector_norm(x, dim=A, keepdim=K)"),
                ("ReduceSumSquare", "(x * x).sum(A, keepdim=K)"),
                ("ReduceLogSumExp", "x.logsumexp(A, keepdim=K)"),
            }
        )
        {
            string On(string axes, bool keep) =>
                torch
                    .Replace("A", axes, StringComparison.Ordinal)
                    .Replace("K", keep ? "True" : "False", StringComparison.Ordinal);
            bool input = name == "ReduceSum";
            cases.Add(Reduction($"{name} of all", name, On("(0, 1, 2, 3)", true), null, true, input ? 17 : 16));
            cases.Add(Reduction($"{name} over axes", name, On("(3, 1)", true), [-1, 1], true, 17));
            cases.Add(Reduction($"{name} over axes, not kept", name, On("(1, 2)", false), [-3, 2], false, 17));
            cases.Add(Reduction($"{name}, axes as input", name, On("(2,)", false), [2], false, 18));
        }

        return
        [
            .. cases,
            Node(
                "max over axes that ties",
                "ReduceMax",
                "x.amax(1, keepdim=True)",
                ["x:2,4"],
                Attributes.Of("axes", [1])
            ) with
            {
                Values = Values([1, 3, 3, 3, 0, 0, 0, 0]),
                Differences = false,
            },
            Node(
                "norm of zeros",
                "ReduceL2",
                "x.norm(dim=1)",
                ["x:2,3"],
                Attributes.Of("axes", [1]),
                Attributes.Of("keepdims", 0)
            ) with
            {
                Values = Values([0, 0, 0, 3, 4, 0]),
                Differences = false,
            },
            Node("global max pool", "GlobalMaxPool", "x.amax((2, 3), keepdim=True)", ["x:2,3,4,5"]) with
            {
                Differences = false,
            },
            Node("global max pool, one axis", "GlobalMaxPool", "x.amax(2, keepdim=True)", ["x:2,3,1"]),
        ];
    }

    private static GradientCase[] Einsums() =>
        [
            Einsum("nij,njk->nik", "x:2,3,4", "x1:2,4,5"),
            Einsum("bhqd,bhkd->bhqk", "x:2,3,4,5", "x1:2,3,6,5"),
            Einsum("nc,c->n", "x:3,4", "w:4"),
            Einsum("nij,k->ni", "x:2,3,4", "w:5"),
            Einsum("ni,nj", "x:2,3", "x1:2,4"),
            Node(
                "einsum of one",
                "Einsum",
                "torch.einsum('nij->jn', x)",
                ["x:2,3,4"],
                Attributes.Of("equation", "nij->jn")
            ),
        ];

    private static GradientCase Einsum(string equation, params string[] inputs) =>
        Node(
            $"einsum {equation}",
            "Einsum",
            $"torch.einsum('{equation}', {string.Join(", ", inputs.Select(i => i.Split(':')[0]))})",
            inputs,
            Attributes.Of("equation", equation)
        );

    private static GradientCase Case((string Name, string Operator, string Symbol) o, string x, string w, bool swap)
    {
        // Away from 0, so that quotients have digits.
        GradientCase made = Node(
            $"{o.Name} {x} {w} {swap}",
            o.Operator,
            swap ? $"w {o.Symbol} x" : $"x {o.Symbol} w",
            swap ? [w, x] : [x, w]
        );
        made = swap ? made with { Tensors = [made.Tensors[1], made.Tensors[0]] } : made;
        return o.Operator != "Div"
            ? made
            : made with
            {
                Values = made.Tensors.ToDictionary(
                    t => t.Name,
                    t => Draw(t.Name + made.Name, t.Shape).Select(v => v + MathF.Sign(v)).ToArray()
                ),
            };
    }

    private static GradientCase Power(string name, float exponent) =>
        Graph(
            $"pow {name}",
            FormattableString.Invariant($"x ** {exponent}"),
            ["x:2,3"],
            g => g.Initializer("p", [exponent]).Node("Pow", ["x", "p"], ["y"])
        ) with
        {
            Values = Values([0.5f, 1.5f, 2, 1, 0.7f, 3]),
        };

    private static GradientCase Reduction(
        string name,
        string operatorType,
        string torch,
        long[]? axes,
        bool keep,
        int opset
    )
    {
        bool input = axes is not null && (operatorType == "ReduceSum" || opset >= 18);
        return Graph(
            name,
            torch,
            ["x:2,3,1,5"],
            g =>
            {
                if (input)
                    g.Initializer("a", axes!, axes!.Length);
                g.Node(
                    operatorType,
                    input ? ["x", "a"] : ["x"],
                    ["y"],
                    [
                        Attributes.Of("keepdims", keep ? 1 : 0),
                        .. axes is null || input
                            ? Array.Empty<Onnx.Proto.AttributeProto>()
                            : [Attributes.Of("axes", axes)],
                    ]
                );
            },
            opset
        ) with
        {
            Differences = operatorType is not ("ReduceMax" or "ReduceMin" or "ReduceL1"),
        };
    }

    private static Dictionary<string, float[]> Values(float[] x) => new() { ["x"] = x };
}
