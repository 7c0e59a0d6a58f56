using Google.Protobuf;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using MlNetTransfer.Features;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using AttributeType = MlNetTransfer.Onnx.Proto.AttributeProto.Types.AttributeType;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer;

/// <summary>
/// A graph's outputs as columns of ML.NET's OnnxTransformer: tensors named like columns, one image at a time, vectors
/// with slot names, and what has to follow to make keys and truth values of them.
/// </summary>
internal abstract class StockOutputs
{
    /// <summary>Columns that OnnxTransformer makes.</summary>
    public abstract IReadOnlyList<string> Columns { get; }

    /// <summary>The graph in the form that OnnxTransformer takes.</summary>
    /// <param name="network">One input, of images or features [N, …].</param>
    public abstract OnnxModel Graph(OnnxModel network);

    /// <summary>Steps that follow OnnxTransformer.</summary>
    public virtual IEnumerable<IEstimator<ITransformer>> After(MLContext context) => [];

    /// <summary>A vector of features.</summary>
    /// <param name="column">The column.</param>
    /// <param name="slots">What each feature is called.</param>
    public static StockOutputs Features(string column, IReadOnlyList<string> slots) => new FeatureColumn(column, slots);

    /// <summary>Scores and the likeliest class as a key.</summary>
    /// <param name="score">Column for the scores.</param>
    /// <param name="predicted">Column for the key.</param>
    /// <param name="classes">The classes.</param>
    /// <param name="said">What is said beside the scores; null for nothing.</param>
    public static StockOutputs Classes(string score, string predicted, ClassKeys classes, SaidColumns? said) =>
        new ClassColumns(score, predicted, classes, said);

    /// <summary>Score, probability and label of two classes.</summary>
    /// <param name="names">Columns for the score, the probability and the predicted label.</param>
    public static StockOutputs TwoClasses((string Score, string Probability, string Predicted) names) =>
        new BinaryColumns(names);

    /// <summary>Makes a scalar of a column that is a vector of one int64.</summary>
    /// <remarks>
    /// OnnxTransformer gives vectors only, and of the stock row mappers that need no training only hashing with
    /// <c>combine</c> makes a scalar of one; ValueMapping then takes the hash to the value. The hashes are checked to
    /// be distinct.
    /// </remarks>
    /// <param name="context">Makes the steps.</param>
    /// <param name="column">The column.</param>
    /// <param name="values">Each number that it may hold and its value, as in <see cref="ClassKeys.Rows"/>.</param>
    /// <param name="toKeys">Whether the values are to be keys.</param>
    public static IEnumerable<IEstimator<ITransformer>> Scalar(
        MLContext context,
        string column,
        IDataView values,
        bool toKeys
    )
    {
        for (uint seed = 0; ; seed++)
        {
            var hash = new HashingEstimator.ColumnOptions(column, ClassKeys.Index, seed: seed, combine: true);
            IEstimator<ITransformer> steps = context.Transforms.Conversion.Hash(hash);
            if (toKeys)
                steps = steps.Append(context.Transforms.Conversion.MapValueToKey(ClassKeys.Value));
            IDataView lookup = steps.Fit(values).Transform(values);
            uint[] hashes = [.. lookup.GetColumn<uint>(column)];
            if (hashes.Distinct().Count() < hashes.Length)
                continue;
            yield return context.Transforms.Conversion.Hash(
                new HashingEstimator.ColumnOptions(column, column, seed: seed, combine: true)
            );
            yield return context.Transforms.Conversion.MapValue(
                column,
                lookup,
                lookup.Schema[column],
                lookup.Schema[ClassKeys.Value],
                column
            );
            yield break;
        }
    }

    /// <summary>Names an output of the graph, and makes it a vector of known length.</summary>
    private static OnnxModel Vector(OnnxModel model, string tensor, string column, int slots)
    {
        (model, tensor) = Aside(model, tensor);
        if (model.UniqueName(column) is var free && free != column)
            model = model.RenameTensor(column, free);
        string shape = model.UniqueName($"{column}_shape");
        NodeProto flat = new()
        {
            OpType = "Reshape",
            Name = column,
            Input = { tensor, shape },
            Output = { column },
        };
        return model.Append([flat], [TensorData.Longs(shape, [slots], 1)]);
    }

    /// <summary>
    /// OnnxTransformer runs row by row; stating that makes every size known, which its vector types need.
    /// </summary>
    private static OnnxModel OneImage(OnnxModel model, params (string Output, DataType Type, int? Length)[] outputs) =>
        model
            .CutAt([.. outputs.Select(o => o.Output)])
            .With(proto =>
            {
                ValueInfoProto image = proto.Graph.Input.Single(i =>
                    proto.Graph.Initializer.All(c => c.Name != i.Name)
                );
                image.Type.TensorType.Shape.Dim[0] = new TensorShapeProto.Types.Dimension { DimValue = 1 };
                foreach ((string output, DataType type, int? length) in outputs)
                {
                    proto.Graph.Output.Single(o => o.Name == output).Type = new TypeProto
                    {
                        TensorType = new TypeProto.Types.Tensor
                        {
                            ElemType = (int)type,
                            Shape = new TensorShapeProto { Dim = { Dimensions(length) } },
                        },
                    };
                }
            });

    /// <summary>OnnxTransformer takes an unknown dimension for one of 1 where it is the first.</summary>
    private static TensorShapeProto.Types.Dimension[] Dimensions(int? length) =>
        length is { } known ? [new() { DimValue = known }] : [new() { DimValue = 1 }, new() { DimParam = "some" }];

    /// <summary>Gives a tensor the name of a column; what had it before gets another.</summary>
    private static OnnxModel Named(OnnxModel model, string tensor, string column)
    {
        if (model.UniqueName(column) is var free && free != column)
            model = model.RenameTensor(column, free);
        return model.RenameTensor(tensor, column);
    }

    /// <summary>Gives a tensor a name that no column has taken.</summary>
    private static (OnnxModel Model, string Name) Aside(OnnxModel model, string tensor)
    {
        string free = model.UniqueName($"mlnet_transfer_{tensor}");
        return (model.RenameTensor(tensor, free), free);
    }

    /// <summary>
    /// OnnxTransformer reads a column's slot names from the keys of a LabelEncoder node of this name, the form that
    /// ML.NET's own ONNX export writes. Nothing uses the node's output, so ONNX Runtime drops it.
    /// </summary>
    private static void AddSlotNames(ModelProto proto, string column, IReadOnlyList<string> slots)
    {
        const string Domain = "ai.onnx.ml";
        if (proto.OpsetImport.All(o => o.Domain != Domain))
            proto.OpsetImport.Add(new OperatorSetIdProto { Domain = Domain, Version = 2 });
        string node = $"mlnet.{column}.SlotNames",
            input = $"mlnet.{column}.unusedInput",
            output = $"mlnet.{column}.unusedOutput";
        proto.Graph.Initializer.Add(
            new TensorProto
            {
                Name = input,
                DataType = (int)DataType.String,
                Dims = { 1 },
                StringData = { ByteString.CopyFromUtf8("none") },
            }
        );
        proto.Graph.Node.Add(
            new NodeProto
            {
                Domain = Domain,
                OpType = "LabelEncoder",
                Name = node,
                Input = { input },
                Output = { output },
                Attribute =
                {
                    new AttributeProto
                    {
                        Name = "keys_strings",
                        Type = AttributeType.Strings,
                        Strings = { slots.Select(ByteString.CopyFromUtf8) },
                    },
                    Attributes.Of("values_int64s", [.. Enumerable.Range(0, slots.Count).Select(i => (long)i)]),
                },
            }
        );
    }

    private sealed class FeatureColumn(string column, IReadOnlyList<string> slots) : StockOutputs
    {
        public override IReadOnlyList<string> Columns => [column];

        public override OnnxModel Graph(OnnxModel network) =>
            WithSlots(
                OneImage(
                    Vector(network, FeatureGraph.Output, column, slots.Count),
                    (column, DataType.Float, slots.Count)
                ),
                column,
                slots
            );
    }

    private sealed class ClassColumns(string score, string predicted, ClassKeys classes, SaidColumns? said)
        : StockOutputs
    {
        public override IReadOnlyList<string> Columns =>
            [score, predicted, .. said?.Tensors.Select(t => t.Column) ?? []];

        public override OnnxModel Graph(OnnxModel network)
        {
            network = said?.AddTo(network) ?? network;
            (OnnxModel model, string label) = Aside(network, TransferModel.LabelOutput);
            model = Vector(model, TransferModel.ProbabilitiesOutput, score, classes.Names.Count);
            model = Named(model, label, predicted);
            foreach (SaidTensor tensor in said?.Tensors ?? [])
                model = Named(model, tensor.Tensor, tensor.Column);
            model = OneImage(
                model,
                [
                    (score, DataType.Float, classes.Names.Count),
                    (predicted, DataType.Int64, 1),
                    .. said?.Tensors.Select(t => (t.Column, t.Type, t.Length)) ?? [],
                ]
            );
            return WithSlots(model, score, classes.Names);
        }

        public override IEnumerable<IEstimator<ITransformer>> After(MLContext context) =>
            [.. Scalar(context, predicted, classes.Rows(context), toKeys: true), .. said?.After(context) ?? []];
    }

    private sealed class BinaryColumns((string Score, string Probability, string Predicted) names) : StockOutputs
    {
        public override IReadOnlyList<string> Columns => [BinaryMapping.Probabilities];

        public override OnnxModel Graph(OnnxModel network) =>
            OneImage(
                Vector(network, TransferModel.ProbabilitiesOutput, BinaryMapping.Probabilities, 2),
                (BinaryMapping.Probabilities, DataType.Float, 2)
            );

        public override IEnumerable<IEstimator<ITransformer>> After(MLContext context) =>
            [
                context.Transforms.CustomMapping<BinaryMapping.Two, BinaryMapping.Yes>(
                    BinaryMapping.Map,
                    BinaryMapping.Contract
                ),
                context.Transforms.CopyColumns(names.Score, BinaryMapping.Score),
                context.Transforms.CopyColumns(names.Probability, BinaryMapping.Probability),
                context.Transforms.CopyColumns(names.Predicted, BinaryMapping.Predicted),
                context.Transforms.DropColumns(
                    BinaryMapping.Probabilities,
                    BinaryMapping.Score,
                    BinaryMapping.Probability,
                    BinaryMapping.Predicted
                ),
            ];
    }

    /// <summary>A cut takes the node of the slot names along, since nothing uses it; so it is added last.</summary>
    private static OnnxModel WithSlots(OnnxModel model, string column, IReadOnlyList<string> slots) =>
        model.With(proto => AddSlotNames(proto, column, slots));
}

/// <summary>
/// Two probabilities as ML.NET has them for two classes: log-odds, probability of "true", and the label.
/// </summary>
[CustomMappingFactoryAttribute(Contract)]
internal sealed class BinaryMapping : CustomMappingFactory<BinaryMapping.Two, BinaryMapping.Yes>
{
    public const string Contract =
        "MlNetTransfer.TwoClasses/1 (package MlNetTransfer; call mlContext.RegisterMlNetTransfer() before "
        + "mlContext.Model.Load)";

    public const string Probabilities = "mlnet_transfer_two",
        Score = "mlnet_transfer_score",
        Probability = "mlnet_transfer_probability",
        Predicted = "mlnet_transfer_predicted";

    public override Action<Two, Yes> GetMapping() => Map;

    public static void Map(Two source, Yes target)
    {
        ReadOnlySpan<float> probabilities = source.Values.GetValues();
        (target.Odds, target.Share, target.Label) = (LogOdds(probabilities), probabilities[1], IsYes(probabilities));
    }

    /// <summary>ln(p / (1 - p)), finite.</summary>
    public static float LogOdds(ReadOnlySpan<float> probabilities)
    {
        double no = Math.Max(probabilities[0], 1e-30),
            yes = Math.Max(probabilities[1], 1e-30);
        return (float)Math.Log(yes / no);
    }

    public static bool IsYes(ReadOnlySpan<float> probabilities) => probabilities[1] > probabilities[0];

    internal sealed class Two
    {
        [ColumnName(Probabilities), VectorType(2)]
        public VBuffer<float> Values { get; set; }
    }

    internal sealed class Yes
    {
        [ColumnName(Score)]
        public float Odds { get; set; }

        [ColumnName(Probability)]
        public float Share { get; set; }

        [ColumnName(Predicted)]
        public bool Label { get; set; }
    }
}
