using System.Runtime.InteropServices;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>Each operator on ONNX Runtime beside what PyTorch computes of the archive, at two batch sizes.</summary>
[TestClass]
public sealed class OperatorTests
{
    private const string Script = """
        import sys, glob, numpy as np, torch
        for path in sorted(glob.glob(sys.argv[1] + "/*.pt")):
            net = torch.jit.load(path)
            for n in (2, 5):
                x = torch.from_numpy(np.fromfile(f"{path[:-3]}.{n}.x", np.float32)).reshape([n] + [int(s) for s in open(path[:-3] + ".shape").read().split()])
                with torch.no_grad(): net(x).contiguous().numpy().tofile(f"{path[:-3]}.{n}.y")
        """;

    /// <summary>A few roundings of numbers up to some tens; an exponential amplifies them.</summary>
    private const double Tolerance = 2e-5;

    [TestMethod]
    public void TorchScript_EveryOperator_GivesWhatOnnxRuntimeGives()
    {
        Python.Require("torch");
        using TempFolder folder = new();
        Dictionary<string, float[]> expected = [];
        foreach ((string name, OnnxModel model) in OperatorCases.All)
        {
            TorchScript.Write(model, folder.File(name + ".pt"));
            int[] shape = [.. model.DeclaredShape("x")!.Dimensions.Skip(1).Select(d => (int)d.Size!.Value)];
            File.WriteAllText(folder.File(name + ".shape"), string.Join(' ', shape));
            foreach (int rows in new[] { 2, 5 })
            {
                float[] x =
                [
                    .. Enumerable
                        .Range(0, rows * shape.Aggregate(1, (a, b) => a * b))
                        .Select(i => (float)Math.Sin(i * 0.37 + rows)),
                ];
                File.WriteAllBytes(folder.File($"{name}.{rows}.x"), MemoryMarshal.AsBytes(x.AsSpan()).ToArray());
                expected[$"{name}.{rows}"] = Ort.Run(model, ("x", x, [rows, .. shape]))["y"];
            }
        }

        Python.Run(Script, folder.Path);
        foreach ((string name, float[] values) in expected)
        {
            float[] found = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(folder.File(name + ".y"))).ToArray();
            Assert.HasCount(values.Length, found, name);
            for (int i = 0; i < values.Length; i++)
                Assert.AreEqual(values[i], found[i], Tolerance * Math.Max(1, Math.Abs(values[i])), $"{name}[{i}]");
        }
    }
}
