using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class TrainCommandTests
{
    [TestMethod]
    public void Train_ImagesWithoutLabels_SaysWhatTheyDid()
    {
        using TempFolder folder = new();
        string few = SmallTask.Images(folder, 6),
            many = Directory.CreateDirectory(folder.File("many")).FullName;
        foreach (string kind in Directory.GetDirectories(few))
        foreach (string file in Directory.GetFiles(kind).Order(StringComparer.Ordinal).Skip(2))
            File.Move(file, Path.Combine(many, $"{Path.GetFileName(kind)}-{Path.GetFileName(file)}"));
        string[] train =
        [
            "train",
            few,
            .. SmallTask.Backbone,
            "--unlabelled",
            many,
            "--output",
            folder.File("out"),
            "--no-report",
        ];
        CliResult result = Cli.Run([.. train, "--pseudo-labels", "confidence"]);
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        StringAssert.Contains(result.Output, "trained on 12 items without labels too (confidence)");
        CliResult wrong = Cli.Run([.. train, "--strategy", "full"]);
        Assert.AreEqual(ExitCode.Usage, wrong.Code);
        StringAssert.Contains(wrong.Error, "--unlabelled has no effect here: it needs --strategy head");
    }

    [TestMethod]
    public void Train_Samples_BeatsChanceByFarAndReportsEveryField()
    {
        CliResult result = Trained.Result;
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement json = result.Json;
        Assert.AreEqual(157, json.GetProperty("images").GetInt32());
        Assert.AreEqual(8, json.GetProperty("classes").GetInt32());
        double accuracy = json.GetProperty("accuracy").GetDouble();
        double[] interval = [.. json.GetProperty("accuracyInterval").EnumerateArray().Select(e => e.GetDouble())];
        Assert.HasCount(2, interval);
        Assert.IsTrue(interval[0] < accuracy && accuracy < interval[1] + 1e-12);
        Assert.IsGreaterThan(0.5, interval[0], "Chance is 1 in 8; a pretrained backbone is far above it.");
        Assert.IsGreaterThan(0, json.GetProperty("logLoss").GetDouble());
        Assert.IsTrue(json.GetProperty("ece").GetDouble() is >= 0 and <= 1);
        int[][] confusion =
        [
            .. json.GetProperty("confusion")
                .EnumerateArray()
                .Select(r => r.EnumerateArray().Select(c => c.GetInt32()).ToArray()),
        ];
        int tested = confusion.Sum(r => r.Sum());
        Assert.AreEqual(json.GetProperty("testImages").GetInt32(), tested);
        Assert.AreEqual(accuracy, (double)Enumerable.Range(0, 8).Sum(i => confusion[i][i]) / tested, 1e-12);
        foreach (JsonElement score in json.GetProperty("perClass").EnumerateArray())
        foreach (string field in (string[])["name", "precision", "recall", "f1", "support"])
            Assert.IsTrue(score.TryGetProperty(field, out _), field);
        Assert.AreEqual(0, json.GetProperty("rejected").GetArrayLength());
        Assert.IsGreaterThan(0, json.GetProperty("imagesPerSecond").GetDouble());
        Assert.IsGreaterThan(0, json.GetProperty("seconds").GetDouble());
        Assert.IsGreaterThanOrEqualTo(16, json.GetProperty("parity").GetProperty("images").GetInt32());
        Assert.IsLessThanOrEqualTo(1e-4, json.GetProperty("parity").GetProperty("maxDifference").GetDouble());
    }

    [TestMethod]
    public void Train_FewImages_CrossValidatesAndTrainsOnAllUnlessAskedOtherwise()
    {
        JsonElement json = Trained.Result.Json,
            protocol = json.GetProperty("protocol");
        Assert.AreEqual("crossValidation", protocol.GetProperty("kind").GetString());
        Assert.AreEqual(5, protocol.GetProperty("folds").GetInt32());
        Assert.AreEqual(
            (157, 157),
            (json.GetProperty("trainImages").GetInt32(), json.GetProperty("testImages").GetInt32())
        );
        Assert.AreEqual(5, json.GetProperty("foldAccuracies").GetArrayLength());

        using var folder = new TempFolder();
        CliResult asked = Cli.Run(
            "train",
            Cli.Samples,
            "--output",
            folder.Path,
            "--tap",
            "map7_3",
            "--test-fraction",
            "0.2"
        );
        Assert.AreEqual(ExitCode.Done, asked.Code, asked.ToString());
        StringAssert.Contains(asked.Output, "126 images to train, 31 held out.");
        StringAssert.Contains(asked.Output.ReplaceLineEndings(""), Path.Combine(folder.Path, "report.html"));
    }

    [TestMethod]
    public void Train_Samples_WritesTheReportItPrintsAndTheModelItNames()
    {
        JsonElement printed = Trained.Result.Json;
        Assert.AreEqual(
            printed.ToString(),
            JsonDocument.Parse(File.ReadAllText(Trained.Report)).RootElement.ToString()
        );
        Assert.AreEqual(
            printed.GetProperty("modelSha256").GetString(),
            Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Trained.Model)))
        );
    }

    [TestMethod]
    public void Train_SameSeedOtherWorkersNoCache_GivesTheSameModelByteForByte()
    {
        using var folder = new TempFolder();
        CliResult again = Cli.Run(
            "train",
            Cli.Samples,
            "--output",
            folder.Path,
            "--json",
            "--workers",
            "1",
            "--no-cache"
        );
        Assert.AreEqual(ExitCode.Done, again.Code, again.ToString());
        _ = Trained.Result;
        CollectionAssert.AreEqual(File.ReadAllBytes(Trained.Model), File.ReadAllBytes(folder.File("model.onnx")));
    }

    [TestMethod]
    public void Train_OtherSeed_HoldsOutOtherImages()
    {
        using var folder = new TempFolder();
        CliResult other = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--json", "--seed", "2");
        Assert.AreNotEqual(
            Trained.Result.Json.GetProperty("trainingDigest").GetString(),
            other.Json.GetProperty("trainingDigest").GetString()
        );
    }

    [TestMethod]
    public void Train_WithoutJson_PrintsTables()
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run("train", Cli.Samples, "--output", folder.Path);
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        foreach (
            string expected in (string[])
                [
                    "right on images it has not seen; guessing the most common class gets 13 %, chance 13 %",
                    "Accuracy",
                    "95 % interval",
                    "precision",
                    "recall",
                    "support",
                    "Confusion",
                    "images per second",
                    "vehicle",
                ]
        )
            StringAssert.Contains(result.Output, expected);
        StringAssert.Contains(result.Error, "Extracting features");
    }
}
