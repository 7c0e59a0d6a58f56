using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Models;

/// <summary>
/// One model or several that take the same image, as one graph: what they compute alike, above all the network that
/// their heads stand on, is computed once. A row has all that each says of an image, one after the other, then the
/// features of the first where they are asked for. Thread-safe.
/// </summary>
internal sealed class JointModel : IDisposable
{
    private const string Row = "mlnet_transfer_joint";

    private readonly ItemGraph graph;
    private readonly DeviceParity parity;

    private JointModel(IReadOnlyList<JointAnswer> answers, ItemGraph graph, byte[] onnx)
    {
        (Answers, this.graph, parity) = (answers, graph, new DeviceParity(onnx, graph));
        Features = new Range(answers.Sum(answer => answer.Width), graph.OutputWidth);
    }

    /// <summary>The models, in the order of the files.</summary>
    public IReadOnlyList<JointAnswer> Answers { get; }

    /// <summary>Where the features of the first stand in a row; empty where they were not asked for.</summary>
    public Range Features { get; }

    /// <summary>What all of them take.</summary>
    public ContentEncoder Encoder => graph.Encoder;

    /// <summary>
    /// The part of the multiply-adds that runs of their own would take and this does not, in [0, 1); null where they
    /// cannot be counted.
    /// </summary>
    public double? Saved { get; private init; }

    /// <summary>Loads them.</summary>
    /// <param name="files">The model files.</param>
    /// <param name="features">Whether a row has the features of the first.</param>
    /// <param name="limits">What an image may cost.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <exception cref="GraphException">A file cannot be read or is no ONNX model.</exception>
    /// <exception cref="TransferException">A file is a model that cannot be used, or takes images that are prepared
    /// otherwise than those of the first.</exception>
    public static JointModel Load(
        IReadOnlyList<string> files,
        bool features,
        ImageLimits? limits = null,
        ExecutionPlan? plan = null
    )
    {
        Part[] parts = [.. files.Select(Part.Load)];
        foreach (Part part in parts)
            if (part.File.Metadata.Encoder != parts[0].File.Metadata.Encoder)
                throw new TransferException(
                    $"'{part.File.Path}' takes images that are prepared otherwise than those of "
                        + $"'{parts[0].File.Path}': they stand on different networks, so that one run cannot give "
                        + "both. Score it by a run of its own."
                );
        (OnnxModel whole, string output) =
            parts is [var only] && !features ? (only.Graph, only.Output) : Joined(parts, features);
        byte[] bytes = whole.ToBytes();
        var graph = new ItemGraph(bytes, output, parts[0].File.Metadata.Encoder, limits, plan);
        return new JointModel(Starting(parts), graph, bytes)
        {
            Saved = parts.Length == 1 ? 0 : SavedBy(whole, [.. parts.Select(part => part.Graph)]),
        };
    }

    /// <summary>A row for each image.</summary>
    public ItemRows Answer(
        IReadOnlyList<DataItem> items,
        string stage,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        parity.Check(items, cancellation);
        return new ItemRunner(graph).Run(items, stage, progress, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose() => graph.Dispose();

    private static List<JointAnswer> Starting(Part[] parts)
    {
        List<JointAnswer> answers = [];
        int start = 0;
        foreach (Part part in parts)
        {
            answers.Add(new JointAnswer(part.File.Path, part.File.Metadata, start, part.Width));
            start += part.Width;
        }

        return answers;
    }

    private static (OnnxModel Model, string Output) Joined(Part[] parts, bool features)
    {
        string[] prefixes = [.. parts.Select((_, i) => FormattableString.Invariant($"model_{i}/"))];
        OnnxModel[] graphs = [.. parts.Select(part => part.Graph)];
        List<string> rows = [.. parts.Select((part, i) => prefixes[i] + part.Output)];
        if (features)
        {
            graphs[0] = graphs[0].CutAt(parts[0].Output, FeatureGraph.Output);
            rows.Add(prefixes[0] + FeatureGraph.Output);
        }

        OnnxModel union = GraphUnion.Of([.. prefixes.Zip(graphs)], graphs.Max(graph => graph.OpsetVersion()));
        Dictionary<string, string> inputs = [];
        for (int i = 1; i < graphs.Length; i++)
            foreach ((ValueInfoProto own, ValueInfoProto first) in graphs[i].Inputs.Zip(graphs[0].Inputs))
                inputs[prefixes[i] + own.Name] = prefixes[0] + first.Name;
        NodeProto concat = new()
        {
            OpType = "Concat",
            Name = Row,
            Output = { Row },
            Attribute = { Attributes.Of("axis", 1) },
        };
        concat.Input.AddRange(rows);
        OnnxModel joint = CommonNodes.Merge(union.Append([concat]).CutAt(Row), inputs).RemoveUnusedInitializers();
        // The encoder knows its inputs by their names.
        foreach (ValueInfoProto input in graphs[0].Inputs)
            joint = joint.RenameTensor(prefixes[0] + input.Name, input.Name);
        return (joint, Row);
    }

    private static double? SavedBy(OnnxModel joint, OnnxModel[] single)
    {
        long?[] each = Array.ConvertAll(single, ModelCost.MultiplyAdds);
        return ModelCost.MultiplyAdds(joint) is { } together && each.All(count => count is > 0)
            ? 1 - (together / (double)each.Sum(count => count!.Value))
            : null;
    }

    /// <summary>A model, and its graph with a row of all that it says.</summary>
    private sealed record Part(ModelFile File, OnnxModel Graph, string Output)
    {
        public int Width => File.Metadata.Labels.Count + (Output == TransferModel.ProbabilitiesOutput ? 0 : 1);

        public static Part Load(string path)
        {
            ModelFile file = TransferModel.Usable(ModelFile.Load(path));
            (OnnxModel graph, string output) = AnswerRows.Graph(file.Onnx);
            var part = new Part(file, graph.CutAt(output), output);
            return part.Graph.DeclaredShape(output) is { Dimensions: [_, { Size: { } found }] } && found == part.Width
                ? part
                : throw new TransferException(
                    $"Model '{path}' cannot be used: its metadata names {file.Metadata.Labels.Count} labels, its graph "
                        + $"gives {part.Graph.DeclaredShape(output)} where a row of {part.Width} was expected. Train "
                        + "the model again."
                );
        }
    }
}

/// <summary>A model's part of a row of a <see cref="JointModel"/>.</summary>
/// <param name="Path">The model file.</param>
/// <param name="Metadata">What the model says of itself.</param>
/// <param name="Start">Where its numbers begin.</param>
/// <param name="Width">How many it has: probabilities [classes], then the score of unknown images where it gives
/// one.</param>
internal sealed record JointAnswer(string Path, ModelMetadata Metadata, int Start, int Width)
{
    /// <summary>Its numbers.</summary>
    /// <param name="row">The whole row.</param>
    public ReadOnlySpan<float> Of(ReadOnlySpan<float> row) => row.Slice(Start, Width);
}
