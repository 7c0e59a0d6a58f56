using System.Text.Json;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Proto;
using MlNetTransfer.Onnx.Weights;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Models.Exports;

[TestClass]
public sealed class ExportJobTests
{
    private static readonly Preprocessing Small = new()
    {
        Size = 16,
        Mean = new(0.4f, 0.5f, 0.6f),
        Std = new(0.2f, 0.3f, 0.25f),
    };

    public static IEnumerable<object[]> Formats =>
        ExportFormats.All.Where(f => f.Name != "int8").Select(f => (object[])[f.Name]);

    [TestMethod]
    [DynamicData(nameof(Formats))]
    public void Run_EveryFormat_WritesAFileThatAgreesAndTheSameBytesAgain(string format)
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, format);
        ExportSummary first = new ExportJob(options).Run();
        Assert.AreEqual(Path.Combine(folder.Path, ExportFormats.Get(format).FileName), first.Files[0].Path);
        Assert.AreEqual(3, first.Parity.Images);
        Assert.AreEqual(0, first.Parity.LabelFlips);
        Assert.IsLessThan(1e-3, first.Parity.MaxDifference);
        CollectionAssert.AreEqual(
            first.Files.ToArray(),
            new ExportJob(options with { Overwrite = true }).Run().Files.ToArray()
        );
        Assert.IsEmpty(Directory.GetDirectories(folder.Path, ".*"));
    }

    /// <summary>An option without effect is an error, before any image is read.</summary>
    [TestMethod]
    public void Run_OptionOfOtherFormats_IsRefused()
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, "tensor");
        Refused(
            options with
            {
                Namespace = "Acme",
            },
            "--namespace is for formats that are code (torchsharp), not for tensor"
        );
        Refused(
            options with
            {
                WeightNames = WeightNames.Torch,
            },
            "--names is for formats of weights alone (safetensors), not for tensor"
        );
        Refused(options with { Format = "safetensors", WithLogits = true }, "A file of weights has no outputs");

        static void Refused(ExportOptions options, string said) =>
            StringAssert.Contains(
                Assert.ThrowsExactly<TransferException>(() => new ExportJob(options).Run()).Message,
                said
            );
    }

    [TestMethod]
    public void Run_Safetensors_HasWeightsAlone()
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, "safetensors");
        var file = SafetensorsFile.Load(new ExportJob(options).Run().Files[0].Path);
        TensorProto[] layers =
        [
            .. OnnxModel.Load(options.Model).Initializers.Where(i => i.DataType == 1 && i.Dims.Count > 0),
        ];
        Assert.IsNotEmpty(layers);
        CollectionAssert.AreEquivalent(layers.Select(i => i.Name).ToArray(), file.Tensors.Keys.ToArray());
    }

    [TestMethod]
    [DataRow("tensor")]
    [DataRow("pixels")]
    [DataRow("fp16")]
    public void Run_OnnxFormat_KeepsMetadataAndRecordsParity(string format)
    {
        using var folder = new TempFolder();
        ExportSummary summary = new ExportJob(
            Make(folder, format) with
            {
                WithFeatures = true,
                WithLogits = true,
            }
        ).Run();
        OnnxModel model = OnnxModel.Load(summary.Files[0].Path);
        CollectionAssert.AreEqual(
            new[] { "probabilities", "label", "features", "logits" },
            model.Outputs.Select(o => o.Name).ToArray()
        );
        Assert.AreEqual(18, model.OpsetVersion());
        Assert.AreEqual("# card", ModelMetadata.FromEntries("", model.Metadata).ModelCard);
        Assert.AreEqual(summary.Parity, ExportRecord.FromJson("", model.Metadata[ExportRecord.Key]));
        Assert.IsNull(model.DeclaredShape(model.Inputs[0].Name)!.Dimensions[0].Size, "the batch is open");
    }

    [TestMethod]
    public void Run_TooFarOff_WritesNothingUnlessAllowed()
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, "fp16", gain: 5);
        string output = folder.File("half.onnx");
        var e = Assert.ThrowsExactly<TransferException>(() =>
            new ExportJob(options with { Output = output, AllowDrift = 0 }).Run()
        );
        StringAssert.Contains(e.Message, "was not written");
        StringAssert.Contains(e.Message, "--allow-drift");
        Assert.IsFalse(File.Exists(output));
        Assert.IsEmpty(Directory.GetDirectories(folder.Path, ".*"));
        ExportSummary allowed = new ExportJob(options with { Output = output, AllowDrift = 1 }).Run();
        Assert.IsTrue(allowed.Parity.Override);
        Assert.AreEqual(1, ExportRecord.FromJson("", OnnxModel.Load(output).Metadata[ExportRecord.Key]).Tolerance);
    }

    /// <summary>
    /// Judged on none of the images that ranges were taken from: of 24 images 8 are asked for, of a class more or less
    /// by rounding.
    /// </summary>
    [TestMethod]
    public void Run_Int8_IsCheckedOnOthersThanItIsCalibratedOn()
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, "int8") with
        {
            MaxImages = 8,
            Quantization = new Int8Options { QuantizeHead = true, AutoFloat = true },
        };
        for (int i = 0; i < 24; i++)
            folder.Write($"images/{i}.bmp", TinyClassifier.Noise(20 + i % 5, 31, i).File);
        ExportSummary summary = new ExportJob(options).Run();
        Assert.AreEqual(24, summary.Parity.Images + summary.Parity.CalibrationImages);
        Assert.AreEqual(8, summary.Parity.Images, 1);
        Assert.AreEqual(
            summary.Parity,
            ExportRecord.FromJson("", OnnxModel.Load(summary.Files[0].Path).Metadata[ExportRecord.Key])
        );

        // Apart: those that are named twice are only checked on.
        ExportOptions apart = options with
        {
            CalibrationImages = [folder.File("images"), folder.File("more")],
            Images = [folder.File("images/0.bmp"), folder.File("images/1.bmp")],
            Output = folder.File("apart.onnx"),
        };
        folder.Write("more/a.bmp", TinyClassifier.Noise(25, 31, 99).File);
        Assert.AreEqual(
            (2, 23),
            (new ExportJob(apart).Run().Parity is var found ? found.Images : 0, found.CalibrationImages)
        );
        Fails(apart with { CalibrationImages = apart.Images, Output = folder.File("b.onnx") }, "but those of --images");
        Fails(
            apart with
            {
                CalibrationImages = [],
                Images = [folder.File("images/0.bmp")],
                Output = folder.File("b.onnx"),
            },
            "too few"
        );
        Fails(apart with { Format = "tensor", Output = folder.File("b.onnx") }, "int8");
    }

    [TestMethod]
    public void Run_ExternalData_LiesBesideUnderTheFinalName()
    {
        using var folder = new TempFolder();
        string model = folder.File("model.onnx");
        OnnxModel large = TinyClassifier
            .Build(Small)
            .With(p =>
            {
                p.Graph.Initializer.Add(TensorData.Floats("offset", new float[3 * 256], 3, 16, 16));
                p.Graph.Node.Single(n => n.OpType == "GlobalAveragePool").Input[0] = "moved";
                p.Graph.Node.Insert(
                    0,
                    new NodeProto
                    {
                        OpType = "Add",
                        Input = { "image", "offset" },
                        Output = { "moved" },
                    }
                );
            });
        large.Save(model);
        ExportSummary summary = new ExportJob(
            Make(folder, "tensor") with
            {
                Model = model,
                ExternalDataAbove = 100,
            }
        ).Run();
        CollectionAssert.AreEqual(
            new[] { "model.tensor.onnx", "model.tensor.onnx.data" },
            summary.Files.Select(f => Path.GetFileName(f.Path)).ToArray()
        );
        Assert.AreEqual(3072, summary.Files[1].Bytes);
        Assert.AreEqual(0, summary.Parity.MaxDifference);

        // The product reads it too, as long as the data lies where it was written.
        float[] image = [.. Enumerable.Range(0, 3 * 256).Select(i => i / 768f)];
        using (
            TransferModel one = TransferModel.Load(model),
                two = TransferModel.Load(summary.Files[0].Path)
        )
            CollectionAssert.AreEqual(one.Predict([image]), two.Predict([image]));
        using var outside = new TempFolder();
        string data = summary.Files[1].Path,
            elsewhere = outside.File("w.data");
        File.Move(data, elsewhere);
        Refused("could not be read");
        if (OperatingSystem.IsWindows())
            return; // Links need a privilege there.
        File.CreateSymbolicLink(data, elsewhere);
        Refused("no link that leads out");

        void Refused(string part) =>
            StringAssert.Contains(
                Assert.ThrowsExactly<GraphException>(() => TransferModel.Load(summary.Files[0].Path)).Message,
                part
            );
    }

    [TestMethod]
    public void Run_OperatorWithoutCounterpart_IsNamedAndNothingWritten()
    {
        using var folder = new TempFolder();
        OnnxModel odd = TinyClassifier
            .Build(Small)
            .With(p =>
            {
                p.Graph.Node.Single(n => n.OpType == "GlobalAveragePool").Input[0] = "odd";
                p.Graph.Node.Insert(
                    0,
                    new NodeProto
                    {
                        OpType = "Det",
                        Name = "strange",
                        Input = { "image" },
                        Output = { "det" },
                    }
                );
                p.Graph.Node.Insert(
                    1,
                    new NodeProto
                    {
                        OpType = "Flatten",
                        Input = { "det" },
                        Output = { "flatdet" },
                    }
                );
                p.Graph.Node.Insert(
                    2,
                    new NodeProto
                    {
                        OpType = "ReduceSum",
                        Input = { "flatdet" },
                        Output = { "one" },
                        Attribute = { Attributes.Of("keepdims", 0L) },
                    }
                );
                p.Graph.Node.Insert(
                    3,
                    new NodeProto
                    {
                        OpType = "Add",
                        Input = { "image", "one" },
                        Output = { "odd" },
                    }
                );
            });
        odd.Save(folder.File("model.onnx"));
        string[] before = Directory.GetFileSystemEntries(folder.Path);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<GraphException>(() => new ExportJob(Make(folder, "torchscript", write: false)).Run())
                .Message,
            "Det"
        );
        Assert.HasCount(
            before.Length + 1,
            Directory.GetFileSystemEntries(folder.Path),
            "the folder of images alone is new"
        );
    }

    [TestMethod]
    public void Run_BadRequests_SayWhatToDo()
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, "tensor");
        Fails(options with { Images = [] }, "--images");
        Fails(options with { Output = options.Model }, "exists");
        Fails(options with { Output = folder.Path }, "folder");
        Fails(options with { Format = "jpeg" }, "torchscript");
        string export = new ExportJob(options).Run().Files[0].Path;
        Fails(options with { Model = export, Output = folder.File("again.onnx") }, "is an export itself");
        folder.Write("texts/a.png", "no image"u8.ToArray());
        Fails(options with { Images = [folder.File("texts")], Output = folder.File("b.onnx") }, "None of the 1 images");
        OnnxModel foreign = TinyClassifier.Build(Small);
        foreach (string key in foreign.Metadata.Keys)
            foreign = foreign.WithMetadata(key, null);
        foreign.Save(folder.File("foreign.onnx"));
        Fails(
            options with
            {
                Model = folder.File("foreign.onnx"),
                Output = folder.File("b.onnx"),
            },
            "not one that mlnet-transfer wrote"
        );
        OnnxModel other = TinyClassifier.Build(Small with { Size = 24 });
        foreach ((string key, string value) in TinyClassifier.Build(Small).Metadata)
            other = other.WithMetadata(key, value);
        other.Save(folder.File("other.onnx"));
        Fails(
            options with
            {
                Model = folder.File("other.onnx"),
                Output = folder.File("b.onnx"),
            },
            "Float [N, 3, 16, 16] was expected"
        );
    }

    [TestMethod]
    [DataRow("torchscript")]
    [DataRow("torchsharp")]
    [DataRow("safetensors")]
    public void Import_OfAnExport_GivesTheModelBack(string format)
    {
        using var folder = new TempFolder();
        ExportOptions options = Make(folder, format, gain: 1.25f);
        string weights = new ExportJob(options).Run().Files[0].Path,
            output = folder.File("back.onnx");
        var import = new ImportOptions
        {
            Model = options.Model,
            Weights = weights,
            Output = output,
        };
        ImportSummary summary = new ImportJob(import).Run();
        OnnxModel before = OnnxModel.Load(options.Model),
            after = OnnxModel.Load(output);
        CollectionAssert.AreEqual(
            before.Initializers.SelectMany(TensorData.ToFloats).ToArray(),
            after.Initializers.SelectMany(TensorData.ToFloats).ToArray()
        );
        ModelMetadata metadata = ModelMetadata.FromEntries("", after.Metadata);
        Assert.IsNull(metadata.ModelCard, "its figures are those of other weights");
        Assert.AreEqual(summary.TrainingDigest, metadata.TrainingDigest);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ImportJob(import).Run()).Message,
            "exists"
        );
    }

    [TestMethod]
    public void Torch_LabelsAndParity_LieBeside()
    {
        using var folder = new TempFolder();
        ExportSummary summary = new ExportJob(Make(folder, "torchscript")).Run();
        using JsonDocument facts = JsonDocument.Parse(File.ReadAllText(summary.Files[1].Path));
        Assert.AreEqual(
            """["red","green","blue"]""",
            facts.RootElement.GetProperty("metadata").GetProperty("mlnet_transfer.labels").GetString()
        );
        Assert.AreEqual("weights", facts.RootElement.GetProperty("parity").GetProperty("check").GetString());
    }

    private static void Fails(ExportOptions options, string part) =>
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ExportJob(options).Run()).Message,
            part
        );

    private static ExportOptions Make(TempFolder folder, string format, float gain = 1, bool write = true)
    {
        string model = folder.File("model.onnx");
        if (write && !File.Exists(model))
            TinyClassifier.Build(Small, gain).Save(model);
        for (int i = 0; i < 3; i++)
            folder.Write($"images/{i}.bmp", TinyClassifier.Noise(20 + i, 31, i).File);
        return new ExportOptions
        {
            Model = model,
            Format = format,
            Images = [folder.File("images")],
        };
    }
}
