using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>The inputs of a BERT-class model, each [N, tokens] of whole numbers.</summary>
/// <param name="Ids">The numbers of the tokens.</param>
/// <param name="Mask">1 for a token, 0 for padding.</param>
/// <param name="Types">Which of two texts a token is of, 0 here; null where the model does not ask.</param>
/// <param name="Length">The fixed number of tokens; null where it is open.</param>
internal sealed record TextInputs(ValueInfoProto Ids, ValueInfoProto Mask, ValueInfoProto? Types, int? Length)
{
    private const string Expected =
        "expected the token numbers of a text, input_ids, and attention_mask, perhaps token_type_ids: whole numbers "
        + "[N, tokens]";

    /// <exception cref="TransferException">A model that is to be one of images takes token numbers.</exception>
    public static void Refuse(OnnxModel model)
    {
        if (model.Inputs.Any(i => TensorShape.From(i) is { Rank: 2 } shape && IsWhole(shape)))
            throw new TransferException(
                $"The model takes token numbers ({string.Join(", ", model.Inputs.Select(i => $"'{i.Name}'"))}), not "
                    + "images: it is a model of texts. Add it with --kind text (Text) and its vocabulary."
            );
    }

    /// <exception cref="TransferException">They are of another kind of model; the message says which.</exception>
    public static TextInputs Find(OnnxModel model)
    {
        string found = string.Join(
            ", ",
            model.Inputs.Select(i => $"'{i.Name}' {TensorShape.From(i)?.ToString() ?? "without a shape"}")
        );
        RefuseDecoder(model, found);
        if (
            model.Inputs.FirstOrDefault(i => TensorShape.From(i) is not { Rank: 2 } shape || !IsWhole(shape)) is
            { } other
        )
            throw new TransferException(
                $"The model's input '{other.Name}' is {TensorShape.From(other)?.ToString() ?? "without a shape"}; "
                    + $"{Expected}. "
                    + (
                        TensorShape.From(other)?.Rank == 4
                            ? "It looks like a model of images: add it without --kind text."
                            : $"All inputs: {found}."
                    )
            );
        List<ValueInfoProto> left = [.. model.Inputs];
        ValueInfoProto? mask = Take(left, "mask"),
            types = Take(left, "type", "segment");
        if (left.Count != 1)
            throw new TransferException(
                $"The model's inputs are {found}; {Expected}. Export it so that whatever else it needs, such as "
                    + "positions, is computed inside."
            );
        if (mask is null)
            throw new TransferException(
                $"The model's inputs are {found}, without an attention mask, so that its numbers would depend on the "
                    + $"padding behind a text; {Expected}. Export it with attention_mask."
            );
        TensorShape ids = TensorShape.From(left[0])!;
        if (ids.Dimensions[0].Size is > 0 and var batch)
            throw new TransferException(
                $"The model takes exactly {batch} text{(batch == 1 ? "" : "s")} at a time ({found}); expected any "
                    + "number. Export it with a dynamic batch."
            );
        return new TextInputs(left[0], mask, types, ids.Dimensions[1].Size is > 0 and var tokens ? (int)tokens : null);
    }

    /// <summary>Runs the model on some texts.</summary>
    /// <param name="model">The model, as it was found.</param>
    /// <param name="ids">Token numbers [texts][tokens], all texts of one length; negative ones are padding.</param>
    /// <param name="tensors">Tensors to read.</param>
    /// <exception cref="TransferException">ONNX Runtime cannot run it; its words are in the message.</exception>
    public IReadOnlyDictionary<string, SampleRun.Result> Run(
        OnnxModel model,
        IReadOnlyList<long[]> ids,
        IReadOnlyList<string> tensors
    )
    {
        return SampleRun.Of(
            model,
            tensors,
            session =>
            {
                Dictionary<string, OrtValue> fed = [];
                Feed(session, fed, Ids, id => Math.Max(id, 0));
                Feed(session, fed, Mask, id => id < 0 ? 0 : 1);
                Feed(session, fed, Types, _ => 0);
                return fed;
            },
            said => $"{ids.Count} text{(ids.Count == 1 ? "" : "s")} of {ids[0].Length} tokens: {said}"
        );

        void Feed(OrtSession session, Dictionary<string, OrtValue> fed, ValueInfoProto? input, Func<long, long> value)
        {
            if (input is null || !session.Inputs.ContainsKey(input.Name))
                return;
            long[] values = [.. ids.SelectMany(row => row).Select(value)],
                shape = [ids.Count, ids[0].Length];
            fed[input.Name] = IsLong(input)
                ? OrtValue.CreateTensorValueFromMemory(values, shape)
                : OrtValue.CreateTensorValueFromMemory(Array.ConvertAll(values, v => (int)v), shape);
        }
    }

    /// <summary>Whether an input is int64, else int32.</summary>
    public static bool IsLong(ValueInfoProto input) => TensorShape.From(input)!.ElementType == DataType.Int64;

    private static bool IsWhole(TensorShape shape) => shape.ElementType is DataType.Int64 or DataType.Int32;

    private static ValueInfoProto? Take(List<ValueInfoProto> left, params string[] parts)
    {
        ValueInfoProto? found = left.Find(i =>
            Array.Exists(parts, part => i.Name.Contains(part, StringComparison.OrdinalIgnoreCase))
        );
        if (found is not null)
            left.Remove(found);
        return found;
    }

    private static void RefuseDecoder(OnnxModel model, string found)
    {
        string[] ofDecoders = ["past_key", "past_value", "past.", "decoder_", "encoder_hidden", "use_cache", "cache_"];
        if (
            model.Inputs.FirstOrDefault(i =>
                Array.Exists(ofDecoders, part => i.Name.Contains(part, StringComparison.OrdinalIgnoreCase))
            ) is
            { } sign
        )
            throw new TransferException(
                $"The model has the input '{sign.Name}': it is a decoder, which writes text token by token; an encoder "
                    + $"is needed. Its inputs: {found[..Math.Min(300, found.Length)]}. "
                    + "Export a BERT-class encoder, or the encoder part alone."
            );
    }
}
