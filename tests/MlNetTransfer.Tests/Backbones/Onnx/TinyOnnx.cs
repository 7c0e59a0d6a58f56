using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Tests.Shared;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Tests.Backbones.Onnx;

/// <summary>
/// A classifier of three convolutions (16 px to 8, 4 and 2), a pooled row of 12 and five logits, exported in many ways.
/// </summary>
internal static class TinyOnnx
{
    public const int Size = 16;

    /// <summary>Options for models that do not say how pixels become numbers.</summary>
    public static OnnxInspectionOptions Unit { get; } = With("unit");

    /// <summary>Options with a preprocessing by its name, which is not checked.</summary>
    public static OnnxInspectionOptions With(string preprocessing, int? size = null) =>
        new()
        {
            Preprocessing = NamedPreprocessing.Find(preprocessing) with { Width = size, Height = size },
            Checks = false,
        };

    public static OnnxModel Model(
        IReadOnlyList<Dimension>? input = null,
        string name = "pixels",
        string end = "",
        DataType type = DataType.Float,
        bool channelsLast = false,
        Func<GraphBuilder, string, string>? flatten = null
    )
    {
        GraphBuilder graph = new GraphBuilder("tiny").Input(name, input ?? ["N", 3, Size, Size], type);
        string x = name;
        if (channelsLast)
        {
            graph.Node("Transpose", [x], ["to_nchw"], Attributes.Of("perm", [0, 3, 1, 2]));
            x = "to_nchw";
        }

        int channels = 3;
        for (int i = 1; i <= 3; i++, channels = 4 * (i - 1))
        {
            graph
                .Initializer(Typed(RandomTensor.Of($"w{i}", i, 4 * i, channels, 3, 3), type))
                .Node(
                    "Conv",
                    [x, $"w{i}"],
                    [$"conv{i}"],
                    Attributes.Of("strides", [2, 2]),
                    Attributes.Of("pads", [1, 1, 1, 1])
                )
                .Node("Relu", [$"conv{i}"], [$"relu{i}"]);
            x = $"relu{i}";
        }

        graph.Node("GlobalAveragePool", [x], ["pool"]);
        string row = flatten?.Invoke(graph, "pool") ?? "row";
        if (flatten is null)
            graph.Node("Flatten", ["pool"], ["row"]);
        graph
            .Initializer(Typed(RandomTensor.Of("fc", 9, 5, 12), type))
            .Node("Gemm", [row, "fc"], ["logits"], Attributes.Of("transB", 1));
        if (end.Length > 0)
            graph.Node(
                end,
                ["logits"],
                ["scores"],
                [.. end == "Sigmoid" ? Array.Empty<AttributeProto>() : [Attributes.Of("axis", 1)]]
            );
        return graph.Output(end.Length > 0 ? "scores" : "logits", [(input ?? ["N"])[0], 5], type).Build();
    }

    /// <summary>Images [batch, 3, 16, 16].</summary>
    public static float[] Images(int batch) => TensorData.ToFloats(RandomTensor.Of("x", 77, batch, 3, Size, Size));

    /// <summary>Features at a tap of an inspected model.</summary>
    public static float[] Run(InspectedBackbone backbone, string? tensor = null, int batch = 1)
    {
        string output = tensor ?? backbone.Model.Outputs.Single().Name;
        return Ort.Run(backbone.Model.CutAt(output), (Backbone.InputName, Images(batch), [batch, 3, Size, Size]))[
            output
        ];
    }

    private static TensorProto Typed(TensorProto tensor, DataType type)
    {
        if (type == DataType.Float)
            return tensor;
        TensorProto half = new() { Name = tensor.Name, DataType = (int)DataType.Float16 };
        half.Dims.AddRange(tensor.Dims);
        half.RawData = Google.Protobuf.ByteString.CopyFrom([
            .. TensorData.ToFloats(tensor).SelectMany(v => BitConverter.GetBytes((Half)v)),
        ]);
        return half;
    }
}
