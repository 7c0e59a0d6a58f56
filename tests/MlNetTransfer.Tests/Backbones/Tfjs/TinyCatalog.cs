using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones.Tfjs;

/// <summary>A catalog with one tiny backbone, in a folder of its own.</summary>
internal sealed class TinyCatalog : IDisposable
{
    private readonly TempFolder folder = new();

    public TinyCatalog(bool onnx = false)
    {
        string package = Directory.CreateDirectory(folder.File("models/packages/tiny-package/dist")).FullName;
        TinyModel model = new TinyModel(8).Weight(
            "conv/kernel",
            [3, 3, 3, 2],
            [.. Enumerable.Range(0, 54).Select(i => i / 54f)]
        );
        ModelFile = model.WriteLayers(
            package,
            TinyModel.Layer("Conv2D", "conv", "'strides':[2,2],'padding':'same','use_bias':false"),
            TinyModel.Layer("GlobalAveragePooling2D", "out", "", "conv")
        );
        string[] files = ["dist/model.json", "dist/weights.bin"];
        if (onnx)
        {
            new GraphBuilder()
                .Input("pixels", ["N", 3, 8, 8])
                .Node("Relu", ["pixels"], ["conv"])
                .Output("conv", ["N", 3, 8, 8])
                .Build()
                .Save(Path.Combine(package, "m.onnx"));
            files = ["dist/m.onnx"];
        }

        var card = new
        {
            id = "tiny",
            name = "Tiny",
            package = "tiny-package",
            packageVersion = "1.0.0",
            format = onnx ? "onnx" : "tfjsLayers",
            files = files.Select(f => new
            {
                path = f,
                sha256 = Convert.ToHexStringLower(
                    SHA256.HashData(File.ReadAllBytes(folder.File("models/packages/tiny-package/" + f)))
                ),
            }),
            license = "MIT",
            provenance = "made by a test",
            preprocessing = new { size = 8 },
            taps = new[]
            {
                new
                {
                    name = "first",
                    tensor = "conv",
                    width = 2,
                    size = 4,
                },
            },
            defaultTap = "first",
            sourceClasses = new[] { "a", "b" },
        };
        File.WriteAllText(folder.File("models/catalog.json"), JsonSerializer.Serialize(new[] { card }));
        Catalog = BackboneCatalog.Load(folder.File("models"));
    }

    public BackboneCatalog Catalog { get; }

    public string ModelFile { get; }

    public string Cache => folder.File("cache");

    public void Dispose() => folder.Dispose();
}
