using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class ZeroShotCommandTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    public void ZeroShot_AClassWithoutImages_SaysHowWellSuchAreKnown()
    {
        File.WriteAllText(
            folder.File("kinds.csv"),
            "kind,alive,flies,eaten,made,sounds\nbird,1,1,0,0,0.7\ndrink,0,0,1,1,0\nflower,1,0,0,0,0\nfruit,0.5,0,1,0,0\n"
                + "house,0,0,0,1,0\ninsect,1,1,0,0,0.3\ninstrument,0,0,0,1,1\nvehicle,0,0.2,0,1,0.6\nballoon,0,1,0,1,0\n"
        );
        string[] command =
        [
            "zero-shot",
            Cli.Samples,
            "--attributes",
            folder.File("kinds.csv"),
            "--output",
            folder.File("out"),
        ];
        CliResult result = Cli.Run(command);
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        string said = result.Output.ReplaceLineEndings(" ");
        StringAssert.StartsWith(said, "Knows 9 classes, 1 of them without images: balloon.");
        StringAssert.Contains(said, "of 157 images are taken for the right one of those held out together");
        StringAssert.Contains(said, "Next: collect some images of balloon");
        CliResult json = Cli.Run([.. command, "--json", "--penalty", "2"]);
        Assert.AreEqual(9, json.Json.GetProperty("classes").GetArrayLength());
        CliResult wrong = Cli.Run([.. command, "--penalty", "0"]);
        Assert.AreEqual(ExitCode.Usage, wrong.Code, wrong.ToString());
    }
}
