using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>What lies beside a model file is read with it.</summary>
[TestClass]
public sealed class CompanionFilesTests
{
    [TestMethod]
    public void Add_ConfigOfTimm_StatesThePreprocessing()
    {
        using TempFolder folder = new();
        folder.Write(
            "net/config.json",
            """{"architecture": "x", "pretrained_cfg": {"input_size": [3, 16, 16], "interpolation": "bicubic", "crop_pct": 0.9, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}}"""u8.ToArray()
        );
        Preprocessing found = Added(folder).Preprocessing!;
        Assert.AreEqual(
            new Preprocessing
            {
                Size = 16,
                Framing = Framing.ResizeCrop,
                CropFraction = 0.9,
                Interpolation = Interpolation.Bicubic,
                Mean = new(0.5f, 0.4f, 0.3f),
                Std = new(0.2f, 0.25f, 0.3f),
            },
            found
        );
    }

    [TestMethod]
    [DataRow(
        """{"do_resize": true, "size": {"shortest_edge": 20}, "resample": 3, "do_center_crop": true, "crop_size": {"height": 16, "width": 16}, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}""",
        Framing.ResizeCrop,
        0.8,
        Interpolation.Bicubic,
        0.5f
    )]
    [DataRow(
        """{"size": {"height": 16, "width": 16}, "resample": 2, "do_normalize": false, "rescale_factor": 0.00392156862745098}""",
        Framing.Stretch,
        0.0,
        Interpolation.Bilinear,
        1f
    )]
    [DataRow(
        """{"size": 16, "do_rescale": false, "do_normalize": false}""",
        Framing.Stretch,
        0.0,
        Interpolation.Bilinear,
        1 / 255f
    )]
    public void Add_PreprocessorConfig_StatesThePreprocessing(
        string json,
        Framing framing,
        double crop,
        Interpolation filter,
        float std
    )
    {
        using TempFolder folder = new();
        folder.Write("net/preprocessor_config.json", System.Text.Encoding.UTF8.GetBytes(json));
        Preprocessing found = Added(folder).Preprocessing!;
        Assert.AreEqual((framing, filter), (found.Framing, found.Interpolation));
        Assert.AreEqual(crop == 0 ? null : crop, found.CropFraction);
        Assert.AreEqual(std, found.Std.Green, 1e-6f);
    }

    [TestMethod]
    public void Add_LabelsBesideTheModel_AreItsClassesIfTheyFit()
    {
        using TempFolder folder = new();
        folder.Write("net/labels.txt", "ant\nbee\ncat\ndog\neel\n"u8.ToArray());
        Assert.AreEqual("eel", Added(folder, TinyOnnx.Unit).SourceClasses[4]);
        folder.Write("net/labels.txt", "ant\nbee\n"u8.ToArray());
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Added(folder, TinyOnnx.Unit, "two")).Message,
            "2 labels stand in labels.txt, beside the model; the model has 5 classes"
        );
    }

    [TestMethod]
    public void Add_DamagedCompanion_IsNamed()
    {
        using TempFolder folder = new();
        folder.Write("net/config.json", "{ \"mean\": [1], \"std\": "u8.ToArray());
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Added(folder)).Message,
            $"config.json lies beside the model"
        );
    }

    [TestMethod]
    [DataRow("net.h5", "tf2onnx.convert --keras")]
    [DataRow("net.keras", "keras.models.load_model")]
    [DataRow("net.pth", "torch.onnx.export")]
    [DataRow("net.tflite", "tf2onnx.convert --tflite")]
    [DataRow("saved/saved_model.pb", "tf2onnx.convert --saved-model")]
    public void Add_OtherForms_SayTheCommandThatConverts(string name, string command)
    {
        using TempFolder folder = new();
        string file = folder.Write(name, "no matter"u8.ToArray());
        foreach (
            string source in name.Contains('/', StringComparison.Ordinal)
                ? [file, Path.GetDirectoryName(file)!]
                : (string[])[file]
        )
            StringAssert.Contains(
                Assert
                    .ThrowsExactly<TransferException>(() =>
                        new UserCatalog(folder.File("home")).Add(new NewBackbone { Source = source, Id = "other" })
                    )
                    .Message,
                command
            );
    }

    private static BackboneCard Added(TempFolder folder, OnnxInspectionOptions? options = null, string id = "mine")
    {
        string file = folder.File("net/model.onnx");
        Directory.CreateDirectory(folder.File("net"));
        TinyOnnx.Model().Save(file);
        return new UserCatalog(folder.File("home"))
            .Add(
                new NewBackbone
                {
                    Source = file,
                    Id = id,
                    Inspection = options ?? new OnnxInspectionOptions(),
                }
            )
            .Card;
    }
}
