using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Runtime;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>Runs a model on noise: what its tensors are, once all sizes are known.</summary>
/// <remarks>
/// Real shapes, not inferred ones: exporters write reshapes whose sizes are computed while the model runs.
/// </remarks>
internal static class SampleRun
{
    /// <summary>One tensor of a run.</summary>
    /// <param name="Shape">Dimensions.</param>
    /// <param name="Values">Values as float32, row-major; empty where the type is not float32, float16 or
    /// float64.</param>
    public sealed record Result(int[] Shape, float[] Values)
    {
        public bool IsNumber => Values.Length > 0;
    }

    /// <summary>
    /// Standard normal noise [batch, 3, height, width]; a smaller batch is the beginning of a larger one.
    /// </summary>
    public static float[] Noise(int batch, (int Width, int Height) shape)
    {
        Rng rng = new(1);
        return [.. Enumerable.Range(0, batch * 3 * shape.Height * shape.Width).Select(_ => (float)rng.NextNormal())];
    }

    /// <summary>The given tensors for a batch of images.</summary>
    /// <param name="model">The model, with the input <c>image</c>.</param>
    /// <param name="tensors">Tensors to read.</param>
    /// <param name="images">Images [batch, 3, height, width].</param>
    /// <param name="batch">Images in the batch.</param>
    /// <param name="shape">Width and height.</param>
    public static IReadOnlyDictionary<string, Result> Of(
        OnnxModel model,
        IReadOnlyList<string> tensors,
        float[] images,
        int batch,
        (int Width, int Height) shape
    )
    {
        return Of(
            model,
            tensors,
            _ => Fed(images, batch, shape),
            said =>
                $"{batch} image{(batch == 1 ? "" : "s")} of {shape.Width} x {shape.Height} pixels: {said} Is that "
                + $"the size it takes? Export it with a dynamic batch and operators that ONNX Runtime knows."
        );
    }

    /// <summary>The same, of a session that is open.</summary>
    public static IReadOnlyDictionary<string, Result> Of(
        OrtSession session,
        IReadOnlyList<string> tensors,
        float[] images,
        int batch,
        (int Width, int Height) shape
    ) => Run(session, tensors, Fed(images, batch, shape));

    /// <summary>The given tensors of a model with any inputs.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">Tensors to read.</param>
    /// <param name="feed">Makes the inputs of the session; they are released here.</param>
    /// <param name="refused">What it was run on, and the fix, with ONNX Runtime's words between.</param>
    /// <exception cref="TransferException">ONNX Runtime cannot run it; its words are in the message.</exception>
    public static IReadOnlyDictionary<string, Result> Of(
        OnnxModel model,
        IReadOnlyList<string> tensors,
        Func<OrtSession, Dictionary<string, OrtValue>> feed,
        Func<string, string> refused
    )
    {
        OnnxModel cut = GraphCut.At(model, tensors, typed: false);
        try
        {
            using OrtSession session = new(
                cut.ToBytes(),
                OrtSettings.AsWritten with
                {
                    Log = OrtLoggingLevel.ORT_LOGGING_LEVEL_FATAL,
                },
                "the model"
            );
            return Run(session, tensors, feed(session));
        }
        catch (Exception e) when (OrtSession.Said(e) is { } said)
        {
            throw new TransferException(
                $"ONNX Runtime {OrtSession.RuntimeVersion} cannot run the model on {refused(said)}",
                e
            );
        }
    }

    private static Dictionary<string, OrtValue> Fed(float[] images, int batch, (int Width, int Height) shape) =>
        new()
        {
            [Backbone.InputName] = OrtValue.CreateTensorValueFromMemory(images, [batch, 3, shape.Height, shape.Width]),
        };

    private static Dictionary<string, Result> Run(
        OrtSession session,
        IReadOnlyList<string> tensors,
        Dictionary<string, OrtValue> fed
    )
    {
        try
        {
            string[] names = [.. tensors.Distinct()];
            using IDisposableReadOnlyCollection<OrtValue> values = session.Run(fed, names);
            return names.Zip(values).ToDictionary(v => v.First, v => Read(v.Second));
        }
        finally
        {
            foreach (OrtValue value in fed.Values)
                value.Dispose();
        }
    }

    private static Result Read(OrtValue value)
    {
        if (!value.IsTensor)
            return new Result([], []);
        OrtTensorTypeAndShapeInfo info = value.GetTensorTypeAndShape();
        float[] values = info.ElementDataType switch
        {
            TensorElementType.Float => value.GetTensorDataAsSpan<float>().ToArray(),
            TensorElementType.Float16 => [.. value.GetTensorDataAsSpan<Float16>().ToArray().Select(h => (float)h)],
            TensorElementType.Double => [.. value.GetTensorDataAsSpan<double>().ToArray().Select(d => (float)d)],
            _ => [],
        };
        return new Result([.. info.Shape.Select(d => (int)d)], values);
    }
}
