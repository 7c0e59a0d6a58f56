using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Models.Exports;

/// <summary>Scores images with an ONNX file: preprocessed, or only decoded where the file takes pixels.</summary>
internal sealed class OnnxScorer : IExportScorer
{
    private readonly SessionOptions options = new() { LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL };
    private readonly RunOptions run = new();
    private readonly InferenceSession session = null!;
    private readonly ImagePreprocessor preprocessor;
    private readonly RgbDecoder decoder;
    private readonly float[] tensor;
    private readonly int size,
        classes;
    private readonly string input;
    private readonly bool takesPixels;

    /// <summary>From the file, so that weights beside it are read as its user reads them.</summary>
    public OnnxScorer(string path, ModelMetadata metadata, ImageLimits limits)
        : this(options => new InferenceSession(path, options), metadata, limits) { }

    /// <summary>From a model in memory.</summary>
    public OnnxScorer(OnnxModel model, ModelMetadata metadata, ImageLimits limits)
        : this(options => new InferenceSession(model.ToBytes(), options), metadata, limits) { }

    private OnnxScorer(Func<SessionOptions, InferenceSession> open, ModelMetadata metadata, ImageLimits limits)
    {
        (size, classes, tensor) = (
            metadata.Preprocessing.Size,
            metadata.Labels.Count,
            new float[metadata.Preprocessing.TensorLength]
        );
        (preprocessor, decoder) = (new ImagePreprocessor(metadata.Preprocessing, limits), new RgbDecoder(limits));
        try
        {
            session = open(options);
        }
        catch (OnnxRuntimeException e)
        {
            Dispose();
            throw new TransferException(
                $"ONNX Runtime {ImageGraph.RuntimeVersion} cannot load the export: "
                    + $"{e.Message.ReplaceLineEndings(" ").Trim()}",
                e
            );
        }
        catch
        {
            Dispose();
            throw;
        }

        (input, takesPixels) = (
            session.InputMetadata.Keys.Single(),
            session.InputMetadata.Values.Single().ElementDataType == TensorElementType.UInt8
        );
    }

    public void Score(ReadOnlySpan<byte> encoded, Span<float> probabilities)
    {
        using OrtValue image = takesPixels ? Pixels(decoder.Decode(encoded)) : Tensor(encoded);
        try
        {
            using IDisposableReadOnlyCollection<OrtValue> results = session.Run(
                run,
                new Dictionary<string, OrtValue> { [input] = image },
                [TransferModel.ProbabilitiesOutput]
            );
            ReadOnlySpan<float> row = results[0].GetTensorDataAsSpan<float>();
            if (row.Length != classes)
                throw new TransferException(
                    $"The export gives {row.Length} probabilities for an image; {classes} were expected."
                );
            row.CopyTo(probabilities);
        }
        catch (OnnxRuntimeException e)
        {
            throw new TransferException($"The export cannot be run: {e.Message.ReplaceLineEndings(" ").Trim()}", e);
        }
    }

    public void Dispose()
    {
        session?.Dispose();
        preprocessor.Dispose();
        decoder.Dispose();
        run.Dispose();
        options.Dispose();
    }

    private OrtValue Tensor(ReadOnlySpan<byte> encoded)
    {
        preprocessor.Process(encoded, tensor);
        return OrtValue.CreateTensorValueFromMemory(tensor, [1, 3, size, size]);
    }

    private static OrtValue Pixels(RgbImage image) =>
        OrtValue.CreateTensorValueFromMemory(image.Pixels.ToArray(), [1, image.Height, image.Width, 3]);
}
