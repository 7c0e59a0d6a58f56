using Google.Protobuf;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Models;
using AttributeType = MlNetTransfer.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer;

/// <summary>A model file in the form that ML.NET's OnnxTransformer wants: tensors named like columns, one image at a time, scores as a plain vector with slot names.</summary>
internal static class StockGraph
{
    /// <summary>Rewrites a model.</summary>
    /// <param name="model">Image [N, 3, Size, Size] to probabilities [N × classes] and label [N].</param>
    /// <param name="options">The columns' names.</param>
    /// <param name="classes">Names of the classes.</param>
    /// <returns>Features [1, 3, Size, Size] to scores [classes] and predicted index [1].</returns>
    public static OnnxModel Of(OnnxModel model, TransferImageClassificationOptions options, IReadOnlyList<string> classes)
    {
        (string features, string score, string predicted) = (options.FeatureColumnName, options.ScoreColumnName, options.PredictedLabelColumnName);
        (model, string image) = Aside(model, model.Inputs.Single().Name);
        (model, string probabilities) = Aside(model, TransferModel.ProbabilitiesOutput);
        (model, string label) = Aside(model, TransferModel.LabelOutput);
        foreach (string name in (string[])[features, score, predicted])
            if (model.UniqueName(name) is var free && free != name) model = model.RenameTensor(name, free);

        string shape = model.UniqueName("scores_shape");
        return model.RenameTensor(image, features).RenameTensor(label, predicted)
            .Append([new NodeProto { OpType = "Reshape", Name = score, Input = { probabilities, shape }, Output = { score } }], [TensorData.Longs(shape, [classes.Count], 1)])
            .CutAt(score, predicted)
            .With(proto => OneImage(proto, score, predicted, classes))
            .With(proto => AddSlotNames(proto, score, classes));
    }

    /// <summary>Gives a tensor a name that no column has taken.</summary>
    private static (OnnxModel Model, string Name) Aside(OnnxModel model, string tensor)
    {
        string free = model.UniqueName($"mlnet_transfer_{tensor}");
        return (model.RenameTensor(tensor, free), free);
    }

    /// <summary>OnnxTransformer runs row by row; stating that makes every size known, which its vector types need.</summary>
    private static void OneImage(ModelProto proto, string score, string predicted, IReadOnlyList<string> classes)
    {
        proto.Graph.Input.Single(i => proto.Graph.Initializer.All(c => c.Name != i.Name)).Type.TensorType.Shape.Dim[0] = new TensorShapeProto.Types.Dimension { DimValue = 1 };
        Shape(score, DataType.Float, classes.Count);
        Shape(predicted, DataType.Int64, 1);

        void Shape(string output, DataType type, int length) => proto.Graph.Output.Single(o => o.Name == output).Type = new TypeProto
        {
            TensorType = new TypeProto.Types.Tensor { ElemType = (int)type, Shape = new TensorShapeProto { Dim = { new TensorShapeProto.Types.Dimension { DimValue = length } } } },
        };
    }

    /// <summary>
    /// OnnxTransformer reads a column's slot names from the keys of a LabelEncoder node of this name, the form that ML.NET's own ONNX export writes. Nothing
    /// uses the node's output, so ONNX Runtime drops it.
    /// </summary>
    private static void AddSlotNames(ModelProto proto, string score, IReadOnlyList<string> classes)
    {
        const string Domain = "ai.onnx.ml";
        if (proto.OpsetImport.All(o => o.Domain != Domain)) proto.OpsetImport.Add(new OperatorSetIdProto { Domain = Domain, Version = 2 });
        string node = $"mlnet.{score}.SlotNames", input = $"mlnet.{score}.unusedInput", output = $"mlnet.{score}.unusedOutput";
        proto.Graph.Initializer.Add(new TensorProto { Name = input, DataType = (int)DataType.String, Dims = { 1 }, StringData = { ByteString.CopyFromUtf8("none") } });
        proto.Graph.Node.Add(new NodeProto
        {
            Domain = Domain,
            OpType = "LabelEncoder",
            Name = node,
            Input = { input },
            Output = { output },
            Attribute =
            {
                new AttributeProto { Name = "keys_strings", Type = AttributeType.Strings, Strings = { classes.Select(ByteString.CopyFromUtf8) } },
                Attributes.Of("values_int64s", [.. Enumerable.Range(0, classes.Count).Select(i => (long)i)]),
            },
        });
    }
}
