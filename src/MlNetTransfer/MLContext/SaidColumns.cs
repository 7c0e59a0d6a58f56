using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Selective;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer;

/// <summary>
/// What a classifier says beside its scores, as columns: whether it is not sure, the classes that come into question,
/// whether an image is unknown. In memory by <see cref="Reliability.Judge"/>; in saved chains by the same thresholds
/// inside the graph.
/// </summary>
/// <remarks>
/// A column of truth values has no place for "cannot say". A model that can promise its accuracy at no probability
/// answers nothing, so it abstains always; one that does not score unknown images takes none for unknown.
/// </remarks>
internal sealed class SaidColumns
{
    private const string Prefix = "mlnet_transfer_said_",
        AbstainedTensor = Prefix + "abstained",
        SetTensor = Prefix + "set",
        UnknownTensor = Prefix + "unknown";

    /// <summary>Above every probability.</summary>
    private const float Never = 2;

    private readonly ImageClassificationOptions options;
    private readonly IReadOnlyList<string> classes;
    private readonly Reliability facts;
    private readonly bool scoresUnknown;

    /// <param name="options">What columns are called; its reliability is set.</param>
    /// <param name="classes">What the classes are called.</param>
    /// <param name="facts">What the model promises.</param>
    public SaidColumns(ImageClassificationOptions options, IReadOnlyList<string> classes, Reliability facts)
    {
        (this.options, this.classes, this.facts) = (options, classes, facts);
        scoresUnknown = options.Reliability!.ScoresUnknown;
        Outputs =
        [
            Truth(options.AbstainedColumnName, said => said.Abstains ?? true),
            RowOutput.Texts(options.PredictionSetColumnName, row => Names(Judge(row.Span).Set!)),
            .. scoresUnknown ? [Truth(options.UnknownColumnName, said => said.IsUnknown ?? false)] : (RowOutput[])[],
        ];
        Tensors =
        [
            new SaidTensor(AbstainedTensor, options.AbstainedColumnName, DataType.Int64, 1),
            new SaidTensor(SetTensor, options.PredictionSetColumnName, DataType.String, null),
            .. scoresUnknown
                ? [new SaidTensor(UnknownTensor, options.UnknownColumnName, DataType.Int64, 1)]
                : (SaidTensor[])[],
        ];
    }

    /// <summary>The columns, from a row of <see cref="AnswerRows"/>.</summary>
    public IReadOnlyList<RowOutput> Outputs { get; }

    /// <summary>What <see cref="AddTo"/> adds to a graph.</summary>
    public IReadOnlyList<SaidTensor> Tensors { get; }

    /// <summary>Names of the columns that a classifier of these options has; none where it promises nothing.</summary>
    public static IEnumerable<string> NamesOf(ImageClassificationOptions options)
    {
        if (options.Reliability is null)
            yield break;
        yield return options.AbstainedColumnName;
        yield return options.PredictionSetColumnName;
        if (options.Reliability.ScoresUnknown)
            yield return options.UnknownColumnName;
    }

    /// <summary>An estimator that adds columns of these types; what is in them does not matter.</summary>
    public static IEstimator<ITransformer> Shape(TransformsCatalog transforms, ImageClassificationOptions options)
    {
        SchemaDefinition columns = SchemaDefinition.Create(typeof(Row));
        if (!options.Reliability!.ScoresUnknown)
            columns.RemoveAll(column => column.MemberName == nameof(Row.Unknown));
        // By their members: one column may have the name of another member.
        foreach (SchemaDefinition.Column column in columns)
            column.ColumnName = column.MemberName switch
            {
                nameof(Row.Abstained) => options.AbstainedColumnName,
                nameof(Row.Set) => options.PredictionSetColumnName,
                _ => options.UnknownColumnName,
            };
        return transforms.CustomMapping<Nothing, Row>(
            (_, _) => { },
            null,
            SchemaDefinition.Create(typeof(Nothing)),
            columns
        );
    }

    /// <summary>
    /// Adds <see cref="Tensors"/> to a model of this library that runs one image at a time: 0 or 1, and names of
    /// classes.
    /// </summary>
    public OnnxModel AddTo(OnnxModel model)
    {
        var nodes = new List<NodeProto>();
        var constants = new List<TensorProto>
        {
            Floats("sure", Least(p => facts.Abstention!.Abstains(p) == false)),
            Floats("inside", Least(p => 1.0 - p <= facts.Sets!.Lac)),
            Floats("known", facts.Unknown is null ? -1 : 1),
            TensorData.Longs(Prefix + "all", [classes.Count], 1),
            TensorData.Longs(Prefix + "first", [0], 1),
            TensorData.Longs(Prefix + "one", [1], 1),
            TensorData.Longs(Prefix + "row_of_all", [1, -1], 2),
            new()
            {
                Name = Prefix + "names",
                DataType = (int)DataType.String,
                Dims = { classes.Count },
                StringData = { classes.Select(Google.Protobuf.ByteString.CopyFromUtf8) },
            },
            new()
            {
                Name = Prefix + "likeliest",
                DataType = (int)DataType.Bool,
                Dims = { classes.Count },
                Int32Data = { Enumerable.Range(0, classes.Count).Select(i => i == 0 ? 1 : 0) },
            },
        };
        string row = Node("Reshape", "row", [TransferModel.ProbabilitiesOutput, Prefix + "all"]);
        nodes.Add(
            new NodeProto
            {
                OpType = "TopK",
                Name = Prefix + "order",
                Input = { row, Prefix + "all" },
                Output = { Prefix + "falling", Prefix + "order" },
                Attribute = { Attributes.Of("axis", 0) },
            }
        );
        string highest = Node("Gather", "highest", [Prefix + "falling", Prefix + "first"], Attributes.Of("axis", 0));
        Flag(AbstainedTensor, Node("Less", "unsure", [highest, Prefix + "sure"]));
        // The likeliest class is in the set whatever its probability.
        string outside = Node("Less", "outside", [Prefix + "falling", Prefix + "inside"]),
            inside = Node("Or", "chosen", [Node("Not", "within", [outside]), Prefix + "likeliest"]),
            chosen = Node("Compress", "classes", [Prefix + "order", inside], Attributes.Of("axis", 0));
        string listed = Node("Reshape", "listed", [chosen, Prefix + "row_of_all"]);
        nodes.Add(
            new NodeProto
            {
                OpType = "Gather",
                Name = SetTensor,
                Input = { Prefix + "names", listed },
                Output = { SetTensor },
                Attribute = { Attributes.Of("axis", 0) },
            }
        );
        if (scoresUnknown)
            Flag(
                UnknownTensor,
                facts.Unknown is null
                    ? Node("Less", "foreign", [highest, Prefix + "known"])
                    : Node("Greater", "foreign", [TransferModel.UnknownOutput, Prefix + "known"])
            );
        return model.Append([.. nodes], [.. constants]);

        string Node(string type, string name, string[] inputs, params AttributeProto[] attributes)
        {
            var node = new NodeProto
            {
                OpType = type,
                Name = Prefix + name,
                Output = { Prefix + name },
            };
            node.Input.AddRange(inputs);
            node.Attribute.AddRange(attributes);
            nodes.Add(node);
            return Prefix + name;
        }

        void Flag(string tensor, string truth)
        {
            string number = Node(
                "Cast",
                $"{tensor[Prefix.Length..]}_number",
                [truth],
                Attributes.Of("to", (long)DataType.Int64)
            );
            nodes.Add(
                new NodeProto
                {
                    OpType = "Reshape",
                    Name = tensor,
                    Input = { number, Prefix + "one" },
                    Output = { tensor },
                }
            );
        }
    }

    /// <summary>Steps that make truth values of the graph's numbers.</summary>
    public IEnumerable<IEstimator<ITransformer>> After(MLContext context) =>
        Tensors
            .Where(tensor => tensor.Type == DataType.Int64)
            .SelectMany(tensor =>
                StockOutputs.Scalar(context, tensor.Column, ClassKeys.Truths(context), toKeys: false)
            );

    /// <summary>Compares what a saved chain says with what its own scores mean, and with the model in memory.</summary>
    /// <param name="own">Rows as the model in memory has them.</param>
    /// <param name="stock">The same rows as the chain has them.</param>
    /// <exception cref="TransferException">They differ.</exception>
    public void Check(IDataView own, IDataView stock)
    {
        float[][] scores = [.. stock.GetColumn<float[]>(options.ScoreColumnName)];
        bool[] abstained = [.. stock.GetColumn<bool>(options.AbstainedColumnName)];
        string[][] sets = [.. stock.GetColumn<string[]>(options.PredictionSetColumnName)];
        for (int row = 0; row < scores.Length; row++)
        {
            // Its own scores: another order of sums may move a probability across a threshold.
            ReliabilityVerdict verdict = Judge(scores[row]);
            Require(row, options.AbstainedColumnName, verdict.Abstains ?? true, abstained[row]);
            Require(
                row,
                options.PredictionSetColumnName,
                string.Join(", ", Names(verdict.Set!)),
                string.Join(", ", sets[row])
            );
        }

        if (!scoresUnknown)
            return;
        bool[] expected = [.. own.GetColumn<bool>(options.UnknownColumnName)],
            found = [.. stock.GetColumn<bool>(options.UnknownColumnName)];
        for (int row = 0; row < expected.Length; row++)
            Require(row, options.UnknownColumnName, expected[row], found[row]);
    }

    private static void Require<T>(int row, string column, T expected, T found)
    {
        if (!EqualityComparer<T>.Default.Equals(expected, found))
            throw new TransferException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"The model was not saved: for image {row} ML.NET's form of it has '{found}' in column '{column}'; "
                        + $"'{expected}' was expected. This is a fault of the export: report it with the backbone and "
                        + $"the version of Microsoft.ML."
                )
            );
    }

    private RowOutput Truth(string name, Func<ReliabilityVerdict, bool> value) =>
        RowOutput.Scalar(name, BooleanDataViewType.Instance, null, row => value(Judge(row.Span)));

    private ReliabilityVerdict Judge(ReadOnlySpan<float> row) =>
        facts.Judge(row[..classes.Count], row.Length > classes.Count ? row[classes.Count] : null, ClassSetKind.Lac);

    private string[] Names(IReadOnlyList<int> set) => [.. set.Select(c => classes[c])];

    private static TensorProto Floats(string name, float value) => TensorData.Floats(Prefix + name, [value], 1);

    /// <summary>
    /// The smallest number from 0 on that is enough, so that comparing with it in float32 is the same as asking: what
    /// is enough is so from there on. Above every probability where none is.
    /// </summary>
    private static float Least(Func<float, bool> isEnough)
    {
        // Floats from 0 on are in the order of their bits.
        int low = 0,
            high = BitConverter.SingleToInt32Bits(Never);
        while (low < high)
        {
            int middle = low + (high - low) / 2;
            if (isEnough(BitConverter.Int32BitsToSingle(middle)))
                high = middle;
            else
                low = middle + 1;
        }

        return BitConverter.Int32BitsToSingle(low);
    }

    private sealed class Nothing;

    private sealed class Row
    {
        public bool Abstained { get; set; }

        [VectorType]
        public string[] Set { get; set; } = [];

        public bool Unknown { get; set; }
    }
}

/// <summary>A tensor of a graph that becomes a column.</summary>
/// <param name="Tensor">Its name in the graph.</param>
/// <param name="Column">Name of the column.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Length">How many there are; null where that differs from image to image.</param>
internal sealed record SaidTensor(string Tensor, string Column, DataType Type, int? Length);
