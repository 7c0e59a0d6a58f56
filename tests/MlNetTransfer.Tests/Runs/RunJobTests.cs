using MlNetTransfer.Jobs;
using MlNetTransfer.Runs;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Runs;

/// <summary>What a job file leaves: the same bytes each time, and nothing exported that a gate holds back.</summary>
[TestClass]
public sealed class RunJobTests
{
    [TestMethod]
    public void Run_Twice_GivesTheSameBytesAndALockThatHolds()
    {
        using var task = new TuneTask();
        string job = Job(task, "exports:\n  - format: fp16");
        RunSummary first = Run(task, job, "one"),
            second = Run(task, job, "two", "one/lock.json");
        Assert.IsTrue(first.Holds);
        Assert.AreEqual("locked", second.Gates.Single().Gate);
        Assert.IsTrue(second.Holds);
        string export = Path.GetFileName(first.Exports.Single().Files[0].Path);
        foreach (string file in (string[])["model.onnx", export, "lock.json", "job.yaml", "predictions.csv"])
            CollectionAssert.AreEqual(
                File.ReadAllBytes(task.File($"one/{file}")),
                File.ReadAllBytes(task.File($"two/{file}")),
                file
            );
        string log = File.ReadAllText(task.File("one/log.txt"));
        StringAssert.Contains(log, "Z Extracting features");
        StringAssert.Contains(log, $"Z model {first.ModelSha256}");
        Assert.IsTrue(File.Exists(task.File("one/run.json")));
        // The job with every option, in the folder of the run, is the same job from anywhere.
        RunSummary third = Run(task, task.File("one/job.resolved.json"), "three", "one/lock.json");
        Assert.IsTrue(third.Holds);
    }

    [TestMethod]
    public void Run_WhatIsLockedDiffers_TrainsNothing()
    {
        using var task = new TuneTask();
        string job = Job(task, "");
        Run(task, job, "one");
        string image = Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories).Order().First();
        byte[] bytes = File.ReadAllBytes(image);
        bytes[^1] ^= 1;
        File.WriteAllBytes(image, bytes);
        string message = Assert.ThrowsExactly<TransferException>(() => Run(task, job, "two", "one/lock.json")).Message;
        StringAssert.Contains(message, "content of the data:");
        Assert.IsFalse(message.Contains("options", StringComparison.Ordinal), message);
        Assert.IsFalse(File.Exists(task.File("two/model.onnx")));
        File.AppendAllText(job, "  l2: 0.5\n  head: softmax\n");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Run(task, job, "two", "one/lock.json")).Message,
            "options of the training:"
        );
    }

    [TestMethod]
    public void Lock_PartsOfTheSplitOrStartingWeights_AreInIt()
    {
        using var task = new TuneTask();
        string list = task.File("list.csv"),
            weights = task.File("start.safetensors");
        string[] images = [.. Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories).Order()];
        TrainOptions train = task.Options("out", TrainingStrategy.FineTune) with { Folder = list };
        RunLock before = Lock(0, 1);
        Assert.IsEmpty(Lock(0, 1).Differences(before));
        StringAssert.StartsWith(Lock(1, 1).Differences(before).Single(), "content of the data:");
        StringAssert.StartsWith(Lock(0, 2).Differences(before).Single(), "options of the training:");
        weights = task.File("elsewhere.safetensors");
        Assert.IsEmpty(Lock(0, 1).Differences(before), "their place does not matter");

        RunLock Lock(int test, byte content)
        {
            File.WriteAllLines(
                list,
                [
                    "path,label,split",
                    .. images.Select(
                        (path, i) => $"{path},{Directory.GetParent(path)!.Name},{(i % 2 == test ? "test" : "train")}"
                    ),
                ]
            );
            File.WriteAllBytes(weights, [content]);
            return RunLock.Of(
                train with
                {
                    FineTune = train.FineTune with { InitialWeights = weights },
                },
                task.Catalog,
                null,
                CancellationToken.None
            );
        }
    }

    [TestMethod]
    public void Run_AGateDoesNotHold_KeepsTheModelAndExportsNothing()
    {
        using var task = new TuneTask();
        RunSummary run = Run(
            task,
            Job(task, "gates:\n  minAccuracy: 0.999\n  maxEce: 1\nexports:\n  - format: fp16"),
            "one"
        );
        Assert.IsFalse(run.Holds);
        Assert.IsFalse(run.Gates.Single(gate => gate.Gate == "minAccuracy").Holds);
        Assert.IsTrue(run.Gates.Single(gate => gate.Gate == "maxEce").Holds);
        Assert.IsTrue(File.Exists(task.File("one/model.onnx")));
        Assert.IsEmpty(run.Exports);
        Assert.HasCount(1, Directory.GetFiles(task.File("one"), "*.onnx"));
        StringAssert.Contains(File.ReadAllText(task.File("one/run.json")), "\"holds\": false");
    }

    [TestMethod]
    public void Run_ACopyAcrossTheSplit_FailsNoLeak()
    {
        using var task = new TuneTask();
        string[] images = [.. Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories).Order()];
        // Every image is there twice, so that some pair is parted, whatever the seed.
        foreach (string image in images)
            File.Copy(image, Path.ChangeExtension(image, ".copy.bmp"));
        string job = Job(task, "gates:\n  noLeak: true", "  duplicatesTogether: false\n");
        GateResult gate = Run(task, job, "one").Gates.Single();
        Assert.IsFalse(gate.Holds);
        StringAssert.Contains(gate.Found, "copy.bmp");
        File.WriteAllText(
            job,
            File.ReadAllText(job)
                .Replace("duplicatesTogether: false", "duplicatesTogether: true", StringComparison.Ordinal)
        );
        Assert.IsTrue(Run(task, job, "two").Gates.Single().Holds);
    }

    [TestMethod]
    public void Run_BesideTheModelInUse_FailsWhereThatIsBetterOnly()
    {
        using var task = new TuneTask(40);
        // A model of swapped labels is worse without doubt; beside it the real one passes, and the other way round it
        // does not.
        Directory.CreateDirectory(task.File("swapped"));
        foreach ((string from, string to) in new[] { ("across", "down"), ("down", "chequer"), ("chequer", "across") })
            Directory.CreateSymbolicLink(task.File($"swapped/{to}"), Path.Combine(task.Images, from));
        Run(task, Job(task, "", folder: "swapped", name: "bad.yaml"), "bad");
        Run(task, Job(task, "", name: "good.yaml"), "good");
        const string Beside = "gates:\n  notWorseThan: {{ model: {0}/model.onnx }}";
        GateResult good = Run(task, Job(task, string.Format(null, Beside, "bad"), name: "a.yaml"), "a").Gates.Single(),
            bad = Run(
                task,
                Job(
                    task,
                    "gates:\n  notWorseThan: { model: good/model.onnx, images: images }",
                    folder: "swapped",
                    name: "b.yaml"
                ),
                "b"
            )
                .Gates.Single(),
            same = Run(task, Job(task, string.Format(null, Beside, "good"), name: "c.yaml"), "c").Gates.Single();
        Assert.IsTrue(good.Holds, good.Found);
        StringAssert.StartsWith(good.Found, "the new model is better");
        Assert.IsFalse(bad.Holds, bad.Found);
        Assert.IsTrue(same.Holds, same.Found);
        StringAssert.Contains(same.Found, "0.0 points of accuracy");
    }

    [TestMethod]
    public void Run_FolderOfAnotherJobOrNoModelInUse_SaysSoBeforeTraining()
    {
        using var task = new TuneTask();
        Run(task, Job(task, ""), "one");
        Contains("has the run of another job file", Job(task, "gates:\n  maxEce: 1"));
        Contains(
            "gates.notWorseThan.images is '",
            Job(task, "gates:\n  notWorseThan: { model: one/model.onnx, images: gone }")
        );
        Contains("there is no model", Job(task, "gates:\n  notWorseThan: { model: none.onnx }"));
        File.Delete(task.File("one/job.yaml"));
        Contains("has a model that no job file made", Job(task, ""));

        void Contains(string said, string job) =>
            StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Run(task, job, "one")).Message, said);
    }

    /// <summary>What cannot be run is said without training, to 'run --check' and to 'submit run'.</summary>
    [TestMethod]
    public void Check_WhatIsNotThere_IsNamed()
    {
        using var task = new TuneTask();
        Assert.AreEqual(task.Images, Checked(Job(task, "")).Train.Folder);
        Contains("train.folder is '", () => Checked(Job(task, "", folder: "gone")));
        Contains("there is no model", () => Checked(Job(task, "gates:\n  notWorseThan: { model: none.onnx }")));
        Contains("since the strategy is head, which takes seconds", () => Checked(Job(task, ""), sharesFolds: true));
        Contains(
            "since train.testFraction holds out one part",
            () => Checked(Job(task, "", "  strategy: full\n"), sharesFolds: true)
        );

        JobFile Checked(string job, bool sharesFolds = false) =>
            new RunJob(new RunOptions { Job = job, Output = task.File("out") }).Check(sharesFolds);

        static void Contains(string said, Func<object> work) =>
            StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => work()).Message, said);
    }

    /// <summary>The scanner of YAML names another line.</summary>
    [TestMethod]
    public void Read_LineWithATab_IsNamed()
    {
        using var task = new TuneTask();
        string job = task.File("tab.yaml");
        File.WriteAllText(job, "version: 1\ntrain:\n\tfolder: images\n");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => JobFile.Read(job)).Message,
            "tab.yaml(3): the line begins with a tab"
        );
        File.WriteAllText(job, "{ \"version\": 1,\n\t\"train\": { \"folder\": \"images\" \n");
        Assert.DoesNotContain(
            "begins with a tab",
            Assert.ThrowsExactly<TransferException>(() => JobFile.Read(job)).Message
        );
    }

    private static string Job(
        TuneTask task,
        string rest,
        string train = "",
        string folder = "images",
        string name = "job.yaml"
    )
    {
        string file = task.File(name);
        File.WriteAllText(
            file,
            $"version: 1\n{rest}\ntrain:\n  folder: {folder}\n  backbone: {TuneTask.Id}\n  cacheFolder: cache\n"
                + $"  testFraction: 0.4\n  workers: 2\n{train}"
        );
        return file;
    }

    private static RunSummary Run(TuneTask task, string job, string output, string? locked = null) =>
        new RunJob(
            new RunOptions
            {
                Job = job,
                Output = task.File(output),
                Locked = locked is null ? null : task.File(locked),
            },
            new JobServices { Catalog = task.Catalog }
        ).Run();
}
