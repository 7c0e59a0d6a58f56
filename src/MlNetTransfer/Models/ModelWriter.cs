using System.Text.Json.Serialization;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Heads;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Runtime;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Models;

/// <summary>
/// Writes a model file that has shown that it agrees with what was evaluated; a file that does not is never kept.
/// </summary>
/// <param name="limits">What an image may cost.</param>
/// <param name="plan">How the check is run; the CPU's plan if null.</param>
public sealed class ModelWriter(ImageLimits? limits = null, ExecutionPlan? plan = null)
{
    /// <summary>Images that a file is checked on, at most.</summary>
    public const int ParityImages = 64;

    /// <summary>
    /// Writes beside the target under a name of its own, reads back, checks on real images, then takes the target's
    /// name.
    /// </summary>
    /// <param name="onnx">The model, metadata included.</param>
    /// <param name="path">The file; replaced where it exists. Its folder is made where it is missing.</param>
    /// <param name="sample">Images and what was evaluated for them.</param>
    /// <param name="progress">Told after every image.</param>
    /// <param name="cancellation">Ends the work; the target is not touched.</param>
    /// <returns>How far the file agrees, and its SHA-256 (hexadecimal).</returns>
    /// <exception cref="TransferException"> The file does not agree, or the folder cannot be made; a file that was
    /// there before stays. Or the target cannot be replaced: then the verified file stays beside it, and the message
    /// says where.
    /// </exception>
    /// <exception cref="GraphException">The file cannot be written, e.g. because the disk is full.</exception>
    public (ParityRecord Parity, string Sha256) Write(
        OnnxModel onnx,
        string path,
        ParitySample sample,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    )
    {
        (StagedFile file, ParityRecord parity) = Stage(onnx, path, sample, progress, cancellation);
        using (file)
            file.Take();
        return (parity, file.Sha256);
    }

    /// <summary>All of that but the last step.</summary>
    internal (StagedFile File, ParityRecord Parity) Stage(
        OnnxModel onnx,
        string path,
        ParitySample sample,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        return ModelFile.Stage(
            onnx,
            path,
            staged =>
            {
                ParityRecord parity = Verify(staged, sample, progress, cancellation);
                return parity.Agrees
                    ? parity
                    : throw new TransferException(
                        string.Create(
                            System.Globalization.CultureInfo.InvariantCulture,
                            $"'{path}' was not kept: on {parity.Images} images the written model differs from the "
                                + $"evaluated one by up to {parity.MaxDifference:g3} in probability; at most "
                                + $"{ParityRecord.Tolerance:g1} was expected. This is a fault of the export: report "
                                + $"it with the backbone's id."
                        )
                    );
            }
        );
    }

    private ParityRecord Verify(
        string file,
        ParitySample sample,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        using TransferModel model = TransferModel.Load(file, limits, plan);
        ItemRows found = model.Answer(sample.Items, "Checking the written model", progress, cancellation);
        if (found.Rejected.Count > 0)
            throw new TransferException(
                $"'{file}' could not be checked: {found.Rejected[0].File} was readable before and is not any more "
                    + $"({found.Rejected[0].Reason}). Run again when the images do not change."
            );
        int classes = model.ClassNames.Count;
        RequireUnknown(file, sample, AnswerRows.Unknown(found, classes));
        return ParityRecord.Of(sample.Probabilities, AnswerRows.Probabilities(found, classes).Values, classes);
    }

    /// <summary>What the file scores of unknown images must be what was found, within the tolerance.</summary>
    private static void RequireUnknown(string file, ParitySample sample, float[] found)
    {
        if (found.Length != sample.Unknown.Length)
            throw new TransferException(
                $"'{file}' gives {found.Length} scores of unknown images; {sample.Unknown.Length} were expected. This "
                    + "is a fault of the export: report it with the backbone's id."
            );
        double difference = ParityRecord.Scores(sample.Unknown, found);
        if (sample.Score is { } score)
            difference = Math.Max(difference, OnRandomFeatures(OnnxModel.Load(file), score));
        if (!(difference <= ParityRecord.UnknownTolerance))
            throw new TransferException(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"'{file}' was not kept: its scores of unknown images differ from those found in training by up "
                        + $"to {difference:g3}. This is a fault of the export: report it with the backbone's id."
                )
            );
    }

    /// <summary>The largest difference for random features, which are far from those of all training images.</summary>
    private static double OnRandomFeatures(OnnxModel model, UnknownScore score)
    {
        const int rows = 16;
        var rng = new Rng(1);
        float[] values = [.. Enumerable.Range(0, rows * score.Width).Select(_ => (float)rng.NextNormal())];
        OnnxModel graph = model
            .StartAt(FeatureGraph.Output, new Dimension(null, "N"), new Dimension(score.Width))
            .CutAt(TransferModel.UnknownOutput);
        using var session = new OrtSession(graph.ToBytes(), OrtSettings.OneThread, "the score of unknown images");
        using OrtValue features = OrtValue.CreateTensorValueFromMemory(values, [rows, score.Width]);
        using IDisposableReadOnlyCollection<OrtValue> found = session.Run(
            new Dictionary<string, OrtValue> { [FeatureGraph.Output] = features },
            [TransferModel.UnknownOutput]
        );
        float[] expected =
        [
            .. Enumerable.Range(0, rows).Select(i => (float)score.Score(values.AsSpan(i * score.Width, score.Width))),
        ];
        return ParityRecord.Scores(expected, found[0].GetTensorDataAsSpan<float>().ToArray());
    }
}

/// <summary>How far a written model file agrees with what was evaluated, on real images.</summary>
/// <param name="Images">Images compared.</param>
/// <param name="MaxDifference">Largest absolute difference of any probability.</param>
/// <param name="MeanDifference">Mean absolute difference of the probabilities.</param>
/// <param name="LabelFlips">Images whose likeliest class differs.</param>
public sealed record ParityRecord(int Images, double MaxDifference, double MeanDifference, int LabelFlips)
{
    /// <summary>
    /// Largest difference at which a file is kept. File and evaluation compute the same sums in float32 in another
    /// order, which moves a feature by about 1e-6 of its size and a probability by about as much; heads with large
    /// weights that nearly cancel, such as a discriminant's, were measured at up to 1e-4. A wrong weight, layout or
    /// preprocessing moves it by far more than this.
    /// </summary>
    public const double Tolerance = 1e-3;

    /// <summary>
    /// Largest difference of the scores of unknown images, as a share of the score where that is above 1; null where
    /// they were not compared.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public double? UnknownDifference { get; init; }

    /// <summary>
    /// The same of the scores of unknown images, whose threshold is 1: they are 1 less a cosine near 1, good to about
    /// 1e-6 in float32, in units of 1e-3 at least.
    /// </summary>
    internal const double UnknownTolerance = 1e-2;

    /// <summary>Whether the file agrees.</summary>
    public bool Agrees => MaxDifference <= Tolerance;

    /// <summary>Compares probabilities of the same images.</summary>
    /// <param name="expected">What was evaluated [images × classes].</param>
    /// <param name="found">What the file gives [images × classes].</param>
    /// <param name="classes">Number of classes.</param>
    public static ParityRecord Of(ReadOnlySpan<float> expected, ReadOnlySpan<float> found, int classes)
    {
        if (expected.Length != found.Length)
            throw new ArgumentException(
                $"{found.Length} probabilities cannot be compared with {expected.Length}.",
                nameof(found)
            );
        double max = 0,
            sum = 0;
        int flips = 0,
            images = expected.Length / classes;
        for (int i = 0; i < expected.Length; i++)
        {
            double difference = Math.Abs((double)expected[i] - found[i]);
            max = Math.Max(max, difference);
            sum += difference;
        }

        for (int i = 0; i < images; i++)
            if (Likeliest(expected.Slice(i * classes, classes)) != Likeliest(found.Slice(i * classes, classes)))
                flips++;
        return new ParityRecord(images, max, expected.Length == 0 ? 0 : sum / expected.Length, flips);
    }

    /// <summary>
    /// The largest |found - expected| / max(1, expected) of scores of unknown images; NaN where one is not a number.
    /// </summary>
    internal static double Scores(IReadOnlyList<float> expected, IReadOnlyList<float> found) =>
        expected.Zip(found, (e, f) => Math.Abs((double)f - e) / Math.Max(1, e)).Aggregate(0.0, Math.Max);

    /// <summary>The index of the largest number; of equal ones, the first.</summary>
    internal static int Likeliest(ReadOnlySpan<float> probabilities)
    {
        int best = 0;
        for (int c = 1; c < probabilities.Length; c++)
            if (probabilities[c] > probabilities[best])
                best = c;
        return best;
    }
}

/// <summary>Real images and what the evaluated model says of them, to check a written file against.</summary>
/// <param name="Items">The images.</param>
/// <param name="Probabilities">What was evaluated [images × classes].</param>
public sealed record ParitySample(IReadOnlyList<DataItem> Items, float[] Probabilities)
{
    /// <summary>
    /// The score of unknown images of each [images]; empty where the model gives none.
    /// </summary>
    internal float[] Unknown { get; init; } = [];

    /// <summary>
    /// What gave those scores: the written file must give the same for features that no image has, since those of
    /// training images are all 0, however wrong the file is. Null where that is not checked.
    /// </summary>
    internal UnknownScore? Score { get; init; }

    /// <summary>SHA-256 of each image's file [images × 32]; empty where it is not known.</summary>
    internal byte[] Digests { get; init; } = [];
}

/// <summary>
/// Puts a head on a feature graph: logits by the head, probabilities = softmax(logits), label = the likeliest class.
/// </summary>
public static class ModelGraph
{
    /// <summary>The first operator set in which heads' operators have the form that heads write.</summary>
    private const int OldestOfHeads = 11;

    /// <summary>What a graph of an older set is rewritten for.</summary>
    private const int UpgradeTo = 13;

    /// <summary>Builds the whole model.</summary>
    /// <param name="features">The graph from image to features; see <see cref="FeatureGraph"/>.</param>
    /// <param name="head">The head; as wide as the features.</param>
    /// <param name="metadata">What the file says of itself.</param>
    /// <returns>Image [N, 3, H, W] to probabilities [N × classes] and label [N].</returns>
    public static OnnxModel Build(OnnxModel features, IHead head, ModelMetadata metadata) =>
        ModelFile.Stated(WithHead(features, head), metadata);

    /// <summary>The same with a score of how unlike the training images an image is; null for none.</summary>
    internal static OnnxModel Build(OnnxModel features, IHead head, UnknownScore? unknown, ModelMetadata metadata) =>
        ModelFile.Stated(WithHead(features, head, unknown), metadata);

    /// <summary>Features to probabilities and label, and the score of unknown images where there is one.</summary>
    /// <param name="features">A graph that has the features as the tensor <see cref="FeatureGraph.Output"/>.</param>
    /// <param name="head">The head.</param>
    /// <param name="unknown">The score; null for none.</param>
    internal static OnnxModel WithHead(OnnxModel features, IHead head, UnknownScore? unknown = null)
    {
        if (features.OpsetVersion() < OldestOfHeads)
            features = features.UpgradeOpset(UpgradeTo);
        OnnxModel model = features
            .WithFreeName(TransferModel.ProbabilitiesOutput)
            .Model.WithFreeName(TransferModel.LabelOutput)
            .Model;
        if (unknown is not null)
            model = model.WithFreeName(TransferModel.UnknownOutput).Model;
        var graph = new HeadGraph(model, FeatureGraph.Output);
        string logits = head.AddTo(graph);
        string? score = unknown?.AddTo(graph);
        model = graph.Build();
        NodeProto[] nodes =
        [
            new()
            {
                OpType = "Softmax",
                Name = TransferModel.ProbabilitiesOutput,
                Input = { logits },
                Output = { TransferModel.ProbabilitiesOutput },
                Attribute = { Attributes.Of("axis", 1) },
            },
            new()
            {
                OpType = "ArgMax",
                Name = TransferModel.LabelOutput,
                Input = { logits },
                Output = { TransferModel.LabelOutput },
                Attribute = { Attributes.Of("axis", 1), Attributes.Of("keepdims", 0) },
            },
        ];
        model = model.Append(nodes);
        return score is null
            ? model.CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput)
            : model
                .RenameTensor(score, TransferModel.UnknownOutput)
                .CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput, TransferModel.UnknownOutput);
    }
}
