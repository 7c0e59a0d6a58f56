using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Models;

/// <summary>
/// All that a model says of an image as one row: probabilities [classes], then the score of unknown images where the
/// model gives it. One run of one session gives both.
/// </summary>
internal static class AnswerRows
{
    private const string Output = "mlnet_transfer_answer";

    /// <summary>
    /// The graph of a model with such a row, and the row's name; the model itself where it gives no score.
    /// </summary>
    public static (OnnxModel Model, string Output) Graph(OnnxModel model)
    {
        if (model.Outputs.All(o => o.Name != TransferModel.UnknownOutput))
            return (model, TransferModel.ProbabilitiesOutput);
        string row = model.UniqueName(Output),
            column = model.UniqueName($"{Output}_unknown"),
            shape = model.UniqueName($"{Output}_shape");
        NodeProto[] nodes =
        [
            new()
            {
                OpType = "Reshape",
                Name = column,
                Input = { TransferModel.UnknownOutput, shape },
                Output = { column },
            },
            new()
            {
                OpType = "Concat",
                Name = row,
                Input = { TransferModel.ProbabilitiesOutput, column },
                Output = { row },
                Attribute = { Attributes.Of("axis", 1) },
            },
        ];
        return (model.Append(nodes, [TensorData.Longs(shape, [-1, 1], 2)]).CutAt(row), row);
    }

    /// <summary>The probabilities of rows [rows × classes].</summary>
    public static ItemRows Probabilities(ItemRows rows, int classes)
    {
        if (rows.Width == classes)
            return rows;
        var values = new float[rows.Accepted.Length * classes];
        for (int row = 0; row < rows.Accepted.Length; row++)
            rows.Row(row)[..classes].CopyTo(values.AsSpan(row * classes));
        return new ItemRows
        {
            Accepted = rows.Accepted,
            Values = values,
            Width = classes,
            Digests = rows.Digests,
            Rejected = rows.Rejected,
            FromCache = rows.FromCache,
            Elapsed = rows.Elapsed,
        };
    }

    /// <summary>The scores of unknown images [rows]; empty where the model gives none.</summary>
    public static float[] Unknown(ItemRows rows, int classes) =>
        rows.Width == classes
            ? []
            : [.. Enumerable.Range(0, rows.Accepted.Length).Select(row => rows.Row(row)[classes])];
}
