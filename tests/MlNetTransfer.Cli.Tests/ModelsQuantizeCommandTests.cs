using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class ModelsQuantizeCommandTests
{
    [TestMethod]
    public void Quantize_Backbone_SaysWhatItGainsAndTheNextCommand()
    {
        using var folder = new TempFolder();
        string images = SmallTask.Images(folder, 8);
        string small = SmallTask.Backbone[1];
        CliResult table = Cli.Run("models", "quantize", small, images, "--id", "q-table");
        try
        {
            Assert.AreEqual(ExitCode.Done, table.Code, table.ToString());
            StringAssert.Contains(table.Output, "times as fast as");
            StringAssert.Contains(table.Output, $"models compare FOLDER --backbones {small},q-table");
            CliResult json = Cli.Run(
                "models",
                "quantize",
                small,
                images,
                "--id",
                "q-json",
                "--calibration",
                "percentile",
                "--weight-bits",
                "seven",
                "--json"
            );
            Assert.AreEqual(ExitCode.Done, json.Code, json.ToString());
            Assert.AreEqual("q-json", json.Json.GetProperty("card").GetProperty("id").GetString());
            Assert.IsGreaterThan(0, json.Json.GetProperty("taps").GetArrayLength());
            JsonElement[] own = [.. Cli.Run("models", "list", "--json").Json.GetProperty("own").EnumerateArray()];
            Assert.IsTrue(own.Any(id => id.GetString() == "q-json"));
            CliResult again = Cli.Run("models", "quantize", small, images, "--id", "q-json");
            Assert.AreEqual(ExitCode.Failed, again.Code);
            StringAssert.Contains(again.Error, "already have a backbone 'q-json'");
            Assert.AreEqual(ExitCode.Usage, Cli.Run("models", "quantize", small, images).Code, "no --id");
        }
        finally
        {
            Cli.Run("models", "remove", "q-table");
            Cli.Run("models", "remove", "q-json");
        }
    }
}
