using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class ModelsAddCommandTests
{
    [TestMethod]
    public void Add_OwnModel_IsListedShownClassifiesTrainsAndIsRemoved()
    {
        using var folder = new TempFolder();
        File.WriteAllLines(folder.File("labels.txt"), ["red", "green", "blue", ""]);
        CliResult added = Cli.Run(
            "models",
            "add",
            ColourNetwork.Save(folder),
            "--id",
            "own_net",
            "--preprocessing",
            "unit",
            "--labels",
            folder.File("labels.txt"),
            "--license",
            "MIT",
            "--framing",
            "stretch",
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, added.Code, added.ToString());
        Assert.AreEqual("own_net", added.Json.GetProperty("card").GetProperty("id").GetString());
        Assert.IsGreaterThanOrEqualTo(3, added.Json.GetProperty("card").GetProperty("taps").GetArrayLength());

        JsonElement list = Cli.Run("models", "list", "--json").Json;
        CollectionAssert.Contains(
            list.GetProperty("own").EnumerateArray().Select(i => i.GetString()).ToArray(),
            "own_net"
        );
        StringAssert.Contains(Cli.Run("models", "list").Output, "yours");
        StringAssert.Contains(Cli.Run("models", "show", "own_net").Output, "SHA-256");

        string image = ColourNetwork.Image(folder, "image.bmp", 0, 255, 51);
        CliResult classified = Cli.Run("classify", "own_net", image, "--json");
        Assert.AreEqual(ExitCode.Done, classified.Code, classified.ToString());
        JsonElement[] top = [.. classified.Json.GetProperty("predictions")[0].GetProperty("top").EnumerateArray()];
        CollectionAssert.AreEqual(
            new[] { "green", "blue", "red" },
            top.Select(t => t.GetProperty("label").GetString()).ToArray()
        );
        double[] softmax = ColourNetwork.Probabilities(0, 1, 0.2);
        Assert.AreEqual(softmax[1], top[0].GetProperty("probability").GetDouble(), 1e-5, "float32");
        Assert.AreEqual(softmax[2], top[1].GetProperty("probability").GetDouble(), 1e-5, "float32");
        StringAssert.Contains(Cli.Run("classify", "own_net", image).Output, "green");

        for (int i = 0; i < 12; i++)
        {
            ColourNetwork.Image(folder, $"data/bright/{i}.bmp", 180 + i, 190, 200);
            ColourNetwork.Image(folder, $"data/dark/{i}.bmp", 20 + i, 30, 40);
        }

        CliResult trained = Cli.Run(
            "train",
            folder.File("data"),
            "--backbone",
            "own_net",
            "--output",
            folder.File("out"),
            "--json",
            "--no-cache"
        );
        Assert.AreEqual(ExitCode.Done, trained.Code, trained.ToString());
        Assert.AreEqual(1, trained.Json.GetProperty("accuracy").GetDouble());

        Assert.AreEqual(ExitCode.Done, Cli.Run("models", "remove", "own_net").Code);
        Assert.AreEqual(ExitCode.Failed, Cli.Run("models", "show", "own_net").Code);
        Assert.AreEqual(ExitCode.Failed, Cli.Run("models", "remove", "own_net").Code);
    }

    [TestMethod]
    public void Add_WhatIsMissingOrWrong_FailsAndSaysHowToMendIt()
    {
        using var folder = new TempFolder();
        string model = ColourNetwork.Save(folder);
        Fails(ExitCode.Failed, "--preprocessing imagenet", "models", "add", model, "--id", "bad");
        Fails(ExitCode.Failed, "lower-case", "models", "add", model, "--id", "No Good", "--preprocessing", "unit");
        Fails(
            ExitCode.Failed,
            "--sha256",
            "models",
            "add",
            "http://127.0.0.1:1/m.onnx",
            "--id",
            "bad",
            "--preprocessing",
            "unit"
        );
        Fails(
            ExitCode.Failed,
            "64 lower-case",
            "models",
            "add",
            model,
            "--id",
            "bad",
            "--preprocessing",
            "unit",
            "--sha256",
            "12"
        );
        Fails(ExitCode.Failed, "above 0", "models", "add", model, "--id", "bad", "--mean", "0,0,0", "--std", "1,0,1");
        Fails(
            ExitCode.Failed,
            "none.txt",
            "models",
            "add",
            model,
            "--id",
            "bad",
            "--preprocessing",
            "unit",
            "--labels",
            folder.File("none.txt")
        );
        Fails(
            ExitCode.Failed,
            "comes with the product",
            "models",
            "add",
            model,
            "--id",
            "resnet18",
            "--preprocessing",
            "unit"
        );
        Fails(ExitCode.Usage, "--id", "models", "add", model);
        Fails(
            ExitCode.Usage,
            "three numbers",
            "models",
            "add",
            model,
            "--id",
            "bad",
            "--mean",
            "0,0",
            "--std",
            "1,1,1"
        );
        Fails(ExitCode.Failed, "go together", "models", "add", model, "--id", "bad", "--mean", "0,0,0");
        Fails(
            ExitCode.Failed,
            "give one of them",
            "models",
            "add",
            model,
            "--id",
            "bad",
            "--mean",
            "0,0,0",
            "--std",
            "1,1,1",
            "--preprocessing",
            "unit"
        );
        Fails(ExitCode.Failed, "raw255", "models", "add", model, "--id", "bad", "--preprocessing", "caffee");
        Fails(ExitCode.Usage, "320x240", "models", "add", model, "--id", "bad", "--input-size", "320*240");
        Fails(
            ExitCode.Failed,
            "resizecrop",
            "models",
            "add",
            ColourNetwork.Save(folder),
            "--id",
            "bad",
            "--preprocessing",
            "unit",
            "--framing",
            "stretch",
            "--crop",
            "0.9"
        );
        Fails(ExitCode.Usage, "'classify'", "classify", "resnet18");
        Fails(ExitCode.Failed, "Did you mean 'resnet18'", "classify", "resnet8", model);
    }

    [TestMethod]
    public void Check_Backbones_PrintsWhatSpeaksForTheirPreprocessing()
    {
        CliResult found = Cli.Run("models", "check", "resnet18", "--json");
        Assert.AreEqual(ExitCode.Done, found.Code, found.ToString());
        JsonElement evidence = found.Json.GetProperty("evidence");
        Assert.IsTrue(evidence.GetProperty("isClear").GetBoolean());
        Assert.AreEqual(
            "raw255",
            evidence.GetProperty("ranking")[0].GetProperty("choice").GetProperty("name").GetString()
        );

        using var folder = new TempFolder();
        Cli.Run("models", "add", ColourNetwork.Save(folder), "--id", "plain", "--preprocessing", "unit");
        Fails(ExitCode.Failed, "--images FOLDER", "models", "check", "plain");
        for (int i = 0; i < 6; i++)
        {
            ColourNetwork.Image(folder, $"data/red/{i}.bmp", 200, 20 + i, 30);
            ColourNetwork.Image(folder, $"data/blue/{i}.bmp", 20 + i, 30, 200);
        }

        CliResult judged = Cli.Run("models", "check", "plain", "--images", folder.File("data"));
        StringAssert.Contains(judged.Output, "classes");
        Cli.Run("models", "remove", "plain");
    }

    /// <summary>As Teachable Machine exports: model.json, weights.bin and metadata.json with the labels.</summary>
    [TestMethod]
    public void Add_FolderOfTeachableMachine_BringsLabelsSizeAndPreprocessing()
    {
        using var folder = new TempFolder();
        string model = ColourNetwork.SaveTfjs(folder);
        folder.Write(
            "tm/metadata.json",
            """{"tfjsVersion": "1.3.1", "packageName": "@teachablemachine/image", "labels": ["Red things", "Green things", "Blue things"], "imageSize": 16}"""u8.ToArray()
        );
        CliResult added = Cli.Run("models", "add", model, "--id", "machine", "--json");
        Assert.AreEqual(ExitCode.Done, added.Code, added.ToString());
        JsonElement card = added.Json.GetProperty("card");
        Assert.AreEqual("Green things", card.GetProperty("sourceClasses")[1].GetString());
        JsonElement preprocessing = card.GetProperty("preprocessing");
        Assert.AreEqual("centerCrop", preprocessing.GetProperty("framing").GetString());
        Assert.AreEqual(16, preprocessing.GetProperty("size").GetInt32());
        string image = ColourNetwork.Image(folder, "green.bmp", 0, 255, 0);
        CliResult classified = Cli.Run("classify", "machine", image, "--json");
        JsonElement top = classified.Json.GetProperty("predictions")[0].GetProperty("top")[0];
        Assert.AreEqual("Green things", top.GetProperty("label").GetString());
        // Pixels as the library scales them, -1, 1, -1, are the logits.
        double[] softmax = ColourNetwork.Probabilities(-1, 1, -1);
        Assert.AreEqual(softmax[1], top.GetProperty("probability").GetDouble(), 1e-5, "float32");
        Cli.Run("models", "remove", "machine");

        File.Delete(folder.File("tm/weights.bin"));
        Fails(ExitCode.Failed, "weights.bin", "models", "add", model, "--id", "torn");
    }

    [TestMethod]
    public void Classify_SomeImagesBad_ListsThemAndReturnsThree()
    {
        using var folder = new TempFolder();
        folder.Write("in/text.png", "no image"u8.ToArray());
        File.WriteAllLines(folder.File("labels.txt"), ["red", "green", "blue"]);
        CliResult added = Cli.Run(
            "models",
            "add",
            ColourNetwork.Save(folder),
            "--id",
            "colours",
            "--preprocessing",
            "unit",
            "--labels",
            folder.File("labels.txt")
        );
        Assert.AreEqual(ExitCode.Done, added.Code, added.ToString());
        CliResult result = Cli.Run(
            "classify",
            "colours",
            Path.Combine(Cli.Samples, "fruit", "banana.png"),
            folder.File("in"),
            "--json"
        );
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        Assert.AreEqual(1, result.Json.GetProperty("predictions").GetArrayLength());
        Assert.AreEqual(3, result.Json.GetProperty("predictions")[0].GetProperty("top").GetArrayLength());
        Assert.AreEqual(1, result.Json.GetProperty("rejected").GetArrayLength());
    }

    private static void Fails(int code, string expected, params string[] args)
    {
        CliResult result = Cli.Run(args);
        Assert.AreEqual(code, result.Code, result.ToString());
        Assert.AreEqual("", result.Output);
        StringAssert.Contains(result.Error, expected);
    }
}
