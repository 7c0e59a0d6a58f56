namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class UsageTests
{
    [TestMethod]
    [DataRow("train")]
    [DataRow("train", "x", "--test-fraction", "2")]
    [DataRow("train", "x", "--seed", "many")]
    [DataRow("train", "x", "--workers", "0")]
    [DataRow("predict", "model.onnx")]
    [DataRow("predict", "model.onnx", "a.png", "--top", "0")]
    [DataRow("evaluate", "model.onnx")]
    [DataRow("models", "show")]
    [DataRow("frobnicate")]
    [DataRow("train", "x", "--no-such-option")]
    public void WrongUsage_ReturnsTwoAndSaysWhyOnStandardError(params string[] args)
    {
        CliResult result = Cli.Run(args);
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        Assert.AreEqual("", result.Output);
        StringAssert.StartsWith(result.Error, "error: ");
        StringAssert.Contains(result.Error, "--help");
    }

    [TestMethod]
    [DataRow("--help", "train")]
    [DataRow("train --help", "--test-fraction")]
    [DataRow("evaluate --help", "--json")]
    [DataRow("predict --help", "--top")]
    [DataRow("models --help", "show")]
    public void Help_NamesCommandsAndOptions(string line, string expected)
    {
        CliResult result = Cli.Run(line.Split(' '));
        Assert.AreEqual(ExitCode.Done, result.Code);
        StringAssert.Contains(result.Output, expected);
    }

    [TestMethod]
    public void ModelsList_NamesTheBackbonesAndTheirLicences()
    {
        CliResult result = Cli.Run("models", "list");
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "resnet18");
        StringAssert.Contains(result.Output, "MIT");
        Assert.IsGreaterThanOrEqualTo(
            1,
            Cli.Run("models", "list", "--json").Json.GetProperty("backbones").GetArrayLength()
        );
    }

    [TestMethod]
    public void ModelsShow_KnownAndUnknown_PrintsTheCardOrTheIds()
    {
        StringAssert.Contains(Cli.Run("models", "show", "resnet18").Output, "map14_2");
        Assert.AreEqual("resnet18", Cli.Run("models", "show", "resnet18", "--json").Json.GetProperty("id").GetString());
        CliResult unknown = Cli.Run("models", "show", "resnet8");
        Assert.AreEqual(ExitCode.Failed, unknown.Code);
        StringAssert.Contains(unknown.Error, "resnet18");
    }
}
