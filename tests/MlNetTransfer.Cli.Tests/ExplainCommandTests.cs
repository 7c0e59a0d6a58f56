using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class ExplainCommandTests
{
    private static string[] Birds =>
        [.. Directory.GetFiles(Path.Combine(Cli.Samples, "bird")).Order(StringComparer.Ordinal).Take(2)];

    [TestMethod]
    [DataRow("auto", "gradCam")]
    [DataRow("occlusion", "occlusion")]
    public void Explain_TrainedModel_WritesAPictureOfEachImage(string method, string used)
    {
        using var folder = new TempFolder();
        string broken = folder.Write("broken.png", [1, 2, 3]);
        string output = folder.File("new/pictures");
        CliResult result = Cli.Run([
            "explain",
            Trained.Model,
            .. Birds,
            broken,
            "--output",
            output,
            "--method",
            method,
            "--class",
            "bird",
            "--json",
        ]);
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.Error);
        System.Text.Json.JsonElement[] images = [.. result.Json.GetProperty("images").EnumerateArray()];
        Assert.HasCount(2, images);
        foreach (System.Text.Json.JsonElement image in images)
        {
            Assert.AreEqual("bird", image.GetProperty("label").GetString());
            Assert.AreEqual(used, image.GetProperty("method").GetString());
            byte[] png = File.ReadAllBytes(Path.Combine(output, image.GetProperty("picture").GetString()!));
            Assert.AreEqual(ImageFormat.Png, ImageHeader.Read(png).Format);
            using var decoder = new RgbDecoder();
            ReadOnlySpan<byte> pixels = decoder.Decode(png).Pixels.Span;
            int coloured = 0;
            for (int i = 0; i < pixels.Length; i += 3)
                if (pixels[i] - pixels[i + 2] > 60)
                    coloured++;
            Assert.IsGreaterThan(0, coloured, "some place speaks for the bird");
            Assert.IsLessThan(pixels.Length / 3, coloured, "and some does not");
        }

        string[] table = File.ReadAllLines(Path.Combine(output, "explanations.csv"));
        Assert.AreEqual("file,class,probability,method,picture", table[0]);
        Assert.HasCount(3, table);
        StringAssert.Contains(result.Json.GetProperty("rejected")[0].GetProperty("file").GetString()!, "broken.png");
    }

    /// <summary>Neighbours are counted, which has no gradient: occlusion is taken, and why is said.</summary>
    [TestMethod]
    public void Explain_HeadWithoutGradient_FallsBackAndSaysWhy()
    {
        using var folder = new TempFolder();
        CliResult trained = Cli.Run([
            "train",
            Cli.Samples,
            "--head",
            "neighbours",
            "--no-report",
            "--output",
            folder.Path,
        ]);
        Assert.AreEqual(ExitCode.Done, trained.Code, trained.Error);
        string[] common = ["explain", folder.File("model.onnx"), Birds[0], "--output", folder.File("out")];
        CliResult auto = Cli.Run([.. common, "--json"]);
        Assert.AreEqual("occlusion", auto.Json.GetProperty("images")[0].GetProperty("method").GetString());
        StringAssert.Contains(auto.Json.GetProperty("fallback").GetString()!, "counts or picks");
        CliResult forced = Cli.Run([.. common, "--method", "gradcam"]);
        Assert.AreEqual(ExitCode.Failed, forced.Code);
        StringAssert.Contains(forced.Error, "--method occlusion");
    }

    [TestMethod]
    public void Explain_UnknownClass_NamesThoseThatAreNear()
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run(["explain", Trained.Model, .. Birds, "--output", folder.Path, "--class", "brid"]);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "no class 'brid'");
        StringAssert.Contains(result.Error, "'bird'");
    }

    [TestMethod]
    public void Explain_OtherModel_SaysWhatIsWrong()
    {
        using var folder = new TempFolder();
        string foreign = ColourNetwork.Save(folder);
        CliResult result = Cli.Run(["explain", foreign, .. Birds, "--output", folder.Path]);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "not one that mlnet-transfer wrote");
    }
}
