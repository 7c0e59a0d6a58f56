using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Advice and distances on the sample images, through the command line.</summary>
[TestClass]
public sealed class AdviseCommandTests
{
    private static readonly string Samples = Repository.At("data-samples/clipart");

    [TestMethod]
    public void Advise_Samples_RanksWaysWithTheirGroundsAndNamesTheNextCommand()
    {
        CliResult result = Cli.Run("advise", Samples, "--backbones", "resnet18", "--time-budget", "0s", "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement advice = result.Json.GetProperty("advice"),
            first = advice.GetProperty("strategies")[0];
        Assert.AreEqual("head", first.GetProperty("strategy").GetString(), "nothing else was tried");
        Assert.AreEqual("--backbone resnet18", first.GetProperty("options").GetString());
        double accuracy = first.GetProperty("accuracy").GetDouble();
        Assert.IsTrue(accuracy is > 0.8 and < 0.95, $"{accuracy}: about 86 % of the samples are told apart");
        Assert.IsTrue(
            advice
                .GetProperty("baselines")
                .EnumerateArray()
                .All(b => b.GetProperty("gainInterval")[0].GetDouble() > 0.2),
            "pixels, random weights and guessing are far behind"
        );
        JsonElement estimate = advice.GetProperty("estimates")[0];
        Assert.AreEqual(JsonValueKind.Null, estimate.GetProperty("leep").ValueKind, "the network has no classes");

        using var folder = new TempFolder();
        string list = folder.File("my list.csv");
        File.WriteAllLines(
            list,
            [
                "picture,kind",
                .. Directory
                    .GetFiles(Samples, "*.png", SearchOption.AllDirectories)
                    .Order(StringComparer.Ordinal)
                    .Select(file => $"{file},{Path.GetFileName(Path.GetDirectoryName(file))}"),
            ]
        );
        string[] columns = ["--path-column", "picture", "--label-column", "kind"];
        CliResult shown = Cli.Run(["advise", list, "--backbones", "resnet18", "--time-budget", "0s", .. columns]);
        StringAssert.StartsWith(shown.Output.TrimStart(), "Take a head on frozen features on resnet18: expect ");
        StringAssert.Contains(
            shown.Output.ReplaceLineEndings(" "),
            $"Next: mlnet-transfer train '{list}' --path-column picture --label-column kind --backbone resnet18"
        );
        StringAssert.Contains(shown.Output, "with random weights");
    }

    [TestMethod]
    public void Advise_TooLittleTimeForATraining_SaysSoAndTakesTheHead()
    {
        CliResult result = Cli.Run("advise", Samples, "--backbones", "resnet18", "--time-budget", "1s", "--json");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement advice = result.Json.GetProperty("advice");
        StringAssert.Contains(advice.GetProperty("notes").ToString(), "'finetune' was not tried to the end");
        Assert.AreEqual(1, advice.GetProperty("trials").GetArrayLength(), "the head is always judged");
        Assert.AreEqual("head", advice.GetProperty("strategies")[0].GetProperty("strategy").GetString());
    }

    [TestMethod]
    public void Distance_TwoClassesAndOneWithItself_AreFarAndNotAtAll()
    {
        string birds = Path.Combine(Samples, "bird"),
            houses = Path.Combine(Samples, "house");
        JsonElement far = Cli.Run("distance", birds, houses, "--json").Json.GetProperty("distance"),
            none = Cli.Run("distance", birds, birds, "--json").Json.GetProperty("distance");
        Assert.IsGreaterThan(1.0, far.GetProperty("distance").GetDouble());
        Assert.AreEqual(0, none.GetProperty("distance").GetDouble());
        StringAssert.Contains(Cli.Run("distance", birds, birds).Output, "do not tell them apart");
    }

    [TestMethod]
    public void Distance_ImagesThatAreAllTheSame_AreRefusedWithTheNumber()
    {
        using var folder = new TempFolder();
        for (int i = 0; i < 12; i++)
            folder.Write($"{i:d2}.bmp", Bmp.Of(64, 64, (x, y) => 3 * x));
        CliResult result = Cli.Run("distance", folder.Path, Samples);
        Assert.AreEqual(ExitCode.Failed, result.Code, result.ToString());
        StringAssert.Contains(result.Error, "1 different usable images; at least 10");
    }

    [TestMethod]
    public void Advise_TwoImagesPerClass_SaysHowManyAreNeeded()
    {
        using var folder = new TempFolder();
        foreach (string name in (string[])["a", "b"])
            for (int i = 0; i < 2; i++)
                folder.Write($"{name}/{i}.bmp", Bmp.Of(64, 64, (x, y) => (x * (i + 2) + y * name[0]) % 256));
        CliResult result = Cli.Run("advise", folder.Path, "--time-budget", "0s");
        Assert.AreEqual(ExitCode.Failed, result.Code, result.ToString());
        StringAssert.Contains(result.Error, "at least 3 of each class are needed");
    }
}
