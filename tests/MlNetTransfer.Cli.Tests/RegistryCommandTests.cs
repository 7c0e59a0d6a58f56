using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>A model by name, from the file to the batch that follows it.</summary>
[TestClass]
[DoNotParallelize]
public sealed class RegistryCommandTests
{
    [TestMethod]
    [DataRow("")]
    [DataRow("sqlite:")]
    public void Registry_AddPromoteScore_ByName(string scheme)
    {
        using var folder = new TempFolder();
        string? before = Environment.GetEnvironmentVariable("MLNETTRANSFER_REGISTRY");
        Environment.SetEnvironmentVariable("MLNETTRANSFER_REGISTRY", $"{scheme}{folder.File("registry")}");
        try
        {
            StringAssert.Contains(Cli.Run("registry", "list").Output, "is empty");
            CliResult added = Cli.Run("registry", "add", "clipart", Trained.Model, "--reason", "first");
            StringAssert.StartsWith(added.Output, "registry:clipart@candidate is now version ");
            Assert.AreEqual(ExitCode.Done, Cli.Run("registry", "promote", "clipart").Code);
            StringAssert.Contains(Cli.Run("registry", "list").Output, "production");
            string banana = Path.Combine(Cli.Samples, "fruit", "banana.png");
            CliResult predicted = Cli.Run("predict", "registry:clipart@production", banana);
            StringAssert.Contains(predicted.Output, "fruit");
            CliResult scored = Cli.Run(
                "score",
                "registry:clipart@production",
                Path.Combine(Cli.Samples, "fruit"),
                "--output",
                folder.File("out.csv")
            );
            Assert.AreEqual(ExitCode.Done, scored.Code, scored.ToString());
            // Against itself no model is better.
            CliResult again = Cli.Run("registry", "promote", "clipart", "--images", Cli.Samples);
            StringAssert.Contains(again.ToString(), "was in the training of one of the models");
            CliResult missing = Cli.Run("predict", "registry:clipart@staging", banana);
            Assert.AreEqual(ExitCode.Failed, missing.Code);
            StringAssert.Contains(missing.Error, "has no stage or version 'staging'");
            StringAssert.Contains(Cli.Run("registry", "rollback", "clipart").Error, "there is none to go back to");
        }
        finally
        {
            Environment.SetEnvironmentVariable("MLNETTRANSFER_REGISTRY", before);
        }
    }
}
