using System.Text;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Torch.Script;

namespace MlNetTransfer.Onnx.Torch;

/// <summary>
/// Writes a model as a TorchScript archive (.pt), which PyTorch and TorchSharp load, run and train with
/// <c>torch.jit.load</c>. Torch is not needed.
/// </summary>
/// <remarks>
/// Weights keep their names where those are paths of PyTorch (<c>layer1.0.conv1.weight</c>); of names of TensorFlow and
/// Keras a tree is made. Weights are parameters, running statistics of batch normalisation are buffers; <c>train()</c>
/// and <c>eval()</c> act. The archive is in eval mode. The batch size is open where the model's is. Equal models give
/// equal bytes.
/// </remarks>
public static class TorchScript
{
    private const string Folder = "model/";

    /// <summary>Writes the archive, whole or not at all.</summary>
    /// <param name="model">The model: one float32 input.</param>
    /// <param name="path">The file.</param>
    /// <param name="options">What to export; null for the first output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch (the message names it and its node;
    /// nothing is written), or the file cannot be written.</exception>
    public static void Write(OnnxModel model, string path, TorchExportOptions? options = null)
    {
        TorchProgram program = TorchExport.Program(model, options);
        AtomicFile.Write(path, stream => Write(program, stream));
    }

    /// <summary>Writes the archive to a stream.</summary>
    /// <param name="model">The model: one float32 input.</param>
    /// <param name="stream">Where to; it need not seek.</param>
    /// <param name="options">What to export; null for the first output.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch; nothing is written.</exception>
    public static void Write(OnnxModel model, Stream stream, TorchExportOptions? options = null) =>
        Write(TorchExport.Program(model, options), stream);

    private static void Write(TorchProgram program, Stream stream)
    {
        ScriptClasses classes = new(program.Root);
        List<TorchTensor> storages = [];
        PickleWriter pickle = new();
        Object(pickle, program.Root, classes, storages);
        ZipWriter zip = new(stream);
        zip.Add(Folder + "data.pkl", pickle.Finish());
        zip.Add(Folder + "code/__torch__.py", Encoding.UTF8.GetBytes(classes.Code));
        zip.Add(Folder + "constants.pkl", [0x80, 2, (byte)')', (byte)'.']);
        for (int i = 0; i < storages.Count; i++)
            zip.Add(FormattableString.Invariant($"{Folder}data/{i}"), storages[i].Data().Span);
        zip.Add(Folder + "version", "3\n"u8);
        zip.Finish();
    }

    private static void Object(
        PickleWriter pickle,
        TorchModule module,
        ScriptClasses classes,
        List<TorchTensor> storages
    )
    {
        pickle.Global("__torch__", classes[module]).New().Raw("}(");
        foreach (TorchTensor tensor in module.Tensors)
        {
            pickle.Text(tensor.Name);
            Tensor(pickle, tensor, storages.Count);
            storages.Add(tensor);
        }

        pickle.Text("training").Flag(false);
        foreach (TorchModule child in module.Children)
        {
            pickle.Text(child.Name);
            Object(pickle, child, classes, storages);
        }

        pickle.Raw("ub");
    }

    private static void Tensor(PickleWriter pickle, TorchTensor tensor, int storage)
    {
        long count = tensor.Shape.Aggregate(1L, (a, b) => a * b);
        long[] strides = new long[tensor.Shape.Count];
        for (int i = strides.Length - 1; i >= 0; i--)
            strides[i] = i == strides.Length - 1 ? 1 : strides[i + 1] * Math.Max(1, tensor.Shape[i + 1]);
        pickle
            .Global("torch._utils", "_rebuild_tensor_v2")
            .Raw("((")
            .Text("storage")
            .Global("torch", tensor.Type == Weights.SafeTensorType.I64 ? "LongStorage" : "FloatStorage");
        pickle
            .Text(storage.ToString(System.Globalization.CultureInfo.InvariantCulture))
            .Text("cpu")
            .Integer(count)
            .Raw("tQ")
            .Integer(0);
        pickle
            .Tuple(tensor.Shape)
            .Tuple(strides)
            .Flag(tensor.IsParameter)
            .Global("collections", "OrderedDict")
            .Raw(")RtR");
    }
}
