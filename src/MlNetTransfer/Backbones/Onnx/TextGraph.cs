using MlNetTransfer.Encoders;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// The form of every text backbone: token numbers [N, tokens] in, padded; each layer's states pooled to rows.
/// </summary>
/// <remarks>
/// Between the input and the model stand a few nodes: which tokens are none of padding, how many the longest text has,
/// and a cut to that many. So a run of one text computes what an unpadded run computes, and padding costs nothing.
/// A model whose number of tokens is fixed is not cut.
/// </remarks>
internal sealed class TextGraph
{
    /// <summary>Name of the input: the numbers of tokens, int64.</summary>
    public const string Input = "input_ids";

    /// <summary>Name of the mask, int64 [N, tokens of the longest text]: 1 for a token, 0 for padding.</summary>
    public const string Mask = "text/attention_mask";

    /// <summary>Name of the token numbers as the model takes them [N, tokens of the longest text].</summary>
    public const string Ids = "text/input_ids";

    private const string Own = "text/",
        Live = "text/live",
        Wide = "text/weights",
        Count = "text/count";

    private readonly int tokens;
    private readonly List<(string Tensor, int Width)> rows = [];
    private OnnxModel model;

    /// <param name="model">The model, of operator set 13 or later.</param>
    /// <param name="inputs">Its inputs.</param>
    /// <param name="padding">Number of the token that is padding.</param>
    /// <param name="tokens">Most tokens of a text.</param>
    public TextGraph(OnnxModel model, TextInputs inputs, int padding, int tokens)
    {
        this.tokens = tokens;
        this.model = WithInput(model, inputs, padding);
    }

    /// <summary>Adds the row of a text: its tokens' states pooled.</summary>
    /// <param name="states">The states [N, tokens, width].</param>
    /// <param name="width">Their width.</param>
    /// <param name="pooling">How.</param>
    /// <returns>Name of the tensor [N, width], float32.</returns>
    public string Pooled(string states, int width, TextPooling pooling)
    {
        string row = FormattableString.Invariant($"{Own}row_{rows.Count + 1}"),
            single = $"{row}/single",
            pooled = $"{row}/pooled";
        List<NodeProto> nodes = [Node("Cast", single, [states], Attributes.Of("to", (long)DataType.Float))];
        if (pooling == TextPooling.Cls)
            nodes.Add(Node("Gather", pooled, [single, "text/zero"], Attributes.Of("axis", 1)));
        else
        {
            nodes.Add(Node("Mul", $"{row}/heeded", [single, Wide]));
            nodes.Add(
                Node("ReduceSum", $"{row}/sum", [$"{row}/heeded", "text/token_axis"], Attributes.Of("keepdims", 0))
            );
            nodes.Add(Node("Div", pooled, [$"{row}/sum", Count]));
        }

        // The width of states may be known only when the graph runs; that of rows must be known before.
        nodes.Add(Node("Reshape", row, [pooled, $"{row}/sides"]));
        model = model.Append(nodes, [TensorData.Longs($"{row}/sides", [-1, width], 2)]);
        rows.Add((row, width));
        return row;
    }

    /// <summary>The backbone; its output is the last row.</summary>
    public OnnxModel Build(string output, int width)
    {
        OnnxModel cut = GraphCut.At(model, [.. rows.Select(r => r.Tensor)], typed: false).RemoveUnusedInitializers();
        return cut.With(proto =>
        {
            proto.Graph.ValueInfo.Clear();
            proto.Graph.ValueInfo.AddRange(
                rows.Where(r => r.Tensor != output).Select(r => Row(r.Width).ToValueInfo(r.Tensor))
            );
            proto.Graph.Output.Clear();
            proto.Graph.Output.Add(Row(width).ToValueInfo(output));
        });
    }

    private static TensorShape Row(int width) => new(DataType.Float, ["N", width]);

    private OnnxModel WithInput(OnnxModel given, TextInputs inputs, int padding)
    {
        if (
            Subgraphs
                .DefinedAnywhere(given.Proto.Graph)
                .FirstOrDefault(n => n.StartsWith(Own, StringComparison.Ordinal)) is
            { } taken
        )
            throw new TransferException(
                $"The model has a tensor '{taken}', a name that is used here: it is a text backbone already. Add the "
                    + "model that it was made of."
            );
        (string ids, string mask, string types) = ($"{Own}of_ids", $"{Own}of_mask", $"{Own}of_types");
        given = given.RenameTensor(inputs.Ids.Name, ids).RenameTensor(inputs.Mask.Name, mask);
        bool open = inputs.Length is null;
        List<NodeProto> nodes =
        [
            Node("Equal", "text/padding", [Input, "text/padding_id"]),
            Node("Not", "text/token", ["text/padding"]),
            Node("Cast", open ? Live : Mask, ["text/token"], Attributes.Of("to", (long)DataType.Int64)),
        ];
        if (open)
            nodes.AddRange([
                Node("ReduceSum", "text/lengths", [Live, "text/token_axis"], Attributes.Of("keepdims", 1)),
                Node("ReduceMax", "text/longest", ["text/lengths"], Attributes.Of("keepdims", 1)),
                Node("Reshape", "text/end", ["text/longest", "text/one"]),
                Node("Slice", Ids, [Input, "text/begin", "text/end", "text/token_axis"]),
                Node("Slice", Mask, [Live, "text/begin", "text/end", "text/token_axis"]),
            ]);
        else
            nodes.Add(Node("Identity", Ids, [Input]));
        nodes.AddRange([
            As(ids, Ids, inputs.Ids),
            As(mask, Mask, inputs.Mask),
            Node("Cast", "text/weights_flat", [Mask], Attributes.Of("to", (long)DataType.Float)),
            Node("Unsqueeze", Wide, ["text/weights_flat", "text/width_axis"]),
            Node("ReduceSum", Count, ["text/weights_flat", "text/token_axis"], Attributes.Of("keepdims", 1)),
        ]);
        if (inputs.Types is { } second)
        {
            given = given.RenameTensor(second.Name, types);
            nodes.Add(Node("Sub", "text/first_text", [Mask, Mask]));
            nodes.Add(As(types, "text/first_text", second));
        }

        return given.With(proto =>
        {
            proto.Graph.Input.Clear();
            proto.Graph.Input.Add(new TensorShape(DataType.Int64, ["N", tokens]).ToValueInfo(Input));
            proto.Graph.Initializer.AddRange([
                TensorData.Longs("text/padding_id", [padding]),
                TensorData.Longs("text/zero", [0]),
                TensorData.Longs("text/begin", [0], 1),
                TensorData.Longs("text/one", [1], 1),
                TensorData.Longs("text/token_axis", [1], 1),
                TensorData.Longs("text/width_axis", [2], 1),
            ]);
            // Before all others: nodes stand after what they take.
            for (int i = 0; i < nodes.Count; i++)
                proto.Graph.Node.Insert(i, nodes[i]);
        });
    }

    private static NodeProto As(string name, string tensor, ValueInfoProto input) =>
        TextInputs.IsLong(input)
            ? Node("Identity", name, [tensor])
            : Node("Cast", name, [tensor], Attributes.Of("to", (long)DataType.Int32));

    private static NodeProto Node(string type, string output, string[] inputs, params AttributeProto[] attributes)
    {
        var node = new NodeProto { OpType = type, Name = output };
        node.Input.AddRange(inputs);
        node.Output.Add(output);
        node.Attribute.AddRange(attributes);
        return node;
    }
}
