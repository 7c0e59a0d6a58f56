using System.Globalization;
using System.Runtime.InteropServices;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Features;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones.Onnx;

/// <summary>
/// Oracle: PyTorch. Real architectures with random weights, exported when the tests run, and what PyTorch's own modules
/// compute inside them.
/// </summary>
[TestClass]
public sealed class ArchitectureTests
{
    /// <summary>
    /// Relative to the largest value: float32 through up to 120 layers, summed in another order and with batch norms
    /// folded; 1.2e-6 was the most seen, another tensor's values are off by 1e-1.
    /// </summary>
    private const float Tolerance = 1e-5f;

    private static readonly Lazy<TempFolder> Exported = new(() =>
    {
        Python.Require("torch", "torchvision");
        var folder = new TempFolder();
        Python.Run(
            File.ReadAllText(Repository.At("tests/MlNetTransfer.Tests/Backbones/Onnx/export_torchvision.py")),
            folder.Path
        );
        return folder;
    });

    public TestContext TestContext { get; set; } = null!;

    [ClassCleanup]
    public static void Remove()
    {
        if (Exported.IsValueCreated)
            Exported.Value.Dispose();
    }

    /// <param name="name">Architecture.</param>
    /// <param name="taps">Taps that must be among those proposed, side x width: the ends of the stages in the tables of
    /// the papers, and the classifier's input.</param>
    [TestMethod]
    [DataRow("alexnet", "55x64 27x192 13x256 1x64")]
    [DataRow("vgg11_bn", "56x256 28x512 14x512 1x64")]
    [DataRow("resnet18", "16x64 8x128 4x256 1x512")]
    [DataRow("resnet50", "16x256 8x512 4x1024 1x2048")]
    [DataRow("densenet121", "24x256 12x512 6x1024 1x1024")]
    [DataRow("inception_v3", "9x288 4x768 1x1280 1x2048")]
    [DataRow("googlenet", "12x480 6x832 1x1024")]
    [DataRow("shufflenet_v2", "8x48 4x96 2x192 1x1024")]
    [DataRow("shufflenet_v2_dynamic", "8x48 4x96 2x192 1x1024")]
    [DataRow("squeezenet1_1", "23x128 11x256 5x512")]
    [DataRow("mobilenet_v2", "24x24 12x32 6x96 3x160 1x1280")]
    [DataRow("efficientnet_b0", "16x24 8x40 4x112 2x192 1x1280")]
    [DataRow("mobilenet_v3_small", "8x24 4x48 2x96 1x1024")]
    [DataRow("convnext", "16x24 8x48 4x96 1x192")]
    [DataRow("xception", "24x64 12x96 6x160 3x224 1x320")]
    [DataRow("mnasnet", "16x16 8x24 4x48 2x96 1x1280")]
    [DataRow("regnet", "16x48 8x104 4x208 1x440")]
    public void Inspect_Architecture_TapsAreWhatTheModulesOfPyTorchCompute(string name, string taps)
    {
        TempFolder folder = Exported.Value;
        int[] facts =
        [
            .. File.ReadAllText(folder.File($"{name}.facts"))
                .Split(' ')
                .Select(f => int.Parse(f, CultureInfo.InvariantCulture)),
        ];
        (int size, int classifier) = (facts[0], facts[1]);
        InspectedBackbone found = OnnxBackboneInspector.Inspect(
            OnnxModel.Load(folder.File($"{name}.onnx")),
            TinyOnnx.Unit
        );
        TestContext.WriteLine($"{name}: {string.Join(", ", found.Taps.Select(t => $"{t.Size}x{t.Width}"))}");
        Assert.AreEqual(size, found.Preprocessing.Size);
        Assert.IsTrue(found.Taps.Count is >= 4 and <= 12, $"{found.Taps.Count} taps");
        Assert.AreEqual(classifier, found.Taps[^1].Width, "the last tap is what the classifier takes");
        for (int i = 1; i < found.Taps.Count; i++)
            Assert.IsLessThanOrEqualTo(found.Taps[i - 1].Size, found.Taps[i].Size, "sizes never grow");
        CollectionAssert.IsSubsetOf(taps.Split(' '), found.Taps.Select(t => $"{t.Size}x{t.Width}").ToArray());
        CollectionAssert.AllItemsAreUnique(found.Taps.Select(t => t.Name).ToArray());

        float[] image = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes(folder.File($"{name}.input"))).ToArray();
        List<float[]> modules = Modules(folder.File($"{name}.features"));
        foreach (BackboneTap tap in found.Taps)
        {
            float[] features = Ort.Run(
                FeatureGraph.Build(found.Model, tap.Tensor),
                (Backbone.InputName, image, [1, 3, size, size])
            )[FeatureGraph.Output];
            Assert.HasCount(tap.Width, features);
            (float difference, float permuted) = (
                modules.Min(m => Difference(m, features)),
                modules.Min(m => Difference([.. m.Order()], [.. features.Order()]))
            );
            TestContext.WriteLine(
                $"{name} {tap.Name} [{tap.Width}] {tap.Tensor}: relative difference {difference:E1}, as a set "
                    + $"{permuted:E1}, largest {features.Max(Math.Abs):g3}"
            );
            Assert.IsGreaterThan(1e-6f, features.Max(Math.Abs), "the tap is alive");
            // ShuffleNet concatenates inside a module and shuffles the channels after: the module has the same features
            // in another order.
            Assert.IsLessThan(
                Tolerance,
                name.StartsWith("shufflenet", StringComparison.Ordinal) ? permuted : difference,
                $"{tap.Name} is no module's output"
            );
        }
    }

    /// <summary>Largest difference relative to the largest value; infinite where the widths differ.</summary>
    private static float Difference(float[] expected, float[] actual) =>
        expected.Length == actual.Length
            ? expected.Zip(actual, (e, a) => Math.Abs(e - a)).Max() / expected.Max(Math.Abs)
            : float.PositiveInfinity;

    private static List<float[]> Modules(string file)
    {
        using BinaryReader reader = new(File.OpenRead(file));
        List<float[]> modules = [];
        while (reader.BaseStream.Position < reader.BaseStream.Length)
            modules.Add(
                MemoryMarshal.Cast<byte, float>(reader.ReadBytes(reader.ReadInt32() * sizeof(float))).ToArray()
            );
        return modules;
    }
}
