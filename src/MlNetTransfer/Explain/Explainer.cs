using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Differentiation;

namespace MlNetTransfer.Explain;

/// <summary>How it is found out where a model looks.</summary>
public enum ExplainMethod
{
    /// <summary>Grad-CAM where the network allows it, else occlusion.</summary>
    Auto,

    /// <summary>By the gradient of the class's logit: one run per image. Convolutional networks only.</summary>
    GradCam,

    /// <summary>By covering parts of the image and asking again: 49 runs per image, any network of images.</summary>
    Occlusion,
}

/// <summary>Where in an image a model sees a class.</summary>
/// <param name="Label">The class.</param>
/// <param name="Probability">What the model says of it, in [0, 1].</param>
/// <param name="Method">How it was found out.</param>
/// <param name="Heatmap">Where.</param>
public sealed record Explanation(string Label, float Probability, ExplainMethod Method, Heatmap Heatmap);

/// <summary>Finds out where in images a model file sees its classes. Not thread-safe.</summary>
public sealed class Explainer : IDisposable
{
    private readonly TransferModel model;
    private readonly ItemGraphWorker worker;
    private readonly EncoderWorker encoder;
    private readonly Occlusion tensors;
    private readonly GradCam? gradCam;

    private Explainer(TransferModel model, GradCam? gradCam)
    {
        (this.model, this.gradCam) = (model, gradCam);
        worker = model.Graph.CreateWorker();
        encoder = model.Metadata.Encoder.CreateWorker(model.Graph.Limits);
        tensors = new Occlusion(model.Graph);
    }

    /// <summary>How it finds out.</summary>
    public ExplainMethod Method => gradCam is null ? ExplainMethod.Occlusion : ExplainMethod.GradCam;

    /// <summary>Why Grad-CAM could not be used; null where it is, or was not asked for.</summary>
    public string? Fallback { get; private init; }

    /// <summary>The model's classes; the index is the label.</summary>
    public IReadOnlyList<string> ClassNames => model.ClassNames;

    /// <summary>How the network sees an image; of several ways, the first.</summary>
    public Preprocessing Preprocessing =>
        model.Metadata.Encoder is ImageFormsEncoder several ? several.Forms[0] : model.Metadata.Preprocessing;

    /// <summary>Opens a model file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="method">How to find out.</param>
    /// <param name="limits">What an image may cost; the defaults of <see cref="ImageLimits"/> if null.</param>
    /// <exception cref="TransferException">It is no model file of this product, takes no images, or Grad-CAM is asked
    /// for and its network does not allow it.</exception>
    /// <exception cref="GraphException">The file cannot be read.</exception>
    public static Explainer Open(string path, ExplainMethod method = ExplainMethod.Auto, ImageLimits? limits = null)
    {
        TransferModel model = TransferModel.Load(path, limits);
        try
        {
            if (model.Metadata.Encoder.Kind is var kind && kind == EncoderKind.Texts)
                throw new TransferException(
                    $"'{path}' takes {kind.Label}; where a model looks is found out for models of images only."
                );
            (GradCam? gradCam, string? why) =
                method == ExplainMethod.Occlusion ? (null, null) : Differentiated(path, model);
            if (gradCam is null && method == ExplainMethod.GradCam)
                throw new TransferException(
                    $"Grad-CAM is not possible with '{path}': {why} Use --method occlusion, which takes any network."
                );
            return new Explainer(model, gradCam) { Fallback = why };
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Explains an image.</summary>
    /// <param name="encoded">The bytes of the image file.</param>
    /// <param name="label">The class whose evidence is wanted; null for the one that the model names.</param>
    /// <param name="cancellation">Ends the work between two runs.</param>
    /// <exception cref="ImageRejectedException">The image cannot be used; the reason is one line.</exception>
    public Explanation Explain(ReadOnlySpan<byte> encoded, int? label = null, CancellationToken cancellation = default)
    {
        if (label is { } asked)
            Check.InRange(asked, 0, ClassNames.Count - 1, nameof(label));
        encoder.Encode(encoded, tensors.Target);
        if (label is { } known && gradCam is not null)
        {
            (Heatmap found, float probability) = WithInputs(inputs => gradCam.Explain(inputs, known));
            return new Explanation(ClassNames[known], probability, Method, found);
        }

        var probabilities = new float[ClassNames.Count];
        worker.Run(encoded, probabilities);
        int explained = label ?? ParityRecord.Likeliest(probabilities);
        Heatmap map = gradCam is null
            ? tensors.Explain(explained, probabilities[explained], cancellation)
            : WithInputs(inputs => gradCam.Explain(inputs, explained)).Map;
        return new Explanation(ClassNames[explained], probabilities[explained], Method, map);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        gradCam?.Dispose();
        tensors.Dispose();
        encoder.Dispose();
        worker.Dispose();
        model.Dispose();
    }

    private static (GradCam? Found, string? Why) Differentiated(string path, TransferModel model)
    {
        try
        {
            return (new GradCam(ModelFile.Load(path).Onnx, model.ClassNames.Count), null);
        }
        catch (GraphException e)
        {
            // The words are those of training, which differentiates too; after the first sentence comes advice for it.
            if (e.Message.StartsWith($"'{ProbedGraph.ProbePrefix}", StringComparison.Ordinal))
                return (null, "The head's scores do not change smoothly with the features: it counts or picks.");
            int end = e.Message.IndexOf(". ", StringComparison.Ordinal);
            return (null, end < 0 ? e.Message : e.Message[..(end + 1)]);
        }
    }

    private T WithInputs<T>(Func<IReadOnlyDictionary<string, OrtValue>, T> work)
    {
        var inputs = new Dictionary<string, OrtValue>();
        try
        {
            IReadOnlyList<EncodedInput> stated = model.Metadata.Encoder.Inputs;
            for (int i = 0; i < stated.Count; i++)
                inputs[model.Graph.InputNames[i]] = OrtValue.CreateTensorValueFromMemory(
                    tensors.Target.Tensor<float>(i).ToArray(),
                    [1, .. stated[i].Shape.Select(s => (long)s)]
                );
            return work(inputs);
        }
        finally
        {
            foreach (OrtValue value in inputs.Values)
                value.Dispose();
        }
    }
}
