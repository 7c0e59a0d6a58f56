using System.Runtime.InteropServices;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Training;

/// <summary>
/// What one Python process with torch left: ONNX files and named tensors. A script calls <c>save(name, tensor)</c> and
/// <c>export(module, name, example)</c>.
/// </summary>
internal sealed class TorchRun : IDisposable
{
    private const string Prelude = """
        import copy, json, sys, warnings, numpy as np, torch, torch.nn as nn, torch.nn.functional as F
        warnings.filterwarnings("ignore")
        torch.set_num_threads(1)
        torch.manual_seed(1)
        folder, saved, index, offset = sys.argv[1], [], {}, 0
        def save(name, tensor):
            global offset
            values = tensor.detach().double().numpy().ravel()
            index[name] = [offset, len(values)]
            saved.append(values); offset += len(values)
        def export(module, name, example):
            # PRESERVE keeps batch normalisation and the parameters' names as they are.
            torch.onnx.export(module, example, f"{folder}/{name}.onnx", opset_version=16, training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False,
                              input_names=["x"], output_names=["logits"], dynamic_axes={"x": {0: "N"}, "logits": {0: "N"}})
        def shake(module):
            # Statistics and parameters of batch normalisation that are not all alike.
            for m in module.modules():
                if isinstance(m, nn.modules.batchnorm._BatchNorm):
                    nn.init.uniform_(m.weight, 0.5, 1.5); nn.init.uniform_(m.bias, -0.5, 0.5)
                    nn.init.uniform_(m.running_mean, -0.5, 0.5); nn.init.uniform_(m.running_var, 0.5, 1.5)
            return module

        """;

    private const string Ending = """

        np.concatenate(saved).tofile(folder + "/out.f64")
        json.dump(index, open(folder + "/out.json", "w"))
        """;

    private readonly TempFolder folder = new();
    private readonly Dictionary<string, double[]> tensors = [];

    public TorchRun(string script)
    {
        Python.Require("torch", "torchvision", "onnx");
        Python.Run(Prelude + script + Ending, folder.Path);
        double[] all = MemoryMarshal.Cast<byte, double>(File.ReadAllBytes(folder.File("out.f64"))).ToArray();
        foreach (
            (string name, int[] part) in JsonSerializer.Deserialize<Dictionary<string, int[]>>(
                File.ReadAllText(folder.File("out.json"))
            )!
        )
            tensors[name] = all[part[0]..(part[0] + part[1])];
    }

    /// <summary>Values saved under a name.</summary>
    public double[] this[string name] => tensors[name];

    /// <summary>Names saved under a prefix, the prefix cut off.</summary>
    public IEnumerable<string> Names(string prefix) =>
        tensors.Keys.Where(k => k.StartsWith(prefix, StringComparison.Ordinal)).Select(k => k[prefix.Length..]);

    public float[] Floats(string name) => [.. this[name].Select(v => (float)v)];

    public OnnxModel Model(string name) => OnnxModel.Load(folder.File(name + ".onnx"));

    public void Dispose() => folder.Dispose();
}
