using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>The output of a model that has the scores of its classes.</summary>
public static class ClassifierOutput
{
    /// <summary>Name of the output of <see cref="ToProbabilities"/>.</summary>
    public const string Probabilities = "probabilities";

    private static readonly HashSet<string> Moves = new(StringComparer.Ordinal)
    {
        "Identity",
        "Dropout",
        "Flatten",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Cast",
    };

    /// <summary>
    /// Finds the output: the only one with a row of numbers per image; of several, that which is computed from all
    /// others.
    /// </summary>
    internal static string Find(OnnxModel model, string? asked, int size)
    {
        string[] all = [.. model.Outputs.Select(o => o.Name)];
        if (asked is not null)
            return all.Contains(asked)
                ? asked
                : throw new TransferException($"The model has no output '{asked}'. Outputs: {string.Join(", ", all)}.");
        if (all.Length == 0)
            throw new TransferException("The model has no output. Export it again.");
        if (all.Length == 1)
            return all[0];
        IReadOnlyDictionary<string, SampleRun.Result> values = SampleRun.Of(
            model,
            all,
            SampleRun.Noise(1, size),
            1,
            size
        );
        string[] rows = [.. all.Where(o => values[o] is { IsNumber: true, Shape: [1, > 1] or [1, > 1, 1, 1] })];
        string[] last = [.. rows.Where(o => rows.All(other => other == o || FeedsInto(model, other, o)))];
        return last.Length == 1
            ? last[0]
            : throw new TransferException(
                $"The model has {all.Length} outputs: "
                    + $"{string.Join(", ", all.Select(o => $"'{o}' [{string.Join(", ", values[o].Shape)}]"))}. "
                    + $"Choose the one with the scores of the classes: --output "
                    + $"'{(rows.Length > 0 ? rows[0] : all[0])}' (Output)."
            );
    }

    /// <summary>A model whose only output, <see cref="Probabilities"/>, is float32 [N × classes].</summary>
    /// <param name="model">A classifier with one output [N × classes] or [N, classes, 1, 1]. Scores that do not end in
    /// Softmax, Sigmoid or LogSoftmax are logits and get a Softmax; LogSoftmax gets an Exp.</param>
    /// <param name="classes">Classes it has.</param>
    public static OnnxModel ToProbabilities(OnnxModel model, int classes)
    {
        string output = model.Outputs.Single().Name;
        string last = LastOperator(model, output);
        if (model.UniqueName(Probabilities) != Probabilities)
        {
            string other = model.UniqueName("scores");
            model = model.RenameTensor(Probabilities, other);
            if (output == Probabilities)
                output = other;
        }

        string cast = model.UniqueName("scores_float"),
            flat = model.UniqueName("scores_row"),
            shape = model.UniqueName("scores_shape");
        NodeProto end = last switch
        {
            "Softmax" or "Sigmoid" or "HardSigmoid" => new() { OpType = "Identity" },
            "LogSoftmax" => new() { OpType = "Exp" },
            _ => new() { OpType = "Softmax", Attribute = { Attributes.Of("axis", 1) } },
        };
        end.Name = Probabilities;
        end.Input.Add(flat);
        end.Output.Add(Probabilities);
        NodeProto[] nodes =
        [
            new()
            {
                OpType = "Cast",
                Name = cast,
                Input = { output },
                Output = { cast },
                Attribute = { Attributes.Of("to", (long)DataType.Float) },
            },
            new()
            {
                OpType = "Reshape",
                Name = flat,
                Input = { cast, shape },
                Output = { flat },
            },
            end,
        ];
        return model.Append(nodes, [TensorData.Longs(shape, [-1, classes], 2)]).CutAt(Probabilities);
    }

    private static bool FeedsInto(OnnxModel model, string tensor, string target) =>
        GraphCut.At(model, [target], typed: false).Nodes.Any(n => n.Output.Contains(tensor));

    /// <summary>
    /// The operator that makes the values of a tensor; operators that only move values are passed over.
    /// </summary>
    private static string LastOperator(OnnxModel model, string tensor)
    {
        while (model.Nodes.FirstOrDefault(n => n.Output.Contains(tensor)) is { } node)
        {
            if (!Moves.Contains(node.OpType))
                return node.OpType;
            tensor = node.Input[0];
        }

        return "";
    }
}
