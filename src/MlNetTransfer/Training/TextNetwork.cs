using System.Globalization;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Training;

/// <summary>A backbone of texts in the form in which it is trained: every text padded to one length.</summary>
/// <remarks>
/// A training step has fixed shapes, so that the cut to the longest text of a run goes, and the mask alone keeps
/// padding out. Token numbers come as float32, which is exact up to 2²⁴, because rows at the freeze boundary are.
/// Weights keep their names: what is trained goes back into the backbone as it was. Tables of tokens and positions stay
/// as they are.
/// </remarks>
internal static class TextNetwork
{
    /// <summary>Name of the input, float32 [N, tokens].</summary>
    public const string Input = "token_numbers";

    private const int Multiple = 8;

    /// <param name="backbone">The backbone, as <see cref="TextBackboneInspector"/> makes it.</param>
    /// <param name="length">Tokens of every text, padding included.</param>
    public static OnnxModel Of(OnnxModel backbone, int length) =>
        backbone.With(proto =>
        {
            GraphProto graph = proto.Graph;
            HashSet<string> cuts = ["text/lengths", "text/longest", "text/end", TextGraph.Ids];
            NodeProto mask = graph.Node.Single(n => n.Output.Contains(TextGraph.Mask));
            if (mask.OpType == "Slice")
            {
                (string whole, mask.OpType) = (mask.Input[0], "Identity");
                mask.Input.Clear();
                mask.Input.Add(whole);
            }

            NodeProto[] kept = [.. graph.Node.Where(n => !n.Output.Any(cuts.Contains))];
            foreach (NodeProto node in kept)
                for (int i = 0; i < node.Input.Count; i++)
                    if (node.Input[i] == TextGraph.Input)
                        node.Input[i] = TextGraph.Ids;
                    else if (node.OpType == "Shape" && IsIds(node.Input[i], kept))
                        // Of one shape with the token numbers, and there above every boundary.
                        node.Input[i] = TextGraph.Mask;
            graph.Node.Clear();
            graph.Node.Add(
                new NodeProto
                {
                    OpType = "Cast",
                    Name = TextGraph.Ids,
                    Input = { Input },
                    Output = { TextGraph.Ids },
                    Attribute = { Attributes.Of("to", (long)DataType.Int64) },
                }
            );
            graph.Node.AddRange(kept);
            graph.Input.Clear();
            graph.Input.Add(new TensorShape(DataType.Float, ["N", length]).ToValueInfo(Input));
        });

    /// <summary>
    /// Tokens of the longest of some texts, up to a multiple of eight; where the backbone's number is fixed, that.
    /// </summary>
    public static int Length(OnnxModel backbone, TextEncoder encoder, IEnumerable<DataItem> items, ImageLimits limits)
    {
        if (IsFixed(backbone))
            return encoder.MaxTokens;
        var row = new long[encoder.MaxTokens];
        using var reader = new ItemReader(limits);
        int longest = items.Max(item => encoder.Encode(System.Text.Encoding.UTF8.GetString(reader.Read(item)), row));
        return Math.Min(encoder.MaxTokens, (longest + Multiple - 1) / Multiple * Multiple);
    }

    /// <summary>Whether a backbone takes one number of tokens only.</summary>
    public static bool IsFixed(OnnxModel backbone) =>
        backbone.Nodes.Single(n => n.Output.Contains(TextGraph.Mask)).OpType != "Slice";

    private static bool IsIds(string tensor, NodeProto[] nodes) =>
        tensor is TextGraph.Input or TextGraph.Ids
        || Array.Find(nodes, n => n.Output.Contains(tensor)) is { OpType: "Identity" or "Cast" } node
            && node.Input[0] is TextGraph.Input or TextGraph.Ids;
}

/// <summary>The token numbers of a text as float32, all texts of one length: what networks are trained on.</summary>
/// <param name="Texts">What makes the tokens.</param>
/// <param name="Length">Tokens of every text; no text has more.</param>
internal sealed record TokenNumbers(TextEncoder Texts, int Length) : ContentEncoder
{
    public override EncoderKind Kind => Texts.Kind;

    public override object Settings => new { Texts = Texts.Settings, Length };

    public override string Version => Texts.Version;

    public override IReadOnlyList<EncodedInput> Inputs => [new(TextNetwork.Input, ElementType.Number, [Length])];

    public override string Description =>
        string.Create(CultureInfo.InvariantCulture, $"{Length} token numbers; {Texts.Description}");

    public override EncoderWorker CreateWorker(ImageLimits limits) => new Worker(this, Texts.CreateWorker(limits));

    private sealed class Worker(TokenNumbers encoder, EncoderWorker texts) : EncoderWorker
    {
        private readonly Onnx.Runtime.RowTensor<long> row = new(TextGraph.Input, 1, encoder.Texts.MaxTokens);

        public override void Encode(ReadOnlySpan<byte> content, EncodedItem target)
        {
            texts.Encode(content, new EncodedItem([row], 0));
            Span<float> numbers = target.Tensor<float>(0);
            for (int i = 0; i < numbers.Length; i++)
                numbers[i] = row[0][i];
        }

        public override void Dispose()
        {
            texts.Dispose();
            base.Dispose();
        }
    }
}
