using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>resnet18 beside a small network of the user, which knows the mean colour of an image and no more.</summary>
[TestClass]
public sealed class SeveralBackbonesTests
{
    private const string Id = "colours_beside";

    [TestMethod]
    public void Run_TwoBackbones_TrainPredictCompareAndChoose()
    {
        using TempFolder folder = new();
        string network = ColourNetwork.Save(folder);
        CliResult added = Cli.Run("models", "add", network, "--id", Id, "--preprocessing", "unit");
        Assert.AreEqual(0, added.Code, $"{added}");
        try
        {
            CliResult trained = Cli.Run(
                "train",
                Cli.Samples,
                "--backbone",
                $"resnet18,{Id}",
                "--head",
                "ridge",
                "--output",
                folder.Path,
                "--json"
            );
            Assert.AreEqual(0, trained.Code, $"{trained}");
            Assert.AreEqual($"resnet18+{Id}", trained.Json.GetProperty("backbone").GetString());
            Assert.IsGreaterThan(0.7, trained.Json.GetProperty("accuracy").GetDouble(), "resnet18 alone: 0.86");
            CliResult predicted = Cli.Run("predict", folder.File("model.onnx"), Path.Combine(Cli.Samples, "bird"));
            Assert.AreEqual(0, predicted.Code, $"{predicted}");

            CliResult compared = Cli.Run("models", "compare", Cli.Samples, "--backbones", $"{Id},resnet18", "--json");
            Assert.AreEqual(0, compared.Code, $"{compared}");
            JsonElement[] rows = [.. compared.Json.GetProperty("leaderboard").EnumerateArray()];
            JsonElement taken = rows.Single(row => row.GetProperty("taken").GetBoolean());
            Assert.AreNotEqual(Id, taken.GetProperty("backbone").GetString(), "three colours tell few drawings apart");
            StringAssert.Contains(
                Cli.Run("models", "compare", Cli.Samples, "--backbones", $"{Id},resnet18").Output,
                "to the best"
            );
            Assert.AreEqual(
                "COLOURS COLOURS+resnet18 resnet18",
                Compared("none").Replace(Id, "COLOURS", StringComparison.Ordinal)
            );
            Assert.AreEqual(
                "COLOURS COLOURS+resnet18 COLOURS-flip COLOURS-flip+resnet18-flip resnet18 resnet18-flip",
                Compared("flip").Replace(Id, "COLOURS", StringComparison.Ordinal),
                "each in both ways, and never paired with itself"
            );

            CliResult chosen = Cli.Run(
                "train",
                Cli.Samples,
                "--backbone",
                "auto",
                "--backbones",
                $"{Id},resnet18",
                "--head",
                "ridge",
                "--folds",
                "2",
                "--output",
                folder.Path
            );
            Assert.AreEqual(0, chosen.Code, $"{chosen}");
            StringAssert.Contains(chosen.Output, "Chosen anew in each of 2 folds");
        }
        finally
        {
            Cli.Run("models", "remove", Id);
        }
    }

    private static string Compared(string augmentation)
    {
        CliResult compared = Cli.Run(
            "models",
            "compare",
            Cli.Samples,
            "--backbones",
            $"{Id},resnet18",
            "--head",
            "ridge",
            "--tta",
            augmentation,
            "--json"
        );
        Assert.AreEqual(0, compared.Code, $"{compared}");
        return string.Join(
            ' ',
            compared
                .Json.GetProperty("leaderboard")
                .EnumerateArray()
                .Select(row => row.GetProperty("backbone").GetString())
                .Distinct()
                .Order(StringComparer.Ordinal)
        );
    }
}
