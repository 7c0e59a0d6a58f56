using static MlNetTransfer.Onnx.Tests.Differentiation.GradientCase;

namespace MlNetTransfer.Onnx.Tests.Differentiation.Operators;

/// <summary>Operators that move, repeat or drop elements.</summary>
[TestClass]
public sealed class IndexingGradientTests
{
    [TestMethod]
    public void Backward_AgainstTorch_Agrees() =>
        GradientCheck.AgainstTorch([.. Slices(), .. Pads(), .. Gathers(), .. Reshapes()]);

    private static GradientCase[] Slices() =>
        [
            Slice("one axis", "x[:, 1:3]", [1], [3], [1], null),
            Slice("two axes, negative", "x[:, -3:-1, 2:]", [-3, 2], [-1, long.MaxValue], [-3, -2], null),
            Slice("beyond the end", "x[:, 1:, :3]", [1, -100], [100, 3], [1, 2], null),
            Slice("a step", "x[:, 1::2]", [1], [100], [1], [2]),
            Slice("a step of 3 beside a plain axis", "x[:, ::3, 1:4]", [0, 1], [100, 4], [1, 2], [3, 1]),
            Slice("backwards", "x.flip(2)[:, :, :5]", [-1], [-6], [2], [-1]),
            Slice("backwards by 2, to the start", "x.flip(1)[:, ::2]", [100], [long.MinValue], [1], [-2]),
            Graph(
                "slice without axes",
                "x[0:2, 1:3]",
                ["x:3,5,6,1"],
                g => g.Initializer("s", [0L, 1], 2).Initializer("e", [2L, 3], 2).Node("Slice", ["x", "s", "e"], ["y"])
            ),
            Node("split, equal", "Split", "x[:, :2]", ["x:3,4,5"]) with
            {
                Model = Split([2, 2], [true, false]),
            },
            Node("split, middle only", "Split", "x[:, 1:3]", ["x:3,4,5"]) with
            {
                Model = Split([1, 2, 1], [false, true, false]),
            },
            Node("split, ends", "Split", "x[:, :1] + x[:, 3:]", ["x:3,4,5"]) with
            {
                Model = Split([1, 2, 1], [true, false, true]),
            },
            Node("split, all", "Split", "x[:, :1] + x[:, 1:2] + x[:, 2:3]", ["x:3,3,5"]) with
            {
                Model = Split([1, 1, 1], [true, true, true]),
            },
        ];

    private static GradientCase[] Pads() =>
        [
            Pad("zeros", "F.pad(x, (1, 2, 0, 3))", [0, 0, 0, 1, 0, 0, 3, 2], "constant"),
            Pad("some of them negative", "F.pad(x, (-1, 2, 1, -2))", [0, 0, 1, -1, 0, 0, -2, 2], "constant"),
            Pad("reflect", "F.pad(x, (1, 2, 3, 0), mode='reflect')", [0, 0, 3, 1, 0, 0, 0, 2], "reflect"),
            Pad(
                "reflect, as wide as it can be",
                "F.pad(x, (4, 4, 3, 3), mode='reflect')",
                [0, 0, 3, 4, 0, 0, 3, 4],
                "reflect"
            ),
            Pad("edge", "F.pad(x, (1, 2, 0, 1), mode='replicate')", [0, 0, 0, 1, 0, 0, 1, 2], "edge"),
            Pad("edge, wide", "F.pad(x, (9, 2, 0, 1), mode='replicate')", [0, 0, 0, 9, 0, 0, 1, 2], "edge"),
            Graph(
                "pad of some axes",
                "F.pad(x, (1, 0, 2, 1))",
                ["x:2,3,4,5"],
                g =>
                    g.Initializer("p", [1L, 2, 0, 1], 4)
                        .Initializer("a", [-1L, 2], 2)
                        .Node("Pad", ["x", "p", "", "a"], ["y"]),
                18
            ),
            Graph(
                "wrapping pad",
                "F.pad(x, (2, 1, 1, 3), mode='circular')",
                ["x:2,3,4,5"],
                g =>
                    g.Initializer("p", [0L, 0, 1, 2, 0, 0, 3, 1], 8)
                        .Node("Pad", ["x", "p"], ["y"], Attributes.Of("mode", "wrap")),
                19
            ),
            Graph(
                "pad of one number by a value",
                "F.pad(x, (1, 1), value=3.0)",
                ["x:2,1"],
                g => g.Initializer("p", [0L, 1, 0, 1], 4).Initializer("v", [3f]).Node("Pad", ["x", "p", "v"], ["y"])
            ),
        ];

    private static GradientCase[] Gathers() =>
        [
            Gather("a scalar index", "x[:, 2]", "x:3,4,5", 1, [2]),
            Gather("the class token", "x[:, 0]", "x:3,4,5", -2, [0]),
            Gather("a negative index", "x[..., -1]", "x:3,4,5", -1, [-1]),
            Gather("a permutation", "x[:, [2, 0, 3, 1]]", "x:3,4,5", 1, [2, 0, 3, 1], 4),
            Gather("some", "x[:, [3, 1]]", "x:3,4,5", 1, [-1, 1], 2),
            Gather("repeated", "x[:, [1, 1, 0, 3, 1]]", "x:3,4,5", 1, [1, 1, 0, 3, 1], 5),
            Gather("repeated on the last axis", "x[..., [1, 1, 0]]", "x:3,4,5", -1, [1, 1, 0], 3),
            Gather("a table of indices", "x[:, [[1, 2, 1], [0, 0, 3]]]", "x:3,4,5", 1, [1, 2, 1, 0, 0, 3], 2, 3),
            Graph(
                "rows of a trained table",
                "w[torch.tensor([[2, 0], [2, 4]])] + 0 * x",
                ["x:2,1,1", "w:5,3"],
                g =>
                    g.Initializer("i", [2L, 0, 2, -1], 2, 2)
                        .Node("Gather", ["w", "i"], ["a"])
                        .Node("Add", ["a", "z"], ["y"])
                        .Initializer("zero", [0f])
                        .Node("Mul", ["x", "zero"], ["z"])
            ),
            Graph(
                "computed indices",
                "x.gather(1, x.argmax(1, keepdim=True))[:, 0]",
                ["x:3,4"],
                g =>
                    g.Node("ArgMax", ["x"], ["i"], Attributes.Of("axis", 1))
                        .Node("GatherElements", ["x", "i"], ["a"], Attributes.Of("axis", 1))
                        .Initializer("a1", [1L], 1)
                        .Node("Squeeze", ["a", "a1"], ["y"])
            ) with
            {
                Differences = false,
            },
            Graph(
                "gather by computed indices",
                "w[x.argmax(1)]",
                ["x:3,4", "w:4,5"],
                g =>
                    g.Node("ArgMax", ["x"], ["i"], Attributes.Of("axis", 1), Attributes.Of("keepdims", 0))
                        .Node("Gather", ["w", "i"], ["y"])
            ) with
            {
                Wanted = ["w"],
            },
            Graph(
                "gather elements",
                "x.gather(1, torch.tensor([[0, 2, 2], [3, 0, 0]]))",
                ["x:2,4"],
                g =>
                    g.Initializer("i", [0L, 2, 2, 3, 0, 0], 2, 3)
                        .Node("GatherElements", ["x", "i"], ["y"], Attributes.Of("axis", -1))
            ),
            Graph(
                "gather nd",
                "x[[1, 0, 1], [2, 3, 2]]",
                ["x:2,4,3"],
                g => g.Initializer("i", [1L, 2, 0, 3, 1, 2], 3, 2).Node("GatherND", ["x", "i"], ["y"])
            ),
        ];

    private static GradientCase[] Reshapes() =>
        [
            Expand("on the left", "w.expand(2, 4, 3) * x", [4, 3], [2, 4, 3], "x:2,1,1"),
            Expand("in the middle", "w.expand(2, 4, 3) * x", [2, 1, 3], [2, 4, 3], "x:2,1,1"),
            Expand("both ways", "w.expand(2, 4, 3) * x", [2, 4, 1], [1, 1, 3], "x:2,1,1"),
            Expand("a scalar", "w.expand(2, 3) * x", [], [2, 3], "x:2,1"),
            Graph(
                "tile",
                "x.repeat(1, 3, 2)",
                ["x:2,4,5"],
                g => g.Initializer("r", [1L, 3, 2], 3).Node("Tile", ["x", "r"], ["y"])
            ),
            Graph(
                "flatten from axis 0",
                "x.reshape(1, -1)",
                ["x:2,3,4"],
                g => g.Node("Flatten", ["x"], ["y"], Attributes.Of("axis", 0))
            ),
            Graph(
                "flatten from a negative axis",
                "x.reshape(6, 4)",
                ["x:2,3,4"],
                g => g.Node("Flatten", ["x"], ["y"], Attributes.Of("axis", -1))
            ),
            Graph("squeeze of all", "x.squeeze()", ["x:2,1,3,1"], g => g.Node("Squeeze", ["x"], ["y"])),
            Node(
                "depth to space",
                "DepthToSpace",
                "x.reshape(2, 2, 2, 3, 4, 5).permute(0, 3, 4, 1, 5, 2).reshape(2, 3, 8, 10)",
                ["x:2,12,4,5"],
                Attributes.Of("blocksize", 2)
            ),
            Node(
                "depth to space, columns first",
                "DepthToSpace",
                "F.pixel_shuffle(x, 2)",
                ["x:2,12,4,5"],
                Attributes.Of("blocksize", 2),
                Attributes.Of("mode", "CRD")
            ),
            Node(
                "space to depth",
                "SpaceToDepth",
                "x.reshape(2, 3, 2, 3, 2, 3).permute(0, 3, 5, 1, 2, 4).reshape(2, 27, 2, 2)",
                ["x:2,3,6,6"],
                Attributes.Of("blocksize", 3)
            ),
            Node(
                "concat of sizes 1",
                "Concat",
                "torch.cat([x, w, x1], -2)",
                ["x:3,1,5", "w:3,2,5", "x1:3,1,5"],
                Attributes.Of("axis", -2)
            ),
        ];

    private static GradientCase Slice(
        string name,
        string torch,
        long[] starts,
        long[] ends,
        long[] axes,
        long[]? steps
    ) =>
        Graph(
            $"slice {name}",
            torch,
            ["x:3,5,6,1"],
            g =>
            {
                g.Initializer("s", starts, starts.Length)
                    .Initializer("e", ends, ends.Length)
                    .Initializer("a", axes, axes.Length);
                if (steps is not null)
                    g.Initializer("t", steps, steps.Length);
                g.Node("Slice", steps is null ? ["x", "s", "e", "a"] : ["x", "s", "e", "a", "t"], ["y"]);
            }
        );

    private static GradientCase Pad(string name, string torch, long[] pads, string mode) =>
        Graph(
            $"pad {name}",
            torch,
            ["x:2,3,4,5"],
            g => g.Initializer("p", pads, pads.Length).Node("Pad", ["x", "p"], ["y"], Attributes.Of("mode", mode))
        );

    private static GradientCase Gather(
        string name,
        string torch,
        string x,
        long axis,
        long[] indices,
        params long[] shape
    ) =>
        Graph(
            $"gather {name}",
            torch,
            [x],
            g => g.Initializer("i", indices, shape).Node("Gather", ["x", "i"], ["y"], Attributes.Of("axis", axis))
        );

    private static GradientCase Expand(string name, string torch, long[] from, long[] shape, string x) =>
        Graph(
            $"expand {name}",
            torch,
            [x, $"w:{string.Join(',', from)}"],
            g =>
                g.Initializer("s", shape, shape.Length).Node("Expand", ["w", "s"], ["e"]).Node("Mul", ["e", "x"], ["y"])
        );

    /// <summary>The sum of chosen parts.</summary>
    private static OnnxModel Split(long[] sizes, bool[] used)
    {
        string[] parts = [.. sizes.Select((_, i) => $"p{i}")];
        return new GraphBuilder()
            .Input("x", ["N", sizes.Sum(), 5])
            .Initializer("sizes", sizes, sizes.Length)
            .Node("Split", ["x", "sizes"], parts, Attributes.Of("axis", -2))
            .Node("Sum", [.. parts.Where((_, i) => used[i])], ["y"])
            .Output("y", [])
            .Build();
    }
}
