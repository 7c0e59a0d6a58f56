using MlNetTransfer.Backbones;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Benchmarks.Setup;

/// <summary>
/// What fine-tuning trains of the default backbone where the maps of 14 x 14 are kept: everything above them, and a
/// linear head on it.
/// </summary>
internal sealed class TopBlock
{
    public const string Logits = "logits";
    public const int Classes = 10;
    private const string Boundary = "map14_2",
        Weights = "head.weight",
        Bias = "head.bias";

    public TopBlock()
    {
        Backbone backbone = Drawings.Backbone();
        string boundary = backbone.Card.Tap(Boundary).Tensor;
        OnnxModel network = backbone.LoadModel();
        TensorShape shape = TensorShapes.Of(network, boundary)[boundary];
        OnnxModel features = FeatureGraph.Build(network, backbone.Card.Tap().Tensor);
        Model = features.With(proto => AddHead(Cut(proto, boundary, shape), backbone.Card.Tap().Width)).CutAt(Logits);
        InputShape = [.. shape.Dimensions.Skip(1).Select(d => d.Size!.Value)];
        Parameters =
        [
            Weights,
            Bias,
            .. Model
                .Nodes.Where(n => n.OpType == "Conv")
                .SelectMany(n => n.Input.Skip(1))
                .Where(name => Model.Initializers.Any(i => i.Name == name)),
        ];
    }

    /// <summary>From maps [N, channels, 14, 14] to logits [N, 10].</summary>
    public OnnxModel Model { get; }

    /// <summary>Channels, height and width of the maps.</summary>
    public long[] InputShape { get; }

    /// <summary>What is trained: the convolutions and the head.</summary>
    public IReadOnlyList<string> Parameters { get; }

    /// <summary>The tensor becomes an input; what computed it falls away with the next cut.</summary>
    private static GraphProto Cut(ModelProto model, string boundary, TensorShape shape)
    {
        foreach (NodeProto node in model.Graph.Node)
            for (int i = 0; i < node.Output.Count; i++)
                if (node.Output[i] == boundary)
                    node.Output[i] += "/before";
        TensorShapeProto maps = new() { Dim = { new TensorShapeProto.Types.Dimension { DimParam = "N" } } };
        maps.Dim.AddRange(
            shape.Dimensions.Skip(1).Select(d => new TensorShapeProto.Types.Dimension { DimValue = d.Size!.Value })
        );
        model.Graph.Input.Add(
            new ValueInfoProto
            {
                Name = boundary,
                Type = new TypeProto
                {
                    TensorType = new TypeProto.Types.Tensor { ElemType = (int)DataType.Float, Shape = maps },
                },
            }
        );
        return model.Graph;
    }

    private static void AddHead(GraphProto graph, int width)
    {
        graph.Initializer.Add(Zeros(Weights, Classes, width));
        graph.Initializer.Add(Zeros(Bias, Classes));
        graph.Node.Add(
            new NodeProto
            {
                OpType = "Gemm",
                Name = Logits,
                Input = { FeatureGraph.Output, Weights, Bias },
                Output = { Logits },
                Attribute =
                {
                    new AttributeProto
                    {
                        Name = "transB",
                        Type = AttributeProto.Types.AttributeType.Int,
                        I = 1,
                    },
                },
            }
        );
    }

    private static TensorProto Zeros(string name, params long[] shape) =>
        new()
        {
            Name = name,
            DataType = (int)DataType.Float,
            Dims = { shape },
            FloatData = { new float[shape.Aggregate(1L, (a, d) => a * d)] },
        };
}
