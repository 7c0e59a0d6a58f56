using System.Diagnostics;
using System.Runtime.Versioning;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class TrainBadInputTests
{
    [TestMethod]
    [DataRow("--path-column", "photo", "no column 'photo'")]
    [DataRow("--label-column", "kind", "no column 'kind'")]
    public void Train_ColumnThatTheListLacks_IsNamedWithTheOption(string option, string name, string expected)
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run(
            "train",
            folder.Write("list.csv", "path;label\na.png;cat\n"u8.ToArray()),
            option,
            name,
            "--output",
            folder.File("out")
        );
        Assert.AreEqual(ExitCode.Failed, result.Code);
        foreach (string text in (string[])["list.csv', line 1", expected, "Found: path, label", option])
            StringAssert.Contains(result.Error, text);
        Assert.AreEqual(ExitCode.Usage, Cli.Run("train", folder.File("list.csv"), option, "").Code);
    }

    [TestMethod]
    public void Train_EmptyFolder_SaysWhatIsExpected()
    {
        using var folder = new TempFolder();
        Fails(Cli.Run("train", folder.Path, "--output", folder.File("out")), folder.Path, "one folder per class");
        Assert.IsFalse(
            Directory.Exists(folder.File("out")),
            "Nothing is written before the input is known to be good."
        );
    }

    [TestMethod]
    public void Train_OneClassOnly_NamesIt()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 3);
        Fails(
            Cli.Run("train", folder.File("data"), "--output", folder.File("out")),
            "'bird'",
            "at least two class folders"
        );
    }

    [TestMethod]
    public void Train_ClassWithOneImage_NamesIt()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 3);
        Copy(folder, "data/fruit", "fruit", 1);
        Fails(
            Cli.Run("train", folder.File("data"), "--output", folder.File("out")),
            "'fruit'",
            "1 usable image;",
            "at least 2"
        );
    }

    [TestMethod]
    public void Train_ClassLeftWithOneImageByRejections_NamesARejectedFileAndWhy()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 3);
        Copy(folder, "data/fruit", "fruit", 1);
        folder.Write("data/fruit/text.jpg", "words"u8.ToArray());
        Fails(
            Cli.Run("train", folder.File("data"), "--output", folder.File("out")),
            "'fruit'",
            "fruit/text.jpg",
            "not an image"
        );
    }

    [TestMethod]
    public void Train_ClassesThatDifferInCaseOnly_NamesBoth()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 2);
        Copy(folder, "data/Bird", "bird", 2);
        if (Directory.GetDirectories(folder.File("data")).Length < 2)
            Assert.Inconclusive("This file system folds case, so the two folders are one.");
        Fails(Cli.Run("train", folder.File("data"), "--output", folder.File("out")), "'Bird', 'bird'", "rename");
    }

    [TestMethod]
    public void Train_UnknownBackbone_ListsTheKnownOnes()
    {
        using var folder = new TempFolder();
        Fails(
            Cli.Run("train", Cli.Samples, "--output", folder.Path, "--backbone", "resnet9000"),
            "resnet9000",
            "resnet18"
        );
    }

    [TestMethod]
    public void Train_SomeImagesBad_TrainsOnTheOthersAndReturnsThree()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bîrd of pаradise", "bird", 6);
        Copy(folder, "data/フルーツ", "fruit", 6);
        folder.Write("data/フルーツ/text.jpg", "words"u8.ToArray());
        folder.Write("data/フルーツ/zero.png", []);
        folder.Write("data/bîrd of pаradise/huge.png", HugePng.Make(14_000, 12_000));
        CliResult result = Cli.Run("train", folder.File("data"), "--output", folder.File("out"), "--json");
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        Assert.AreEqual(12, result.Json.GetProperty("images").GetInt32());
        string[] rejected =
        [
            .. result.Json.GetProperty("rejected").EnumerateArray().Select(r => r.GetProperty("file").GetString()!),
        ];
        CollectionAssert.AreEquivalent(
            new[] { "フルーツ/text.jpg", "フルーツ/zero.png", "bîrd of pаradise/huge.png" },
            rejected
        );
        CliResult predicted = Cli.Run("predict", folder.File("out/model.onnx"), folder.File("data/フルーツ"), "--json");
        CollectionAssert.Contains(
            predicted
                .Json.GetProperty("predictions")
                .EnumerateArray()
                .Select(p => p.GetProperty("label").GetString())
                .ToArray(),
            "フルーツ"
        );
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [UnsupportedOSPlatform("windows")]
    public void Train_FolderThatCannotBeRead_NamesIt()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 2);
        Copy(folder, "data/fruit", "fruit", 2);
        string locked = folder.File("data/fruit");
        File.SetUnixFileMode(locked, UnixFileMode.None);
        try
        {
            // Root may read everything, so root gives up that right first.
            CliResult result =
                Environment.UserName == "root"
                    ? Cli.RunBelow(
                        "setpriv",
                        ["--bounding-set=-dac_override,-dac_read_search"],
                        "train",
                        folder.File("data"),
                        "--output",
                        folder.File("out")
                    )
                    : Cli.Run("train", folder.File("data"), "--output", folder.File("out"));
            Fails(result, locked, "cannot be read", "permissions");
        }
        finally
        {
            File.SetUnixFileMode(locked, UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.UserWrite);
        }
    }

    [TestMethod]
    public void Train_DiskFullWhileWriting_KeepsTheOldModelAndLeavesNothingBehind()
    {
        if (!OperatingSystem.IsLinux() || Environment.UserName != "root")
            Assert.Inconclusive("Needs root on Linux, to mount a small disk.");
        _ = Trained.Result;
        using var folder = new TempFolder();
        string disk = Directory.CreateDirectory(folder.File("disk")).FullName;
        using (Process mount = Process.Start("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk]))
        {
            mount.WaitForExit();
            if (mount.ExitCode != 0)
                Assert.Inconclusive("This machine does not allow mounts.");
        }

        try
        {
            File.WriteAllText(Path.Combine(disk, "model.onnx"), "an older model");
            Fails(Cli.Run("train", Cli.Samples, "--output", disk), disk, "free space");
            CollectionAssert.AreEqual(new[] { Path.Combine(disk, "model.onnx") }, Directory.GetFileSystemEntries(disk));
            Assert.AreEqual("an older model", File.ReadAllText(Path.Combine(disk, "model.onnx")));
        }
        finally
        {
            using Process unmount = Process.Start("umount", [disk]);
            unmount.WaitForExit();
        }
    }

    [TestMethod]
    [OSCondition(OperatingSystems.Linux)]
    public void Train_CtrlC_Returns130AndKeepsTheOldModel()
    {
        using var folder = new TempFolder();
        folder.Write("out/model.onnx", "an older model"u8.ToArray());
        using Process process = Cli.StartInterruptible(
            "train",
            Cli.Samples,
            "--output",
            folder.File("out"),
            "--no-cache",
            "--workers",
            "1"
        );
        string? line;
        while (
            (line = process.StandardError.ReadLine()) is not null
            && !line.Contains("Extracting features", StringComparison.Ordinal)
        ) { }
        using (Process kill = Process.Start("kill", ["-INT", $"{process.Id}"]))
            kill.WaitForExit();
        CliResult result = Cli.Finish(process);
        Assert.AreEqual(ExitCode.Cancelled, result.Code, result.ToString());
        StringAssert.Contains(result.Error, "Cancelled");
        CollectionAssert.AreEqual(
            new[] { folder.File("out/model.onnx") },
            Directory.GetFileSystemEntries(folder.File("out"))
        );
        Assert.AreEqual("an older model", File.ReadAllText(folder.File("out/model.onnx")));
    }

    [TestMethod]
    [DataRow("1")]
    [DataRow("2")]
    [DataRow("3")]
    public void Train_SameImageTwice_StaysOnOneSideOfTheSplit(string seed)
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 5);
        Copy(folder, "data/fruit", "fruit", 5);
        foreach (string file in Directory.GetFiles(folder.File("data/bird")))
            File.Copy(file, Path.ChangeExtension(file, ".copy.png"));
        CliResult result = Cli.Run(
            "train",
            folder.File("data"),
            "--output",
            folder.File("out"),
            "--json",
            "--test-fraction",
            "0.5",
            "--seed",
            seed
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        string[] notes = [.. result.Json.GetProperty("notes").EnumerateArray().Select(note => note.GetString()!)];
        Assert.IsTrue(notes.Any(note => note.Contains("5 images are there twice", StringComparison.Ordinal)));
        Assert.IsFalse(
            notes.Any(note => note.Contains("part", StringComparison.Ordinal)),
            "The report notes images that are in both parts."
        );
    }

    [TestMethod]
    public void Train_SameImageInTwoClasses_IsNoted()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 5);
        Copy(folder, "data/fruit", "fruit", 5);
        File.Copy(Directory.GetFiles(folder.File("data/bird"))[0], folder.File("data/fruit/same.png"));
        CliResult result = Cli.Run("train", folder.File("data"), "--output", folder.File("out"), "--json");
        StringAssert.Contains(
            result.Json.GetProperty("notes").EnumerateArray().Single().GetString(),
            "more than one class"
        );
    }

    [TestMethod]
    public void Train_SmallAndUnequalClasses_AreNotedInALineEach()
    {
        using var folder = new TempFolder();
        Copy(folder, "data/bird", "bird", 20);
        Copy(folder, "data/fruit", "fruit", 2);
        CliResult result = Cli.Run("train", folder.File("data"), "--output", folder.File("out"), "--json");
        string[] notes = [.. result.Json.GetProperty("notes").EnumerateArray().Select(note => note.GetString()!)];
        Assert.AreEqual(1, notes.Count(n => n.Contains("fewer than 5 images", StringComparison.Ordinal)));
        Assert.AreEqual(1, notes.Count(n => n.Contains("10 times as many images", StringComparison.Ordinal)));
    }

    private static void Fails(CliResult result, params string[] expected)
    {
        Assert.AreEqual(ExitCode.Failed, result.Code, result.ToString());
        Assert.AreEqual("", result.Output);
        foreach (string text in expected)
            StringAssert.Contains(result.Error, text);
    }

    private static void Copy(TempFolder folder, string to, string sampleClass, int count)
    {
        Directory.CreateDirectory(folder.File(to));
        foreach (
            string file in Directory
                .GetFiles(Path.Combine(Cli.Samples, sampleClass))
                .Order(StringComparer.Ordinal)
                .Take(count)
        )
            File.Copy(file, folder.File($"{to}/{Path.GetFileName(file)}"));
    }
}
