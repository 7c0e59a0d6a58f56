using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Models;

/// <summary>A trained image classifier from one ONNX file. Thread-safe.</summary>
/// <remarks>
/// The file takes a float image [N, 3, Size, Size] after the stated preprocessing and gives
/// <see cref="ProbabilitiesOutput"/> [N × classes] and <see cref="LabelOutput"/> [N]; labels and preprocessing are in
/// its metadata, so loading needs nothing else.
/// </remarks>
public sealed class TransferModel : IDisposable
{
    /// <summary>Name of the graph's output with calibrated probabilities, float32 [N × classes].</summary>
    public const string ProbabilitiesOutput = "probabilities";

    /// <summary>Name of the graph's output with the likeliest class, int64 [N]: an index into the labels.</summary>
    public const string LabelOutput = "label";

    /// <summary>
    /// Name of the graph's output with the score of unknown images, float32 [N]: above 1 for an image unlike any
    /// training image. Only where <see cref="Reliability.Unknown"/> of the metadata is not null.
    /// </summary>
    public const string UnknownOutput = "unknown";

    private readonly DeviceParity parity;
    private readonly Lazy<ItemGraph> graph;

    private TransferModel(ModelMetadata metadata, ItemGraph answers, Lazy<ItemGraph> graph, DeviceParity parity) =>
        (Metadata, Answers, this.graph, this.parity) = (metadata, answers, graph, parity);

    /// <summary>What the file says of itself.</summary>
    public ModelMetadata Metadata { get; }

    /// <summary>The classes; the index is the label id.</summary>
    public IReadOnlyList<string> ClassNames => Metadata.Labels;

    /// <summary>
    /// The graph from image to probabilities, for hosts that feed it themselves. Disposed with the model. Of a model
    /// that scores unknown images it is a session of its own, opened at first use; <see cref="Answers"/> gives both.
    /// </summary>
    public ItemGraph Graph => graph.Value;

    /// <summary>
    /// The graph from image to all that the model says of it: probabilities [classes], then the score of unknown images
    /// where it gives one; <see cref="Judge"/> reads such a row. Disposed with the model.
    /// </summary>
    public ItemGraph Answers { get; }

    /// <summary>What is to be said of an image beside its probabilities.</summary>
    /// <param name="answer">A row of <see cref="Answers"/>.</param>
    /// <param name="sets">How the set of classes is made.</param>
    /// <returns>Nothing but nulls where the file is of an earlier version.</returns>
    public ReliabilityVerdict Judge(ReadOnlySpan<float> answer, ClassSetKind sets = ClassSetKind.Lac) =>
        Metadata.Judge(answer, sets);

    /// <summary>Loads a model file.</summary>
    /// <param name="path">The file, or an address of the registry, see <see cref="ModelRegistry"/>.</param>
    /// <param name="limits">What an image may cost when scored.</param>
    /// <param name="plan">How the graph is run; the CPU's plan if null.</param>
    /// <exception cref="GraphException">The file cannot be read or is no ONNX model.</exception>
    /// <exception cref="TransferException">The file is an ONNX model that this product did not write, or its parts do
    /// not agree.</exception>
    public static TransferModel Load(string path, ImageLimits? limits = null, ExecutionPlan? plan = null)
    {
        (path, OnnxModel onnx, ModelMetadata metadata) = Usable(ModelFile.Load(ModelRegistry.FileOf(path)));
        ItemGraph? graph = null;
        try
        {
            (OnnxModel whole, string output) = AnswerRows.Graph(onnx);
            byte[] bytes = whole.ToBytes();
            ItemGraph answers = graph = new ItemGraph(bytes, output, metadata.Encoder, limits, plan);
            int extra = output == ProbabilitiesOutput ? 0 : 1,
                found = answers.OutputWidth - extra;
            if (found != metadata.Labels.Count)
                throw new TransferException(
                    $"its metadata names {metadata.Labels.Count} labels, its graph gives {found} probabilities."
                );
            return new TransferModel(
                metadata,
                answers,
                new Lazy<ItemGraph>(() =>
                    extra == 0
                        ? answers
                        : new ItemGraph(onnx.ToBytes(), ProbabilitiesOutput, metadata.Encoder, limits, plan)
                ),
                new DeviceParity(bytes, answers)
            );
        }
        catch (TransferException e) when (e is not DeviceException)
        {
            graph?.Dispose();
            throw new TransferException($"Model '{path}' cannot be used: {e.Message} Train the model again.", e);
        }
    }

    /// <summary>Scores image files.</summary>
    /// <param name="items">The images.</param>
    /// <param name="progress">Told after every image, from any worker.</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>Probabilities [accepted × classes], and a rejection for every other image.</returns>
    public ItemRows Predict(
        IReadOnlyList<DataItem> items,
        IProgress<JobProgress>? progress = null,
        CancellationToken cancellation = default
    ) => Predict(items, "Scoring images", progress, cancellation);

    /// <summary>Scores images that are preprocessed already.</summary>
    /// <param name="tensors">The images after <see cref="ModelMetadata.Preprocessing"/>, each [3 × Size ×
    /// Size].</param>
    /// <param name="cancellation">Ends the work between two images.</param>
    /// <returns>Probabilities [tensors × classes].</returns>
    /// <exception cref="ImageRejectedException">The graph gives a number that is not finite.</exception>
    public float[] Predict(IReadOnlyList<float[]> tensors, CancellationToken cancellation = default)
    {
        var probabilities = new float[tensors.Count * ClassNames.Count];
        var answer = new float[Answers.OutputWidth];
        using ItemGraphWorker worker = Answers.CreateWorker();
        for (int i = 0; i < tensors.Count; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (tensors[i].Length != Metadata.Preprocessing.TensorLength)
                throw new ArgumentException(
                    $"Tensor {i} has {tensors[i].Length} elements; {Metadata.Preprocessing.TensorLength} were "
                        + $"expected.",
                    nameof(tensors)
                );
            worker.Run(tensors[i], answer);
            answer.AsSpan(0, ClassNames.Count).CopyTo(probabilities.AsSpan(i * ClassNames.Count));
        }

        return probabilities;
    }

    /// <summary>The file, where it is no export for other programs.</summary>
    /// <exception cref="TransferException">It is one.</exception>
    internal static ModelFile Usable(ModelFile file) =>
        file.Onnx.Inputs is [var input]
        && file.Onnx.DeclaredShape(input.Name) is { ElementType: Onnx.Proto.TensorProto.Types.DataType.Uint8 } pixels
            ? throw new TransferException(
                $"'{file.Path}' is an export for other programs: its input '{input.Name}' is {pixels}, decoded images. "
                    + "Use the model.onnx that it was made of."
            )
            : file;

    internal ItemRows Predict(
        IReadOnlyList<DataItem> items,
        string stage,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    ) => AnswerRows.Probabilities(Answer(items, stage, progress, cancellation), ClassNames.Count);

    /// <summary>All that the model says of images [accepted × width of <see cref="Answers"/>].</summary>
    internal ItemRows Answer(
        IReadOnlyList<DataItem> items,
        string stage,
        IProgress<JobProgress>? progress,
        CancellationToken cancellation
    )
    {
        parity.Check(items, cancellation);
        return new ItemRunner(Answers).Run(items, stage, progress, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Answers.Dispose();
        if (graph.IsValueCreated)
            graph.Value.Dispose();
    }
}
