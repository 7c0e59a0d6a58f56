using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Torch.Conversion;
using MlNetTransfer.Onnx.Torch.Modules;
using MlNetTransfer.Onnx.Training;
using MlNetTransfer.Onnx.Weights;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp;

/// <summary>
/// A forward model as a module of libtorch, and which of its tensors is which initializer of the model.
/// </summary>
internal sealed class TorchNetwork
{
    private readonly Dictionary<string, (string Path, TorchTensor Tensor)> tensors;
    private readonly OnnxModel model;
    private readonly TorchExportOptions export;

    /// <param name="model">The forward model.</param>
    /// <param name="options">What a step does.</param>
    /// <exception cref="GraphException">An operator has no counterpart in torch, or what is trained is no parameter
    /// there.</exception>
    public TorchNetwork(OnnxModel model, TrainingOptions options)
    {
        this.model = ForwardMode.Inference(model.CutAt([.. options.Logits]));
        export = new TorchExportOptions { Output = options.Logits[0] };
        (string Path, TorchTensor Tensor)[] all = [.. TorchExport.Program(this.model, export).Tensors];
        ILookup<string, (string Path, TorchTensor Tensor)> owners = all.ToLookup(t => t.Tensor.Initializer);
        foreach (string name in options.Parameters)
            if (owners[name].ToArray() is not [{ Tensor.IsParameter: true }])
                throw new GraphException(
                    $"'{name}' is trained, but is {(owners[name].Any() ? "used in several ways" : "no parameter")} in "
                        + $"torch. Freeze it, or take the engine {TrainingEngines.Default}."
                );
        tensors = owners.Where(o => o.Key.Length > 0 && o.Count() == 1).ToDictionary(o => o.Key, o => o.Single());
        IReadOnlyList<NormalizedLayer> layers = [];
        if (options.BatchNormalization == BatchNormalizationMode.Training)
            BatchStatistics.Apply(this.model, options.Parameters, out layers);
        Statistics = [.. layers.SelectMany(layer => new[] { layer.Mean.Name, layer.Variance.Name })];
        Normalizations =
        [
            .. layers.Select(layer => tensors[layer.Mean.Name].Path).Select(path => path[..path.LastIndexOf('.')]),
        ];
        Row = StepArguments.InputOf(this.model).Row;
    }

    /// <summary>Sizes of a row of the input.</summary>
    public long[] Row { get; }

    /// <summary>Initializers with running means and variances that the steps update.</summary>
    public IReadOnlyList<string> Statistics { get; }

    /// <summary>
    /// Modules whose batch normalisation uses the statistics of the batch: those that a trained tensor reaches.
    /// </summary>
    public IReadOnlyList<string> Normalizations { get; }

    /// <summary>Name in the module of the tensor that an initializer became.</summary>
    public string PathOf(string initializer) => tensors[initializer].Path;

    /// <summary>Loads the module.</summary>
    public jit.ScriptModule<Tensor, Tensor> Load(Device device)
    {
        using MemoryStream archive = new();
        TorchScript.Write(model, archive, export);
        return jit.load<Tensor, Tensor>(archive.ToArray(), device.type, device.index);
    }

    /// <summary>Values of a tensor of the module in the form of its initializer, row-major.</summary>
    public float[] Home(string initializer, float[] values)
    {
        TorchTensor tensor = tensors[initializer].Tensor;
        return TensorData.ToFloats(tensor.Restored(SafeTensor.Of(values, [.. tensor.Shape]), asSource: false));
    }
}
