using System.IO.Compression;
using System.Text.Json;
using MlNetTransfer.Heads;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>The same images through every door give the same model.</summary>
[TestClass]
public sealed class SourcesTests
{
    private static readonly string[] Classes = ["bird", "fruit", "house"];

    [TestMethod]
    public void Train_FolderCsvJsonLinesAndZip_GiveTheSameModel()
    {
        using var folder = new TempFolder();
        List<(string Path, string Label)> images = CopySamples(folder, "photos", 8);
        File.WriteAllLines(folder.File("list.csv"), ["path,label", .. images.Select(i => $"\"{i.Path}\",{i.Label}")]);
        File.WriteAllLines(
            folder.File("list.jsonl"),
            images.Select(i => JsonSerializer.Serialize(new { path = i.Path, label = i.Label }))
        );
        ZipFile.CreateFromDirectory(folder.File("photos"), folder.File("photos.zip"));
        string[] digests =
        [
            .. new[] { "photos", "list.csv", "list.jsonl", "photos.zip" }.Select(source =>
            {
                CliResult result = Cli.Run(
                    "train",
                    folder.File(source),
                    "--output",
                    folder.File($"out-{source}"),
                    "--tap",
                    "map14_2",
                    "--json"
                );
                Assert.AreEqual(ExitCode.Done, result.Code, $"{source}: {result}");
                Assert.AreEqual(24, result.Json.GetProperty("images").GetInt32(), source);
                return result.Json.GetProperty("modelSha256").GetString()!;
            }),
        ];
        Assert.HasCount(1, digests.Distinct(), string.Join(", ", digests));
    }

    [TestMethod]
    public void Train_PremadeSplit_IsJudgedOnItsOwnTestPart()
    {
        using var folder = new TempFolder();
        CopySamples(folder, "data/train", 6);
        CopySamples(folder, "data/test", 3, skip: 6);
        CliResult result = Cli.Run(
            "train",
            folder.File("data"),
            "--output",
            folder.File("out"),
            "--tap",
            "map14_2",
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(
            (18, 9),
            (result.Json.GetProperty("trainImages").GetInt32(), result.Json.GetProperty("testImages").GetInt32())
        );
        StringAssert.Contains(result.Json.GetProperty("notes")[0].GetString(), "own");
        CliResult evaluated = Cli.Run("evaluate", folder.File("out/model.onnx"), folder.File("data"), "--json");
        Assert.AreEqual(
            result.Json.GetProperty("accuracy").GetDouble(),
            evaluated.Json.GetProperty("accuracy").GetDouble()
        );
        CliResult folds = Cli.Run("train", folder.File("data"), "--output", folder.File("out"), "--folds", "3");
        Assert.AreEqual(ExitCode.Failed, folds.Code);
        StringAssert.Contains(folds.Error, "split of its own");
    }

    [TestMethod]
    public void Predict_ZipAndList_NamesTheEntries()
    {
        using var folder = new TempFolder();
        List<(string Path, string Label)> images = CopySamples(folder, "photos", 2);
        File.WriteAllLines(folder.File("list.csv"), ["path", .. images.Select(i => i.Path)]);
        ZipFile.CreateFromDirectory(folder.File("photos"), folder.File("photos.zip"));
        CliResult result = Cli.Run(
            "predict",
            Trained.Model,
            folder.File("photos.zip"),
            folder.File("list.csv"),
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        JsonElement[] predictions = [.. result.Json.GetProperty("predictions").EnumerateArray()];
        Assert.HasCount(12, predictions);
        CollectionAssert.AreEquivalent(
            predictions[..6].Select(p => p.GetProperty("probability").GetDouble()).ToArray(),
            predictions[6..].Select(p => p.GetProperty("probability").GetDouble()).ToArray()
        );
    }

    [TestMethod]
    public void Train_Folds_PredictsEveryImageOnceAndTrainsOnAll()
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run(
            "train",
            Cli.Samples,
            "--output",
            folder.Path,
            "--folds",
            "5",
            "--tap",
            "map14_2",
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        double[] folds = [.. result.Json.GetProperty("foldAccuracies").EnumerateArray().Select(a => a.GetDouble())];
        Assert.HasCount(5, folds);
        Assert.AreEqual(folds.Average(), result.Json.GetProperty("foldAccuracyMean").GetDouble(), 1e-12);
        Assert.AreEqual(
            157,
            result.Json.GetProperty("confusion").EnumerateArray().Sum(r => r.EnumerateArray().Sum(c => c.GetInt32()))
        );
        Assert.AreEqual(157, result.Json.GetProperty("trainImages").GetInt32());
        double own = Cli.Run("evaluate", folder.File("model.onnx"), Cli.Samples, "--json")
            .Json.GetProperty("seen")
            .GetProperty("accuracy")
            .GetDouble();
        Assert.IsGreaterThan(
            result.Json.GetProperty("accuracy").GetDouble() + 0.1,
            own,
            "The written model has seen every image; the folds' models had not seen the ones they are judged on."
        );
    }

    [TestMethod]
    public void Train_TapsOneAndSeveral_AreTakenAsAsked()
    {
        using var folder = new TempFolder();
        CliResult one = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--tap", "map28_2", "--json");
        Assert.AreEqual("map28_2", one.Json.GetProperty("taps").EnumerateArray().Single().GetString());
        Assert.AreEqual(128, one.Json.GetProperty("featureWidth").GetInt32());
        CliResult two = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--taps", "map28_2,map14_1", "--json");
        Assert.AreEqual(ExitCode.Done, two.Code, two.ToString());
        Assert.AreEqual(128 + 256, two.Json.GetProperty("featureWidth").GetInt32());
        CliResult wrong = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--tap", "map99");
        Assert.AreEqual(ExitCode.Failed, wrong.Code);
        StringAssert.Contains(wrong.Error, "map14_2");
    }

    [TestMethod]
    [DynamicData(nameof(Heads))]
    public void Train_EveryHead_IsFarAboveChanceAndAgreesInItsFile(string head)
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run(
            "train",
            Cli.Samples,
            "--output",
            folder.Path,
            "--tap",
            "map14_2",
            "--head",
            head,
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        Assert.AreEqual(head, result.Json.GetProperty("head").GetString());
        Assert.IsGreaterThan(0.35, result.Json.GetProperty("accuracy").GetDouble(), "Chance is 1 in 8.");
        Assert.AreEqual(0, result.Json.GetProperty("parity").GetProperty("labelFlips").GetInt32());
        Assert.IsTrue(result.Json.GetProperty("eceUncalibrated").GetDouble() is >= 0 and <= 1);
    }

    public static IEnumerable<object[]> Heads =>
        HeadKind.All.Where(kind => kind != HeadKind.Auto).Select(kind => new object[] { kind.Label });

    private static List<(string Path, string Label)> CopySamples(TempFolder folder, string to, int count, int skip = 0)
    {
        var copied = new List<(string, string)>();
        foreach (string name in Classes)
        {
            Directory.CreateDirectory(folder.File($"{to}/{name}"));
            foreach (
                string file in Directory
                    .GetFiles(Path.Combine(Cli.Samples, name))
                    .Order(StringComparer.Ordinal)
                    .Skip(skip)
                    .Take(count)
            )
            {
                string path = $"{to}/{name}/{Path.GetFileName(file)}";
                File.Copy(file, folder.File(path));
                copied.Add((path, name));
            }
        }

        return copied;
    }
}
