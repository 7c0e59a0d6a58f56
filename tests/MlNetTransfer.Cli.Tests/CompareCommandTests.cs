using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class CompareCommandTests
{
    /// <summary>
    /// Oracle: evaluate of each on the same images. The two models are trained on half of the samples each, with a good
    /// tap and with the lowest one; the images of the other half of both are what is left: a third part.
    /// </summary>
    [TestMethod]
    public void Compare_TwoModels_IsOnImagesThatNeitherSawAndAgreesWithEvaluate()
    {
        using TempFolder folder = new();
        Divide(folder);
        foreach (
            (string name, string part, string tap) in ((string, string, string)[])
                [("first", "a", "map7_3"), ("second", "b", "map28_2")]
        )
        {
            CliResult trained = Cli.Run(
                "train",
                folder.File(part),
                "--output",
                folder.File(name),
                "--tap",
                tap,
                "--head",
                "ridge",
                "--folds",
                "2"
            );
            Assert.AreEqual(ExitCode.Done, trained.Code, trained.ToString());
        }

        string[] models = [folder.File("first/model.onnx"), folder.File("second/model.onnx")];
        CliResult compared = Cli.Run("compare", models[0], models[1], folder.File("all"), "--json");
        Assert.AreEqual(ExitCode.Done, compared.Code, compared.ToString());
        JsonElement json = compared.Json;
        Assert.AreEqual(18, json.GetProperty("images").GetInt32());
        Assert.AreEqual(36, json.GetProperty("leftOut").GetInt32());
        double[] accuracies =
        [
            .. models.Select(model =>
                Cli.Run("evaluate", model, folder.File("c"), "--json").Json.GetProperty("accuracy").GetDouble()
            ),
        ];
        Assert.AreEqual(accuracies[0], json.GetProperty("first").GetProperty("accuracy").GetDouble());
        Assert.AreEqual(accuracies[1], json.GetProperty("second").GetProperty("accuracy").GetDouble());
        Assert.AreEqual(accuracies[1] - accuracies[0], json.GetProperty("difference").GetDouble(), 1e-12);

        CliResult same = Cli.Run("compare", models[0], models[0], folder.File("c"));
        StringAssert.Contains(same.Output, "Too few images to tell");
        CliResult seen = Cli.Run("compare", models[0], models[1], folder.File("a"));
        Assert.AreEqual(ExitCode.Failed, seen.Code, seen.ToString());
        StringAssert.Contains(seen.Error, "was in the training of one of the models");
    }

    // Parts a, b and c of 6 images of each of three classes, and all of them.
    private static void Divide(TempFolder folder)
    {
        foreach (string name in (string[])["bird", "fruit", "house"])
        {
            string[] files = [.. Directory.GetFiles(Path.Combine(Cli.Samples, name)).Order(StringComparer.Ordinal)];
            for (int i = 0; i < 18; i++)
                foreach (string part in (string[])["abc".Substring(i % 3, 1), "all"])
                {
                    Directory.CreateDirectory(folder.File($"{part}/{name}"));
                    File.Copy(files[i], folder.File($"{part}/{name}/{i}{Path.GetExtension(files[i])}"), true);
                }
        }
    }
}
