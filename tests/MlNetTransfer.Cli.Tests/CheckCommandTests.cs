using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Faults that are planted in the sample images, through the command line.</summary>
[TestClass]
public sealed class CheckCommandTests
{
    [TestMethod]
    public void Check_PlantedFaults_AreNamedWithBothFilesAndLeftOutOfTheList()
    {
        using TempFolder folder = Images("bird", "fruit", "house");
        string first = Files(folder, "fruit")[0],
            second = Files(folder, "fruit")[1],
            conflict = Files(folder, "bird")[2];
        File.Copy(folder.File($"fruit/{first}"), folder.File("fruit/zz_same.png"));
        byte[] bytes = File.ReadAllBytes(folder.File($"fruit/{second}"));
        File.WriteAllBytes(folder.File("fruit/zz_trailing.png"), [.. bytes, 0, 0, 0]);
        File.Copy(folder.File($"bird/{conflict}"), folder.File("house/zz_bird.png"));
        File.WriteAllBytes(folder.File("house/zz_cut.png"), bytes[..(bytes.Length / 2)]);
        folder.Write("bird/zz_dark.bmp", Bmp.Of(100, 100, (x, y) => (x * y) % 40));
        folder.Write("bird/zz_tiny.bmp", Bmp.Of(20, 20, (x, y) => 12 * (x ^ y)));
        string[] before = Snapshot(folder);
        string list = folder.File("cleaned.csv"),
            csv = folder.File("findings.csv");
        CliResult result = Cli.Run(
            "check",
            folder.Path,
            "--json",
            "--output",
            csv,
            "--apply",
            list,
            "--drop",
            "tiny,dark",
            "--workers",
            "2"
        );
        Assert.AreEqual(ExitCode.SomeFound, result.Code, result.ToString());
        (string Kind, string[] Files)[] found = Findings(result.Json);
        Has(found, "unreadable", "house/zz_cut.png");
        Has(found, "duplicate", "fruit/zz_same.png", $"fruit/{first}");
        Has(found, "duplicate", "fruit/zz_trailing.png", $"fruit/{second}");
        Has(found, "tiny", "bird/zz_tiny.bmp");
        Has(found, "dark", "bird/zz_dark.bmp");
        string[] disputed = found.Single(f => f.Kind == "labelConflict").Files;
        CollectionAssert.AreEquivalent(new[] { $"bird/{conflict}", "house/zz_bird.png" }, disputed);
        Assert.HasCount(2, found.Where(f => f.Kind == "duplicate").ToArray(), "nothing else is there twice");
        CollectionAssert.AreEqual(before, Snapshot(folder)[..before.Length], "images are never touched");

        string[] kept = [.. File.ReadAllLines(list)[1..].Select(line => line.Split(',')[0])];
        foreach (
            string gone in (string[])
                [
                    "fruit/zz_same.png",
                    "fruit/zz_trailing.png",
                    "house/zz_cut.png",
                    "bird/zz_dark.bmp",
                    "bird/zz_tiny.bmp",
                ]
        )
            Assert.IsFalse(kept.Contains(gone), gone);
        Assert.AreEqual(1, kept.Count(disputed.Contains), "one of the two stays");
        Assert.HasCount(before.Length - 6, kept);
        Assert.AreEqual(6, result.Json.GetProperty("leftOut").GetInt32());

        CliResult again = Cli.Run("check", list, "--json");
        Assert.IsFalse(
            Findings(again.Json).Any(f => f.Kind is "unreadable" or "duplicate" or "labelConflict"),
            again.ToString()
        );
        string[] lines = File.ReadAllLines(csv);
        Assert.AreEqual("kind,severity,file,other,class,score,message", lines[0]);
        Assert.HasCount(found.Length + 1, lines);
        StringAssert.StartsWith(lines[1], "unreadable,high,house/zz_cut.png,,");
    }

    [TestMethod]
    public void Check_ImageInTwoPartsOfTheSplit_IsALeakAndTheTestPartKeepsIt()
    {
        using TempFolder folder = Images("bird", "fruit");
        string[] birds = Files(folder, "bird"),
            fruit = Files(folder, "fruit");
        File.Copy(folder.File($"bird/{birds[0]}"), folder.File("bird/copy, \"one\".png"));
        File.WriteAllLines(
            folder.File("list.csv"),
            [
                "path,label,split",
                .. birds.Select((f, i) => $"bird/{f},\"a \"\"bird\"\", or two\",{(i % 4 == 1 ? "test" : "train")}"),
                .. fruit.Select((f, i) => $"fruit/{f},fruit,{(i % 4 == 1 ? "test" : "train")}"),
                "\"bird/copy, \"\"one\"\".png\",\"a \"\"bird\"\", or two\",test",
            ]
        );
        CliResult result = Cli.Run("check", folder.File("list.csv"), "--json", "--apply", folder.File("new.csv"));
        Has(Findings(result.Json), "leak", $"bird/{birds[0]}", "bird/copy, \"one\".png");
        string[] lines = File.ReadAllLines(folder.File("new.csv"));
        CollectionAssert.Contains(lines, "\"bird/copy, \"\"one\"\".png\",\"a \"\"bird\"\", or two\",test");
        Assert.IsFalse(lines.Any(l => l.StartsWith($"bird/{birds[0]},", StringComparison.Ordinal)));
        CliResult again = Cli.Run("check", folder.File("new.csv"), "--json");
        Assert.IsFalse(Findings(again.Json).Any(f => f.Kind == "leak"), again.ToString());
        Assert.AreEqual(birds.Length + fruit.Length, again.Json.GetProperty("images").GetInt32());
    }

    [TestMethod]
    public void Check_AllImagesTheSame_KeepsOneOfThem()
    {
        using var folder = new TempFolder();
        for (int i = 0; i < 12; i++)
            folder.Write($"{(char)('a' + i % 2)}/{i:d2}.bmp", Bmp.Of(64, 64, (x, y) => 3 * x));
        CliResult result = Cli.Run("check", folder.Path, "--json", "--apply", folder.File("new.csv"));
        Assert.AreEqual(ExitCode.SomeFound, result.Code, result.ToString());
        StringAssert.Contains(result.Json.GetProperty("notes")[0].GetString(), "Labels were not checked");
        Assert.AreEqual(6, Findings(result.Json).Count(f => f.Kind == "labelConflict"));
        Assert.AreEqual(5, Findings(result.Json).Count(f => f.Kind == "duplicate"));
        Assert.HasCount(2, File.ReadAllLines(folder.File("new.csv")), "the header and one image");
    }

    [TestMethod]
    public void Check_OneClassOrOneImagePerClass_IsCheckedAsFarAsItGoes()
    {
        using TempFolder one = Images("bird");
        CliResult result = Cli.Run("check", one.Path, "--json");
        StringAssert.Contains(result.Json.GetProperty("notes")[0].GetString(), "one class only");
        using var folder = new TempFolder();
        for (int c = 0; c < 300; c++)
            folder.Write($"class {c}/1.bmp", Bmp.Of(48, 48, (x, y) => (x * (c + 3) + y * (c % 7)) % 256));
        result = Cli.Run("check", folder.Path, "--json");
        Assert.AreEqual(ExitCode.SomeFound, result.Code, result.ToString());
        StringAssert.Contains(result.Json.GetProperty("notes")[0].GetString(), "can be held out");
        Assert.AreEqual(300, Findings(result.Json).Count(f => f.Kind == "smallClass"));
    }

    [TestMethod]
    public void Check_ForPeople_BeginsWithWhatToMendFirst()
    {
        using TempFolder folder = Images("bird", "fruit");
        File.Copy(folder.File($"fruit/{Files(folder, "fruit")[0]}"), folder.File("fruit/zz_same.png"));
        folder.Write("bird/zz.png", [1, 2, 3]);
        CliResult result = Cli.Run("check", folder.Path);
        StringAssert.Contains(result.Output.Split('\n')[0], "First replace or remove 1 file that cannot be used.");
        StringAssert.Contains(result.Output, "remove 1 image that is there twice");
    }

    [TestMethod]
    [DataRow("--drop has no effect here", "--drop", "outlier")]
    [DataRow("no kind 'outliers'", "--apply", "x.csv", "--drop", "outliers")]
    [DataRow("no kind 'imbalance'", "--apply", "x.csv", "--drop", "imbalance")]
    [DataRow("must end in .csv", "--output", "x.txt")]
    public void Check_OptionsWithoutEffect_AreErrors(string expected, params string[] options)
    {
        CliResult result = Cli.Run(["check", Cli.Samples, .. options]);
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.Contains(result.Error, expected);
    }

    [TestMethod]
    public void Check_ListThatCannotBeWritten_SaysSoBeforeTheWork()
    {
        using var folder = new TempFolder();
        folder.Write("list.csv", "path,label\n"u8.ToArray());
        CliResult result = Cli.Run("check", Cli.Samples, "--apply", folder.File("no/x.csv"));
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "does not exist. Make it first.");
        StringAssert.Contains(Cli.Run("check", Cli.Samples, "--apply", folder.File("x.txt")).Error, ".csv or .jsonl");
        using TempFolder images = Images("bird");
        System.IO.Compression.ZipFile.CreateFromDirectory(images.Path, folder.File("images.zip"));
        result = Cli.Run("check", folder.File("images.zip"), "--apply", folder.File("x.csv"));
        StringAssert.Contains(result.Error, "is an archive");
        Assert.IsFalse(File.Exists(folder.File("x.csv")));
    }

    private static TempFolder Images(params string[] classes)
    {
        var folder = new TempFolder();
        foreach (string name in classes)
        {
            Directory.CreateDirectory(folder.File(name));
            foreach (string file in Directory.GetFiles(Path.Combine(Cli.Samples, name)))
                File.Copy(file, Path.Combine(folder.File(name), Path.GetFileName(file)));
        }

        return folder;
    }

    private static string[] Files(TempFolder folder, string name) =>
        [.. Directory.GetFiles(folder.File(name)).Select(f => Path.GetFileName(f)).Order(StringComparer.Ordinal)];

    /// <summary>Every image with its bytes.</summary>
    private static string[] Snapshot(TempFolder folder) =>
        [
            .. Directory
                .GetFiles(folder.Path, "*", SearchOption.AllDirectories)
                .Where(f => !f.EndsWith(".csv", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal)
                .Select(f =>
                    $"{f} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))}"
                ),
        ];

    private static (string Kind, string[] Files)[] Findings(JsonElement json) =>
        [
            .. json.GetProperty("findings")
                .EnumerateArray()
                .Select(f => (f.GetProperty("kind").GetString()!, f.GetProperty("files").Deserialize<string[]>()!)),
        ];

    private static void Has((string Kind, string[] Files)[] found, string kind, params string[] files) =>
        Assert.IsTrue(
            found.Any(f => f.Kind == kind && f.Files.SequenceEqual(files)),
            $"{kind} {string.Join(", ", files)} is not among {string.Join("; ", found.Select(f => $"{f.Kind} {string.Join(", ", f.Files)}"))}"
        );
}
