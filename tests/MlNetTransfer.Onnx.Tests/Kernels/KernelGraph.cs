using MlNetTransfer.Onnx.Kernels;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Kernels;

/// <summary>Runs a kernel on ONNX Runtime.</summary>
internal static class KernelGraph
{
    /// <param name="node">The kernel; its inputs are in0, in1 and so on.</param>
    /// <param name="shapes">Sizes of its outputs.</param>
    /// <param name="threads">Threads of the session.</param>
    /// <param name="inputs">The inputs.</param>
    public static float[][] Run(
        NodeProto node,
        long[][] shapes,
        int threads,
        params (float[] Values, long[] Shape)[] inputs
    )
    {
        if (!KernelRegistry.IsAvailable)
            Assert.Inconclusive("Kernels need vectors of the processor.");
        GraphBuilder graph = new();
        for (int i = 0; i < inputs.Length; i++)
            graph.Input($"in{i}", [.. inputs[i].Shape.Select(s => new Dimension(s))]);
        OnnxModel model = graph
            .Node("Identity", ["in0"], ["same"])
            .Output("same", [.. inputs[0].Shape.Select(s => new Dimension(s))])
            .Build()
            .WithOpset(1, KernelRegistry.Domain)
            .With(proto =>
            {
                proto.Graph.Node.Clear();
                proto.Graph.Node.Add(node);
                proto.Graph.Output.Clear();
                proto.Graph.Output.AddRange(
                    node.Output.Zip(
                        shapes,
                        (name, shape) =>
                            new TensorShape(
                                TensorProto.Types.DataType.Float,
                                [.. shape.Select(s => new Dimension(s))]
                            ).ToValueInfo(name)
                    )
                );
            });
        Dictionary<string, float[]> found = Ort.Run(
            model,
            optimise: true,
            options =>
            {
                options.IntraOpNumThreads = threads;
                KernelRegistry.AddTo(options);
            },
            [.. inputs.Select((input, i) => ($"in{i}", input.Values, input.Shape.Select(s => (int)s).ToArray()))]
        );
        return [.. node.Output.Select(name => found[name])];
    }
}
