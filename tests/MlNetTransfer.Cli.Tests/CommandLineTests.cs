using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class CommandLineTests
{
    private static readonly string Banana = Path.Combine(Cli.Samples, "fruit", "banana.png");

    [TestMethod]
    [DataRow("--lr", "0,001", "write 0.001")]
    [DataRow("--lr", "1.000,5", "must be a number")]
    [DataRow("--lr", "NaN", "must be from")]
    [DataRow("--epochs", "1,000", "whole number")]
    [DataRow("--epochs", "2.5", "whole number")]
    [DataRow("--seed", "1_000", "whole number")]
    [DataRow("--test-fraction", "0,2", "write 0.2")]
    [DataRow("--head", "rigde", "Did you mean 'ridge'?")]
    [DataRow("--epochs", "0", "from 1 to 10000.")]
    [DataRow("--epochs", "many", "a whole number from 1 to 10000.")]
    [DataRow("--folds", "0", "from 2 to 20.")]
    [DataRow("--l2", "0", "from 1E-08 to 10000.")]
    [DataRow("--max-megapixels", "2000", "from 1 to 1073.")]
    [DataRow("--max-megapixels", "many", "a whole number from 1 to 1073.")]
    [DataRow("--time-budget", "0s", "must be above 0.")]
    [DataRow("--backbone", "", "must not be empty.")]
    [DataRow("--taps", ",", "must name at least 1.")]
    [DataRow("--head", "3", "one of auto, discriminant")]
    public void Number_OfAnotherCulture_IsAnErrorThatSaysHowToWriteIt(string option, string value, string expected)
    {
        CliResult result = Cli.Run("train", Cli.Samples, "--strategy", "finetune", option, value);
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.StartsWith(result.Error, $"error: {option} is ");
        StringAssert.Contains(result.Error, expected);
    }

    [TestMethod]
    [DataRow("predct model.onnx x", "Did you mean 'predict'?", "mlnet-transfer --help")]
    [DataRow("train x --epoch 3", "Did you mean '--epochs'?", "mlnet-transfer train --help")]
    [DataRow("predict model.onnx a.png --topp 3", "Did you mean '--top'?", "mlnet-transfer predict --help")]
    [DataRow("models ad x", "Did you mean 'add'?", "mlnet-transfer models --help")]
    [DataRow("models add x", "--id", "mlnet-transfer models add --help")]
    public void Misspelt_CommandOrOption_IsNamedWithWhatWasMeant(string line, string meant, string help)
    {
        CliResult result = Cli.Run(line.Split(' '));
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.Contains(result.Error, meant);
        StringAssert.Contains(result.Error, $"Try '{help}'.");
    }

    [TestMethod]
    public void Help_OfTrain_HasGroupsAndDefaultsAndNoTypeNames()
    {
        CliResult result = Cli.Run("train", "--help");
        Assert.AreEqual(ExitCode.Done, result.Code);
        string[] titles = ["Basics:", "Fine-tuning, with --strategy", "Advanced:"];
        int[] places = [.. titles.Select(t => result.Output.IndexOf(t, StringComparison.Ordinal))];
        Assert.IsTrue(places[0] > 0 && places[0] < places[1] && places[1] < places[2], result.Output);
        foreach (
            string expected in (string[])
                ["[default: resnet18]", "auto|discriminant", "scratch: 0.001]", "--test-fraction <0..1>"]
        )
            StringAssert.Contains(result.Output, expected);
        foreach (string type in (string[])["HeadKind", "Nullable", "System.", "TrainingStrategy"])
            Assert.IsFalse(result.Output.Contains(type, StringComparison.Ordinal), type);
        Assert.IsLessThanOrEqualTo(100, result.Output.Split('\n').Max(l => l.Length));
    }

    [TestMethod]
    [DataRow("usage", "train", "x", "--lr", "0,1", "--json")]
    [DataRow("usage", "train", "--json")]
    [DataRow("failed", "train", "/there/is/no/folder", "--json")]
    [DataRow("failed", "models", "show", "nothing-like-it", "--json")]
    public void FailingJson_PrintsOneErrorObject(string code, params string[] args)
    {
        CliResult result = Cli.Run(args);
        Assert.AreNotEqual(ExitCode.Done, result.Code);
        CollectionAssert.AreEqual(new[] { "error" }, result.Json.EnumerateObject().Select(p => p.Name).ToArray());
        JsonElement error = result.Json.GetProperty("error");
        CollectionAssert.AreEqual(
            new[] { "code", "message", "fix" },
            error.EnumerateObject().Select(p => p.Name).ToArray()
        );
        Assert.AreEqual(code, error.GetProperty("code").GetString());
        StringAssert.Contains(result.Error, error.GetProperty("message").GetString());
    }

    [TestMethod]
    public void Cancelled_Json_SaysSo()
    {
        using StringWriter output = new(),
            error = new();
        int code = CommandLine.Run(
            ["predict", Trained.Model, Banana, "--json"],
            output,
            error,
            new CancellationToken(canceled: true)
        );
        Assert.AreEqual(ExitCode.Cancelled, code, error.ToString());
        Assert.AreEqual(
            "cancelled",
            JsonDocument.Parse(output.ToString()).RootElement.GetProperty("error").GetProperty("code").GetString()
        );
    }

    [TestMethod]
    public void Predict_NothingUsable_Fails()
    {
        using var folder = new TempFolder();
        folder.Write("text.png", "no image"u8.ToArray());
        CliResult result = Cli.Run("predict", Trained.Model, folder.Path);
        Assert.AreEqual(ExitCode.Failed, result.Code, result.ToString());
        StringAssert.Contains(result.Error, "text.png");
    }

    [TestMethod]
    public void Predict_PatternsThatTheShellLeft_AreExpanded()
    {
        using var folder = new TempFolder();
        foreach (
            string name in (string[])["a/1.png", "a/2.png", "a/deep/3.png", "b/4.png", "b/.hidden.png", "b/5.jpeg"]
        )
            File.Copy(Banana, folder.Write(name, []), overwrite: true);
        CollectionAssert.AreEqual(new[] { "1.png", "2.png" }, Found("a/*.png"));
        CollectionAssert.AreEqual(new[] { "1.png", "2.png", "4.png" }, Found("*/?.png"));
        CollectionAssert.AreEqual(new[] { "1.png", "2.png", "3.png", "4.png" }, Found("**/*.png"));
        CliResult none = Cli.Run("predict", Trained.Model, folder.File("*.gif"));
        Assert.AreEqual(ExitCode.Failed, none.Code);
        StringAssert.Contains(none.Error, "No file matches");

        string[] Found(string pattern) =>
            [
                .. Cli.Run("predict", Trained.Model, folder.File(pattern), "--json")
                    .Json.GetProperty("predictions")
                    .EnumerateArray()
                    .Select(p => Path.GetFileName(p.GetProperty("file").GetString()!)),
            ];
    }

    [TestMethod]
    public void Predict_NameThatBeginsWithAt_IsAFile()
    {
        using var folder = new TempFolder();
        File.Copy(Banana, folder.File("@banana.png"));
        using System.Diagnostics.Process process = Cli.StartIn(
            folder.Path,
            "predict",
            Trained.Model,
            "@banana.png",
            "--json"
        );
        CliResult result = Cli.Finish(process);
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual("@banana.png", result.Json.GetProperty("predictions")[0].GetProperty("file").GetString());
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    public void EscapeSequences_OfNamesAndLabels_DoNotReachTheTerminal()
    {
        using var folder = new TempFolder();
        string name = folder.File("\u001b]0;owned\u0007\u009b31m\u202Egnp.png");
        File.Copy(Banana, name);
        folder.Write("\u001b[2J.png", "no image"u8.ToArray());
        foreach (
            CliResult result in (CliResult[])
                [
                    Cli.Run("predict", Trained.Model, folder.Path),
                    Cli.Run("predict", Trained.Model, name, "--json"),
                    Cli.Run("predict", Trained.Model, folder.File("\u001b[2J")),
                    Cli.Run("models", "show", "\u001b[31m"),
                    Cli.Run("\u001b[31m"),
                ]
        )
        {
            string all = result.Output + result.Error;
            Assert.IsFalse(
                all.Any(c => (char.IsControl(c) && c is not ('\n' or '\r')) || c == '\u202E'),
                result.ToString()
            );
        }
    }
}
