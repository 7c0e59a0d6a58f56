using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class EvaluateCommandTests
{
    [TestMethod]
    public void Evaluate_ImagesItWasTrainedOn_GivesNoAccuracyAsIfHeldOut()
    {
        CliResult result = Cli.Run("evaluate", Trained.Model, Cli.Samples, "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(157, result.Json.GetProperty("images").GetInt32());
        Assert.IsTrue(result.Json.GetProperty("trainingImagesKnown").GetBoolean());
        foreach (string headline in (string[])["accuracy", "accuracyInterval", "unseen"])
            Assert.AreEqual(JsonValueKind.Null, result.Json.GetProperty(headline).ValueKind, headline);
        JsonElement seen = result.Json.GetProperty("seen");
        Assert.AreEqual(
            157,
            seen.GetProperty("confusion").EnumerateArray().Sum(r => r.EnumerateArray().Sum(c => c.GetInt32()))
        );
        Assert.IsGreaterThan(0.9, seen.GetProperty("accuracy").GetDouble(), "It was trained on them.");

        string printed = Cli.Run("evaluate", Trained.Model, Cli.Samples).Output;
        StringAssert.StartsWith(printed, "THE MODEL WAS TRAINED ON ALL 157 OF THESE IMAGES");
        Assert.IsFalse(printed.Contains("Accuracy", StringComparison.Ordinal), printed);
    }

    [TestMethod]
    public void Evaluate_SomeImagesSeen_HeadlineIsOfTheOthers()
    {
        using var folder = new TempFolder();
        CliResult trained = Cli.Run(
            "train",
            Cli.Samples,
            "--output",
            folder.Path,
            "--tap",
            "map7_3",
            "--head",
            "ridge",
            "--test-fraction",
            "0.2",
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, trained.Code, trained.ToString());
        JsonElement json = Cli.Run("evaluate", folder.File("model.onnx"), Cli.Samples, "--json").Json;
        Assert.AreEqual(31, json.GetProperty("unseen").GetProperty("images").GetInt32());
        Assert.AreEqual(126, json.GetProperty("seen").GetProperty("images").GetInt32());
        Assert.AreEqual(
            trained.Json.GetProperty("accuracy").GetDouble(),
            json.GetProperty("accuracy").GetDouble(),
            "the images held out, again"
        );
        CollectionAssert.AreEqual(Counts(trained.Json), Counts(json.GetProperty("unseen")));
        string printed = Cli.Run("evaluate", folder.File("model.onnx"), Cli.Samples).Output;
        StringAssert.Contains(printed, "right on images it was not trained on");
        StringAssert.Contains(printed, "trained on 126 of the 157 images; they are left out above");
    }

    [TestMethod]
    public void Evaluate_ModelWithoutHashes_SaysThatItCannotTell()
    {
        using var folder = new TempFolder();
        Onnx.OnnxModel.Load(Trained.Model)
            .WithMetadata("mlnet_transfer.training_images", null)
            .Save(folder.File("old.onnx"));
        JsonElement json = Cli.Run("evaluate", folder.File("old.onnx"), Cli.Samples, "--json").Json;
        Assert.IsFalse(json.GetProperty("trainingImagesKnown").GetBoolean());
        Assert.AreEqual(157, json.GetProperty("unseen").GetProperty("images").GetInt32());
        StringAssert.Contains(json.GetProperty("notes")[0].GetString(), "could not be told apart");
    }

    [TestMethod]
    public void Evaluate_FolderWithAClassTheModelDoesNotKnow_NamesIt()
    {
        using var folder = new TempFolder();
        folder.Write("submarine/1.png", [1]);
        folder.Write("bird/1.png", [1]);
        CliResult result = Cli.Run("evaluate", Trained.Model, folder.Path);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "'submarine'");
    }

    [TestMethod]
    public void Evaluate_OnlySomeClasses_KeepsTheModelsLabels()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("fruit"));
        File.Copy(Path.Combine(Cli.Samples, "fruit", "banana.png"), folder.File("fruit/banana.png"));
        CliResult result = Cli.Run("evaluate", Trained.Model, folder.Path, "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(8, result.Json.GetProperty("classes").GetInt32());
        Assert.AreEqual(
            1,
            result
                .Json.GetProperty("seen")
                .GetProperty("perClass")
                .EnumerateArray()
                .Single(c => c.GetProperty("name").GetString() == "fruit")
                .GetProperty("support")
                .GetInt32()
        );
    }

    [TestMethod]
    public void Evaluate_NoUsableImage_Fails()
    {
        using var folder = new TempFolder();
        folder.Write("bird/1.png", [1]);
        CliResult result = Cli.Run("evaluate", Trained.Model, folder.Path);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "bird/1.png");
    }

    private static int[] Counts(JsonElement figures) =>
        [
            .. figures
                .GetProperty("confusion")
                .EnumerateArray()
                .SelectMany(row => row.EnumerateArray().Select(count => count.GetInt32())),
        ];
}
