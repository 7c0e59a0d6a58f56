using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;

namespace MlNetTransfer.Backbones.Onnx;

/// <summary>
/// Frees a graph that was exported for a fixed number of images, and checks that images do not depend on their
/// neighbours.
/// </summary>
internal static class BatchDimension
{
    /// <summary>
    /// Reshapes of what depends on the image state the batch as their first size; that becomes "whatever is left" (-1),
    /// or "as before" (0) where another size already is. <see cref="Check"/> shows whether that was all.
    /// </summary>
    public static OnnxModel Free(OnnxModel model, GraphPath path, int batch)
    {
        Dictionary<string, TensorProto> constants = ConstantTensors.Of(model);
        HashSet<string> made = [];
        return model.With(proto =>
        {
            foreach (
                NodeProto node in proto.Graph.Node.Where(n => n.OpType == "Reshape" && path.DependsOnImage(n.Input[0]))
            )
            {
                if (
                    !constants.TryGetValue(node.Input[1], out TensorProto? stated)
                    || TensorData.ToLongs(stated) is not [var first, ..] sizes
                    || first != batch
                )
                    continue;
                sizes[0] = sizes.Skip(1).Contains(-1) ? 0 : -1;
                string name = NameAllocator.First($"{node.Output[0]}_free_batch", made);
                made.Add(name);
                proto.Graph.Initializer.Add(TensorData.Longs(name, sizes, sizes.Length));
                node.Input[1] = name;
            }
        });
    }

    /// <summary>
    /// Runs two images together and one by one; the values must be those of each image alone, and finite.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">Tensors to compare, the output last.</param>
    /// <param name="shape">Width and height of the input in pixels.</param>
    /// <param name="stated">The fixed batch that the file stated; null where it was dynamic.</param>
    public static void Check(OnnxModel model, IReadOnlyList<string> tensors, (int Width, int Height) shape, int? stated)
    {
        float[] two = SampleRun.Noise(2, shape);
        string fix = stated is null
            ? "Export the model for inference (eval mode)."
            : $"Its batch is fixed at {stated} and could not be made dynamic. Export it with a dynamic batch.";
        IReadOnlyDictionary<string, SampleRun.Result> together;
        try
        {
            together = SampleRun.Of(model, tensors, two, 2, shape);
        }
        catch (TransferException cause) when (stated is not null)
        {
            throw new TransferException($"The model does not run on 2 images at once: {cause.Message} {fix}", cause);
        }

        for (int i = 0; i < 2; i++)
        {
            IReadOnlyDictionary<string, SampleRun.Result> alone = SampleRun.Of(
                model,
                tensors,
                two[(i * two.Length / 2)..((i + 1) * two.Length / 2)],
                1,
                shape
            );
            foreach (string tensor in tensors)
                Compare(tensor, together[tensor], alone[tensor], i, fix);
        }
    }

    private static void Compare(string tensor, SampleRun.Result together, SampleRun.Result alone, int image, string fix)
    {
        if (
            alone.Shape is not [1, ..]
            || together.Shape is not [2, ..]
            || !alone.Shape.Skip(1).SequenceEqual(together.Shape.Skip(1))
        )
            throw new TransferException(
                $"Tensor '{tensor}' is [{string.Join(", ", alone.Shape)}] for one image and "
                    + $"[{string.Join(", ", together.Shape)}] for two; expected the same with the number of images "
                    + $"first. {fix}"
            );
        float scale = Math.Max(1e-6f, alone.Values.Max(Math.Abs));
        if (!alone.Values.All(float.IsFinite))
            throw new TransferException(
                $"Tensor '{tensor}' is not finite (NaN or infinite) for an image of noise. The weights are damaged, "
                    + $"or the model was not exported whole."
            );
        for (int i = 0; i < alone.Values.Length; i++)
            // Kernels may sum a batch in another order: a thousandth of the largest value is far above that, and far
            // below another image's values.
            if (!(Math.Abs(alone.Values[i] - together.Values[image * alone.Values.Length + i]) <= 1e-3f * scale))
                throw new TransferException(
                    $"Tensor '{tensor}' of an image depends on the other images of the batch. {fix}"
                );
    }
}
