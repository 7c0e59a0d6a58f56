using System.Text.Json;
using System.Text.RegularExpressions;
using Json.Schema;
using MlNetTransfer.Heads;
using MlNetTransfer.Runs;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Runs;

/// <summary>Job files: what they say, what is wrong with them and where, and their schema.</summary>
[TestClass]
public sealed class JobFileTests
{
    private const string Whole = """
        # A comment
        version: 1
        train:
          folder: ../images            # relative to the file
          seed: 7
          head: softmax
          l2: 1e-3
          strategy: FineTune
          fineTune: { epochs: 3, timeBudget: "00:15:00", freeze: 0.8 }
          taps: [a, "b"]
        gates:
          minAccuracy: 0.8
          notWorseThan:
            model: now/model.onnx
            margin: 0.02
        exports:
          - format: fp16
          - format: pixels
            images: [more]
        """;

    [TestMethod]
    public void Read_AJob_HasAllOfIt()
    {
        using var folder = new TempFolder();
        JobFile job = Read(folder, Whole);
        Assert.AreEqual(Path.GetFullPath(folder.File("../images")), job.Train.Folder);
        Assert.AreEqual("out", job.Train.Output);
        Assert.AreEqual(7, job.Train.Seed);
        Assert.AreEqual(HeadKind.Softmax, job.Train.Head);
        Assert.AreEqual(1e-3, job.Train.L2);
        Assert.AreEqual(TrainingStrategy.FineTune, job.Train.Strategy);
        Assert.AreEqual(TimeSpan.FromMinutes(15), job.Train.FineTune.TimeBudget);
        CollectionAssert.AreEqual(new[] { "a", "b" }, job.Train.Taps!.ToArray());
        Assert.AreEqual(0.8, job.Gates.MinAccuracy);
        Assert.IsFalse(job.Gates.NoLeak);
        Assert.AreEqual(folder.File("now/model.onnx"), job.Gates.NotWorseThan!.Model);
        CollectionAssert.AreEqual(new[] { job.Train.Folder }, job.Exports[0].Images.ToArray());
        CollectionAssert.AreEqual(new[] { folder.File("more") }, job.Exports[1].Images.ToArray());
    }

    /// <summary>What is written with every option is the same job, wherever it is read.</summary>
    [TestMethod]
    public void ToJson_ReadAsAJobFile_IsTheSame()
    {
        using var folder = new TempFolder();
        string resolved = Read(folder, Whole).ToJson();
        StringAssert.Contains(resolved, "\"weightDecay\"");
        using var elsewhere = new TempFolder();
        Assert.AreEqual(resolved, Read(elsewhere, resolved).ToJson());
    }

    [TestMethod]
    [DataRow(
        "version: 1\ntrain:\n  folder: a\n  backbon: x",
        4,
        "'train.backbon' is \"x\", and there is no such member"
    )]
    [DataRow("version: 1\ntrain:\n  folder: a\n  seed: many", 4, "'train.seed' is \"many\"; expected a whole number")]
    [DataRow("version: 1\ntrain:\n  folder: a\n\n  testFraction: 7", 5, "expected a number from 0.01 to 0.99")]
    [DataRow("version: 1\ntrain:\n  folder: a\n  head: woody", 4, "There is no head 'woody'")]
    [DataRow("version: 1\ntrain:\n  folder: a\n  fineTune:\n    epochs: -1", 5, "'train.fineTune.epochs' is -1")]
    [DataRow("version: 1\ntrain:\n  seed: 3", 2, "'train.folder' is missing")]
    [DataRow("version: 1\ntrain:\n  folder: a\n  output: b", 4, "The run gives it: leave it out")]
    [DataRow("version: 2\ntrain:\n  folder: a", 1, "'version' is 2; this library reads 1")]
    [DataRow("train:\n  folder: a", 1, "'version' is missing")]
    [DataRow("version: 1", 1, "'train' is missing")]
    [DataRow("version: 1\ntrain: images", 2, "expected keys and values below it")]
    [DataRow("version: 1\ntrain:\n  folder: a\ntrian: 3", 4, "'trian' is 3, and there is no such member")]
    [DataRow("version: 1\ntrain:\n  folder: a\n  folder: b", 4, "given twice; first in line 3")]
    [DataRow("version: 1\ntrain: &a\n  folder: a", 2, "anchors and aliases")]
    [DataRow("version: 1\ntrain: !secret\n  folder: a", 2, "tags (!)")]
    [DataRow("version: 1\ntrain:\n  folder: a\n---\nversion: 1", 4, "a second document")]
    [DataRow("version: 1\ntrain:\n  folder: a\n gates: 3", 4, "this is no YAML")]
    [DataRow("version: 1\ntrain:\n  folder: a\ngates:\n  minAccuracy: 80", 5, "expected a number from 0 to 1")]
    [DataRow("version: 1\ntrain:\n  folder: a\ngates:\n  notWorseThan:\n    margin: 0.1", 5, "model' is missing")]
    [DataRow(
        "version: 1\ntrain:\n  folder: a\nexports:\n  - format: fp16\n  - format: jpeg",
        6,
        "expected one of tensor,"
    )]
    [DataRow("version: 1\ntrain:\n  folder: a\nexports: fp16", 4, "expected a list")]
    public void Read_SomethingWrong_SaysWhereAndWhat(string text, int line, string said)
    {
        using var folder = new TempFolder();
        TransferException error = Assert.ThrowsExactly<TransferException>(() => Read(folder, text));
        StringAssert.StartsWith(error.Message, $"{folder.File("job.yaml")}({line}): ");
        StringAssert.Contains(error.Message, said);
    }

    [TestMethod]
    public void Read_NoFileEmptyDeepOrLarge_SaysSo()
    {
        using var folder = new TempFolder();
        Contains("There is no job file", () => JobFile.Read(folder.File("none.yaml")));
        Contains("is empty", () => Read(folder, "# nothing\n"));
        Contains("nested deeper than 32", () => Read(folder, "version: " + new string('[', 100_000)));
        Contains("1048576 at most", () => Read(folder, new string('#', 2 << 20)));

        static void Contains(string said, Action read) =>
            StringAssert.Contains(Assert.ThrowsExactly<TransferException>(read).Message, said);
    }

    /// <summary>What an editor would underline is what the reader refuses, and the other way round.</summary>
    [TestMethod]
    public void Schema_AgainstJobs_TakesWhatIsRead()
    {
        var schema = JsonSchema.FromText(JobSchema.ToJson());
        using var folder = new TempFolder();
        Assert.IsTrue(Takes(Whole.Replace("FineTune", "finetune", StringComparison.Ordinal)));
        Assert.IsTrue(Takes(Read(folder, Whole).ToJson()), "with every option");
        foreach (
            string wrong in new[]
            {
                "version: 2\ntrain: { folder: a }",
                "version: 1\ntrain: { folder: a, backbon: x }",
                "version: 1\ntrain: { folder: a, seed: many }",
                "version: 1\ntrain: { folder: a, head: woody }",
                "version: 1\ntrain: { folder: a, output: b }",
                "version: 1\ntrain: { seed: 3 }",
                "version: 1\ntrain: { folder: a }\nexports: [{ format: jpeg }]",
                "version: 1\ntrain: { folder: a }\ngates: { minAccuracy: high }",
            }
        )
        {
            Assert.IsFalse(Takes(wrong), wrong);
            Assert.ThrowsExactly<TransferException>(() => Read(folder, wrong), wrong);
        }

        bool Takes(string text)
        {
            File.WriteAllText(folder.File("schema.yaml"), text);
            return schema
                .Evaluate(JsonSerializer.SerializeToElement(YamlObject.Read(folder.File("schema.yaml")).Root))
                .IsValid;
        }
    }

    /// <summary>Everything that the template offers as a comment can be made use of.</summary>
    [TestMethod]
    public void Template_WithItsComments_IsAJob()
    {
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder.File("my images"));
        JobTemplate.Write(folder.File("my images"), folder.File("jobs/job.yaml"));
        Assert.AreEqual(folder.File("my images"), JobFile.Read(folder.File("jobs/job.yaml")).Train.Folder);
        Assert.IsTrue(File.Exists(folder.File("jobs/job.schema.json")));
        string all = Regex.Replace(
            File.ReadAllText(folder.File("jobs/job.yaml")),
            @"^(  )?# ((?:  - )?\w+:.*)$",
            "$1$2",
            RegexOptions.Multiline
        );
        JobFile job = Read(folder, Regex.Replace(all, @"^#   (- format)", "  $1", RegexOptions.Multiline));
        Assert.AreEqual(TrainingStrategy.Auto, job.Train.Strategy);
        Assert.HasCount(1, job.Exports);
        Assert.AreEqual(0.1, job.Gates.MaxEce);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    JobTemplate.Write(folder.File("my images"), folder.File("jobs/job.yaml"))
                )
                .Message,
            "exists already"
        );
    }

    private static JobFile Read(TempFolder folder, string text)
    {
        File.WriteAllText(folder.File("job.yaml"), text);
        return JobFile.Read(folder.File("job.yaml"), "out");
    }
}
