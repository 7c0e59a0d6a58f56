using System.Text.Json;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class DoctorCommandTests
{
    [TestMethod]
    public void Doctor_MachineThatRunsTheTests_FindsItsPartsAndNothingWrong()
    {
        CliResult result = Cli.Run("doctor", "--json");
        JsonElement[] findings = [.. result.Json.GetProperty("findings").EnumerateArray()];
        string[] wrong =
        [
            .. findings
                .Where(f => f.GetProperty("verdict").GetString() == "wrong")
                .Select(f => f.GetProperty("check").GetString()!),
        ];
        Assert.AreEqual(wrong.Length > 0 ? ExitCode.Failed : ExitCode.Done, result.Code);
        CollectionAssert.IsSubsetOf(wrong, new[] { "GPU" }, "Only a GPU's set-up may be wrong where the tests run.");
        StringAssert.Contains(Found("ONNX Runtime"), "CPUExecutionProvider");
        StringAssert.Contains(Found("image decoder"), "libvips 8.");
        StringAssert.StartsWith(Found("cores"), $"{Environment.ProcessorCount},");
        StringAssert.Contains(Found("catalog"), "resnet18");

        string Found(string check) =>
            findings.Single(f => f.GetProperty("check").GetString() == check).GetProperty("found").GetString()!;
    }

    [TestMethod]
    public void Train_DeviceThatIsNotThere_SaysWhatToDo()
    {
        CliResult result = Cli.Run("predict", Trained.Model, Cli.Samples, "--device", "cuda");
        if (result.Code == ExitCode.Done)
            Assert.Inconclusive("This machine has a GPU.");
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "doctor");
    }
}
