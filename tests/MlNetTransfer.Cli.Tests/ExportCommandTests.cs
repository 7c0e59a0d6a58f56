using System.Runtime.Versioning;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class ExportCommandTests
{
    private static string Birds => Path.Combine(Cli.Samples, "bird");

    /// <summary>Oracles: Pillow decodes, ONNX Runtime alone runs.</summary>
    [TestMethod]
    public void Export_PixelsOfPillow_SaysWhatPredictSays()
    {
        using var folder = new TempFolder();
        string export = folder.File("pixels.onnx");
        CliResult result = Cli.Run(
            "export",
            Trained.Model,
            "--format",
            "pixels",
            "--images",
            Cli.Samples,
            "--max-images",
            "12",
            "--output",
            export,
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(0, result.Json.GetProperty("parity").GetProperty("labelFlips").GetInt32());
        Python.Require("PIL");
        string[] images =
        [
            .. Directory
                .GetFiles(Cli.Samples, "*.png", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .Where((_, i) => i % 16 == 0),
        ];
        JsonElement[] predicted =
        [
            .. Cli.Run(["predict", Trained.Model, .. images, "--top", "8", "--json"])
                .Json.GetProperty("predictions")
                .EnumerateArray(),
        ];
        string[] labels =
        [
            .. Directory.GetDirectories(Cli.Samples).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal),
        ];
        Directory.CreateDirectory(folder.File("exchange"));
        var found = PillowScorer.Run(export, images, folder.File("exchange"));
        for (int i = 0; i < images.Length; i++)
        {
            Assert.AreEqual(predicted[i].GetProperty("label").GetString(), labels[found[i].Label], images[i]);
            foreach (JsonElement top in predicted[i].GetProperty("top").EnumerateArray())
                Assert.AreEqual(
                    top.GetProperty("probability").GetDouble(),
                    found[i].Probabilities[Array.IndexOf(labels, top.GetProperty("label").GetString())],
                    0.02,
                    "what the format promises"
                );
        }
    }

    [TestMethod]
    public void Export_HalfAndTable_SaysHowFarItIs()
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run(
            "export",
            Trained.Model,
            "--format",
            "fp16",
            "--images",
            Birds,
            "--max-images",
            "4",
            "--output",
            folder.File("half.onnx")
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "On 4 images fp16 differs from the evaluated model by at most");
        Assert.IsLessThan(0.55 * new FileInfo(Trained.Model).Length, new FileInfo(folder.File("half.onnx")).Length);
    }

    [TestMethod]
    public void Export_ThenImport_PredictsTheSame()
    {
        using var folder = new TempFolder();
        Assert.AreEqual(
            ExitCode.Done,
            Cli.Run(
                "export",
                Trained.Model,
                "--format",
                "safetensors",
                "--images",
                Birds,
                "--max-images",
                "2",
                "--output",
                folder.File("w.safetensors")
            ).Code
        );
        CliResult imported = Cli.Run(
            "import",
            Trained.Model,
            "--weights",
            folder.File("w.safetensors"),
            "--output",
            folder.File("back.onnx"),
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, imported.Code, imported.ToString());
        // Imported weights may be any, so the promises of the old ones go; the probabilities are the same.
        string Scores(string model) =>
            string.Join(
                '\n',
                Cli.Run("predict", model, Birds, "--json")
                    .Json.GetProperty("predictions")
                    .EnumerateArray()
                    .Select(p => p.GetProperty("file").GetString() + p.GetProperty("top").GetRawText())
            );
        Assert.AreEqual(Scores(Trained.Model), Scores(folder.File("back.onnx")));

        // What the file of weights says of itself is what the model says, tensors and all.
        CliResult inspected = Cli.Run("inspect", folder.File("w.safetensors"), "--json");
        Assert.AreEqual(8, inspected.Json.GetProperty("metadata").GetProperty("labels").GetArrayLength());
        Assert.AreEqual(
            imported.Json.GetProperty("tensors").GetInt32(),
            inspected.Json.GetProperty("tensors").GetArrayLength()
        );
        Assert.AreEqual(2, inspected.Json.GetProperty("parity").GetProperty("images").GetInt32());
        StringAssert.Contains(Cli.Run("inspect", folder.File("w.safetensors")).Output, "more; --json lists all");
    }

    [TestMethod]
    public void Inspect_TorchScript_KnowsWhatLiesBesideIt()
    {
        using var folder = new TempFolder();
        string file = folder.File("m.pt");
        Assert.AreEqual(
            ExitCode.Done,
            Cli.Run(
                "export",
                Trained.Model,
                "--format",
                "torchscript",
                "--images",
                Birds,
                "--max-images",
                "1",
                "--output",
                file
            ).Code
        );
        CliResult result = Cli.Run("inspect", file, "--json");
        Assert.AreEqual("torchscript", result.Json.GetProperty("parity").GetProperty("format").GetString());
        Assert.AreEqual(8, result.Json.GetProperty("metadata").GetProperty("labels").GetArrayLength());
        StringAssert.StartsWith(Cli.Run("inspect", file, "--card").Output, "# Image classifier of 8 classes");
        File.WriteAllText(file + ".json", "[]");
        Assert.AreEqual(
            JsonValueKind.Null,
            (result = Cli.Run("inspect", file, "--json")).Json.GetProperty("metadata").ValueKind
        );
        StringAssert.Contains(result.Json.GetProperty("notes")[0].GetString(), "m.pt.json");
    }

    /// <summary>The images are divided: ranges are taken from some, the labels compared on others.</summary>
    [TestMethod]
    public void Export_Int8_SaysHowItsImagesWereDivided()
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run(
            "export",
            Trained.Model,
            "--format",
            "int8",
            "--images",
            Birds,
            "--max-images",
            "6",
            "--weight-bits",
            "seven",
            "--output",
            folder.File("m.onnx")
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "Calibrated on");
        StringAssert.Contains(Cli.Run("inspect", folder.File("m.onnx")).Output, "of its calibration");
        Assert.AreEqual(ExitCode.Usage, Cli.Run("export", Trained.Model, "--format", "int8", "--max-loss", "2").Code);
    }

    [TestMethod]
    public void Export_WithoutImages_SaysToGiveSome()
    {
        CliResult result = Cli.Run("export", Trained.Model, "--format", "tensor", "--output", "never.onnx");
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "--images");
        Assert.AreEqual(ExitCode.Usage, Cli.Run("export", Trained.Model, "--format", "gif").Code);
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [UnsupportedOSPlatform("windows")]
    public void Export_FolderThatCannotBeWritten_NamesTheFile()
    {
        using var folder = new TempFolder();
        string locked = Directory.CreateDirectory(folder.File("locked")).FullName,
            output = Path.Combine(locked, "m.onnx");
        File.SetUnixFileMode(locked, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string[] command =
        [
            "export",
            Trained.Model,
            "--format",
            "tensor",
            "--images",
            Birds,
            "--max-images",
            "1",
            "--output",
            output,
        ];
        // Root may write everywhere, so root gives up that right first.
        CliResult result =
            Environment.UserName == "root"
                ? Cli.RunBelow("setpriv", ["--bounding-set=-dac_override"], command)
                : Cli.Run(command);
        Assert.AreEqual(ExitCode.Failed, result.Code, result.ToString());
        StringAssert.Contains(result.Error, output);
        StringAssert.Contains(result.Error, "permissions");
    }

    [TestMethod]
    public void Inspect_ModelAndCard_ShowWhatIsInside()
    {
        CliResult result = Cli.Run("inspect", Trained.Model, "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement metadata = result.Json.GetProperty("metadata");
        Assert.AreEqual(8, metadata.GetProperty("labels").GetArrayLength());
        Assert.AreEqual(224, metadata.GetProperty("preprocessing").GetProperty("size").GetInt32());
        Assert.IsFalse(metadata.TryGetProperty("encoder", out _), "a model of images states its preprocessing alone");
        Assert.IsGreaterThan(1e8, result.Json.GetProperty("multiplyAdds").GetDouble());
        Assert.AreEqual("Float [N, 3, 224, 224]", result.Json.GetProperty("inputs")[0].GetProperty("type").GetString());
        StringAssert.Contains(Cli.Run("inspect", Trained.Model).Output, "Parameters");
        StringAssert.StartsWith(Cli.Run("inspect", Trained.Model, "--card").Output, "# Image classifier of 8 classes");
    }

    [TestMethod]
    public void Inspect_AnyOnnxFile_SaysWhatItCan()
    {
        using var folder = new TempFolder();
        Onnx.OnnxModel foreign = new Onnx.GraphBuilder()
            .Input("x", ["N", 4])
            .Initializer("w", new float[8], 4, 2)
            .Node("MatMul", ["x", "w"], ["y"])
            .Output("y", ["N", 2])
            .Build();
        foreign.Save(folder.File("f.onnx"));
        CliResult result = Cli.Run("inspect", folder.File("f.onnx"), "--json");
        Assert.AreEqual(8, result.Json.GetProperty("multiplyAdds").GetInt64());
        Assert.AreEqual(JsonValueKind.Null, result.Json.GetProperty("metadata").ValueKind);
        CliResult card = Cli.Run("inspect", folder.File("f.onnx"), "--card");
        Assert.AreEqual(ExitCode.Failed, card.Code);
        StringAssert.Contains(card.Error, "no model card");
    }
}
