using System.Globalization;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>
/// torchvision's networks with random weights, exported by PyTorch: the ONNX file, and the module that it came from as
/// the oracle.
/// </summary>
internal static class TorchFolder
{
    private const string Export = """
        import sys, warnings, torch
        import torchvision.models as tv
        warnings.simplefilter("ignore")
        torch.manual_seed(1)
        torch.set_num_threads(2)
        for name in ("resnet18", "mobilenet_v2"):
            module = getattr(tv, name)(num_classes=10).eval()
            for m in module.modules():
                if isinstance(m, torch.nn.BatchNorm2d):  # not the identity, so that a lost batch norm shows
                    m.running_mean.normal_(0, 0.1); m.running_var.uniform_(0.5, 1.5)
                if isinstance(m, torch.nn.Dropout): m.p = 0.0
            torch.save(module, f"{sys.argv[1]}/{name}.module")
            for kind, more in (("trainable", dict(training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)), ("folded", {})):
                torch.onnx.export(module, torch.randn(1, 3, 64, 64), f"{sys.argv[1]}/{name}.{kind}.onnx", opset_version=16, input_names=["image"], output_names=["logits"],
                                  dynamic_axes={"image": {0: "N"}, "logits": {0: "N"}}, **more)
        """;

    /// <summary>Reads a .dat as its description says: independent of the code under test.</summary>
    public const string DatReader = """
        import struct, numpy as np
        def dat(path):
            data, at, found = open(path, "rb").read(), 0, {}
            def leb():
                nonlocal at
                value = shift = 0
                while True:
                    b = data[at]; at += 1
                    value |= (b & 127) << shift; shift += 7
                    if b < 128: return value
            for _ in range(leb()):
                n = leb(); name = data[at:at + n].decode(); at += n
                kind = {4: "<i8", 6: "<f4"}[leb()]
                shape = [leb() for _ in range(leb())]
                count = int(np.prod(shape)) if shape else 1
                found[name] = torch.from_numpy(np.frombuffer(data, kind, count, at).reshape(shape).copy()); at += count * int(kind[2])
            assert at == len(data)
            return found

        """;

    private static readonly Lazy<TempFolder> Exported = new(() =>
    {
        Python.Require("torch", "torchvision", "onnx");
        TempFolder folder = new();
        Python.Run(Export, folder.Path);
        return folder;
    });

    public static string Path => Exported.Value.Path;

    public static OnnxModel Model(string name) => OnnxModel.Load(File(name + ".onnx"));

    public static string File(string name) => Exported.Value.File(name);

    public static void Remove()
    {
        if (Exported.IsValueCreated)
            Exported.Value.Dispose();
    }

    /// <summary>Runs a script that prints one JSON object of numbers.</summary>
    public static Dictionary<string, double> Numbers(string script, params string[] arguments) =>
        JsonSerializer.Deserialize<Dictionary<string, double>>(Python.Run(script, arguments))!;

    public static string Text(double value) => value.ToString("g3", CultureInfo.InvariantCulture);
}
