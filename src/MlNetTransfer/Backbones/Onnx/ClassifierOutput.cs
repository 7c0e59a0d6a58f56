using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using DataType = MlNetTransfer.Onnx.Proto.TensorProto.Types.DataType;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>The output of a model that has the scores of its classes.</summary>
public static class ClassifierOutput
{
    /// <summary>Name of the output of <see cref="ToProbabilities"/>.</summary>
    public const string Probabilities = "probabilities";

    /// <summary>The operator that turns scores into a map from labels.</summary>
    internal const string Map = "ZipMap";

    /// <summary>Images of noise that scores are judged by.</summary>
    private const int Judged = 8;

    /// <summary>
    /// Finds the output: the only one with a row of numbers per image; of several, that which is computed from all
    /// others. Maps from labels to scores (ZipMap) are passed over for the scores that they are made of; labels and
    /// other outputs without numbers are passed over.
    /// </summary>
    internal static string Find(OnnxModel model, string? asked, (int Width, int Height) shape)
    {
        string[] all = [.. model.Outputs.Select(o => o.Name)];
        if (all.Length == 0)
            throw new TransferException("The model has no output. Export it again.");
        if (asked is not null && !all.Contains(asked))
            throw new TransferException($"The model has no output '{asked}'. Outputs: {string.Join(", ", all)}.");
        string[] scores = [.. (asked is null ? all : [asked]).Select(o => BeforeMap(model, o)).Distinct()];
        IReadOnlyDictionary<string, SampleRun.Result> values = SampleRun.Of(
            model,
            scores,
            SampleRun.Noise(1, shape),
            1,
            shape
        );
        string Described(IEnumerable<string> outputs) =>
            string.Join(
                ", ",
                outputs.Select(o =>
                    values[o].IsNumber ? $"'{o}' [{string.Join(", ", values[o].Shape)}]" : $"'{o}', no numbers"
                )
            );
        if (scores is [var only])
            return values[only].IsNumber
                ? only
                : throw new TransferException(
                    $"The output {Described(scores)}: integers or texts, not scores. Outputs: "
                        + $"{string.Join(", ", all)}. "
                        + "Choose the one with the scores of the classes: --output (Output)."
                );
        string[] rows = [.. scores.Where(o => values[o] is { IsNumber: true, Shape: [1, > 1] or [1, > 1, 1, 1] })];
        if (rows.Length == 0)
            rows = [.. scores.Where(o => values[o] is { IsNumber: true, Shape: [1, 1] })];
        string[] last = [.. rows.Where(o => rows.All(other => other == o || FeedsInto(model, other, o)))];
        return last.Length == 1
            ? last[0]
            : throw new TransferException(
                $"The model has {all.Length} outputs: {Described(scores)}. Choose the one with the scores of the "
                    + $"classes: --output '{(rows.Length > 0 ? rows[0] : all[0])}' (Output)."
            );
    }

    /// <summary>
    /// A model whose only output, <see cref="Probabilities"/>, is float32 [N × classes]. What its scores are is judged
    /// by their values for images of noise, never by the name of an operator.
    /// </summary>
    /// <param name="model">A classifier with one output [N × classes] or [N, classes, 1, 1]; [N × 1] is the score of
    /// the second of two classes. Logits get a Softmax, their logarithms an Exp; what is a probability already is taken
    /// as it is, whether the classes exclude each other or not.</param>
    /// <param name="classes">Classes it has.</param>
    public static OnnxModel ToProbabilities(OnnxModel model, int classes)
    {
        string output = model.Outputs.Single().Name;
        int scores = Width(model, output);
        ScoreKind kind = Judge(model, output, scores);
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
        List<NodeProto> nodes =
        [
            Node("Cast", cast, [output], Attributes.Of("to", (long)DataType.Float)),
            Node("Reshape", flat, [cast, shape]),
        ];
        List<TensorProto> constants = [TensorData.Longs(shape, [-1, scores], 2)];
        if (scores == 1 && classes == 2)
        {
            string second = model.UniqueName("scores_second"),
                first = model.UniqueName("scores_first"),
                one = model.UniqueName("scores_one");
            constants.Add(TensorData.Floats(one, [1f], 1));
            nodes.Add(Node(kind == ScoreKind.Logits ? "Sigmoid" : "Identity", second, [flat]));
            nodes.Add(Node("Sub", first, [one, second]));
            nodes.Add(Node("Concat", Probabilities, [first, second], Attributes.Of("axis", 1)));
        }
        else
        {
            nodes.Add(
                kind switch
                {
                    ScoreKind.Probabilities => Node("Identity", Probabilities, [flat]),
                    ScoreKind.Logarithms => Node("Exp", Probabilities, [flat]),
                    _ => Node("Softmax", Probabilities, [flat], Attributes.Of("axis", 1)),
                }
            );
        }

        return model.Append(nodes, constants).CutAt(Probabilities);
    }

    /// <summary>What scores are, by their values.</summary>
    private static ScoreKind Judge(OnnxModel model, string output, int scores)
    {
        (int Width, int Height) shape = model.DeclaredShape(Backbone.InputName)?.Dimensions
            is [_, _, { Size: { } height }, { Size: { } width }]
            ? ((int)width, (int)height)
            : throw new TransferException("The model does not state the size of its input. Add it again.");
        // Faint and strong noise: logits grow with it, probabilities cannot.
        float[] noise = SampleRun.Noise(Judged, shape);
        int length = noise.Length / Judged;
        for (int i = 0; i < noise.Length; i++)
            noise[i] *= MathF.Pow(4, (i / length) - 2);
        float[] found = SampleRun.Of(model, [output], noise, Judged, shape)[output].Values;

        // Exponentials of strong noise may overflow; what is left tells.
        float[][] rows = [.. found.Chunk(scores).Where(row => row.All(float.IsFinite))];
        // Rounding of as many exponentials as there are classes adds up.
        const float slack = 0.02f;
        if (rows.Length > 0 && rows.All(row => row.All(v => v is >= -1e-4f and <= 1 + 1e-4f)))
            return ScoreKind.Probabilities;
        return
            rows.Length > 0
            && rows.All(row => row.All(v => v <= 1e-4f) && Math.Abs(row.Sum(v => Math.Exp(v)) - 1) <= slack)
            ? ScoreKind.Logarithms
            : ScoreKind.Logits;
    }

    private static int Width(OnnxModel model, string output) =>
        model.DeclaredShape(output)?.Dimensions is [_, { Size: { } width }, ..]
            ? (int)width
            : throw new TransferException(
                $"The model does not state the width of its output '{output}'. Add it again."
            );

    /// <summary>What a map from labels to scores is made of; the output itself where it is none.</summary>
    private static string BeforeMap(OnnxModel model, string output)
    {
        string tensor = output;
        while (model.Nodes.FirstOrDefault(n => n.Output.Contains(tensor)) is { } node)
        {
            if (node.OpType == Map)
                return node.Input[0];
            if (node.OpType != "Identity")
                break;
            tensor = node.Input[0];
        }

        return output;
    }

    private static bool FeedsInto(OnnxModel model, string tensor, string target) =>
        GraphCut.At(model, [target], typed: false).Nodes.Any(n => n.Output.Contains(tensor));

    private static NodeProto Node(string type, string name, string[] inputs, params AttributeProto[] attributes) =>
        new()
        {
            OpType = type,
            Name = name,
            Input = { inputs },
            Output = { name },
            Attribute = { attributes },
        };

    private enum ScoreKind
    {
        /// <summary>Any numbers.</summary>
        Logits,

        /// <summary>Within 0 and 1.</summary>
        Probabilities,

        /// <summary>Logarithms of probabilities.</summary>
        Logarithms,
    }
}
