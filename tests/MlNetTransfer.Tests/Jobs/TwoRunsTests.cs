using System.Security.Cryptography;
using System.Text.Json;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Two runs with one output: whatever happens, a report never lies beside another run's model.</summary>
[TestClass]
public sealed class TwoRunsTests
{
    [TestMethod]
    public async Task Run_FolderInUse_NamesTheProcessAndLeavesTheFirstRunAlone()
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("out", TrainingStrategy.Head);
        using ManualResetEventSlim working = new(),
            goOn = new();
        Task<TrainSummary> first = Task.Run(() =>
            task.Run(
                options,
                new Told(() =>
                {
                    working.Set();
                    goOn.Wait();
                })
            )
        );
        working.Wait();
        string message = Assert.ThrowsExactly<TransferException>(() => task.Run(options with { Seed = 2 })).Message;
        foreach (
            string expected in (string[])
                [
                    task.File("out"),
                    "is in use",
                    $"process {Environment.ProcessId} has held it since 20",
                    "UTC",
                    "--output",
                ]
        )
            StringAssert.Contains(message, expected);
        goOn.Set();
        TrainSummary summary = await first;
        Assert.AreEqual(summary.ModelSha256, Digest(task));
        CollectionAssert.AreEquivalent(
            new[] { "model.onnx", "predictions.csv", "report.json" },
            Names(task),
            "the lock goes with the run"
        );
        Assert.AreEqual(task.Run(options with { Seed = 2 }).ModelSha256, Digest(task), "the folder is free again");
    }

    [TestMethod]
    public void Run_AfterAKill_RemovesWhatWasLeftHalfWrittenAndNothingElse()
    {
        using TuneTask task = new();
        string left = task.File("out/model.onnx.0123456789abcdef0123456789abcdef.tmp"),
            written = task.File("out/report.json.00000000000000000000000000000000.tmp"),
            own = task.File("out/notes.tmp");
        Directory.CreateDirectory(task.File("out"));
        string fresh = task.File("out/model.onnx.ffffffffffffffffffffffffffffffff.tmp"),
            below = task.File("out/checkpoints/fold-0.safetensors.0123456789abcdef0123456789abcdef.tmp");
        Directory.CreateDirectory(task.File("out/checkpoints"));
        foreach (string path in (string[])[left, own, fresh, below, written])
            File.WriteAllText(path, "x");
        foreach (string path in (string[])[left, own, below, written])
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes(-1));
        using (new FileStream(written, FileMode.Open, FileAccess.ReadWrite, FileShare.None))
        {
            task.Run(task.Options("out", TrainingStrategy.FineTune));
            Assert.IsTrue(File.Exists(written), "another process is writing it");
        }

        Assert.IsFalse(File.Exists(left));
        Assert.IsFalse(File.Exists(below));
        Assert.IsTrue(File.Exists(fresh), "somebody may be about to give it its name");
        Assert.IsTrue(File.Exists(own), "not one of ours");
    }

    [TestMethod]
    public void Run_ManyAtOnceIntoOneFolder_ReportAndModelAreOfOneRun()
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("out", TrainingStrategy.Head);
        int done = 0,
            refused = 0;
        for (int round = 0; round < 4; round++)
        {
            Parallel.For(
                0,
                4,
                new ParallelOptions { MaxDegreeOfParallelism = 4 },
                i =>
                {
                    try
                    {
                        task.Run(options with { Seed = 10 * round + i });
                        Interlocked.Increment(ref done);
                    }
                    catch (TransferException e) when (e.Message.Contains("is in use", StringComparison.Ordinal))
                    {
                        Interlocked.Increment(ref refused);
                    }
                }
            );
            using JsonDocument report = JsonDocument.Parse(File.ReadAllBytes(task.File("out/report.json")));
            Assert.AreEqual(report.RootElement.GetProperty("modelSha256").GetString(), Digest(task), $"round {round}");
            CollectionAssert.AreEquivalent(new[] { "model.onnx", "predictions.csv", "report.json" }, Names(task));
        }

        Assert.AreEqual(16, done + refused);
        Assert.IsGreaterThan(3, done);
    }

    [TestMethod]
    public void Run_LeftOversOfAKilledRun_AreRemovedAndHoldNobodyUp()
    {
        using TuneTask task = new();
        Directory.CreateDirectory(task.File("out"));
        foreach (
            string name in (string[])["model.onnx.0123.unverified", OutputLock.FileName, OutputLock.FileName + ".owner"]
        )
            File.WriteAllText(task.File($"out/{name}"), "1");
        task.Run(task.Options("out", TrainingStrategy.Head));
        CollectionAssert.AreEquivalent(new[] { "model.onnx", "predictions.csv", "report.json" }, Names(task));
    }

    [TestMethod]
    public void Run_ModelThatCannotBeReplaced_IsKeptAndTheOldReportStays()
    {
        using TuneTask task = new();
        Directory.CreateDirectory(task.File("out/model.onnx"));
        File.WriteAllText(task.File("out/report.json"), "old");
        string message = Assert
            .ThrowsExactly<TransferException>(() => task.Run(task.Options("out", TrainingStrategy.Head)))
            .Message;
        string kept = Directory.GetFiles(task.File("out"), "model.onnx.*").Single();
        StringAssert.Contains(message, kept);
        using (TransferModel model = TransferModel.Load(kept))
            Assert.HasCount(3, model.ClassNames);
        Assert.AreEqual("old", File.ReadAllText(task.File("out/report.json")));
        Directory.Delete(task.File("out/model.onnx"));
        task.Run(task.Options("out", TrainingStrategy.Head));
        Assert.IsTrue(File.Exists(kept), "a later run does not take it for a left-over");
    }

    [TestMethod]
    public void Take_BytesThatChangedAfterTheyWereSealed_AreRefused()
    {
        using TempFolder folder = new();
        using StagedFile file = new(folder.File("a")),
            same = new(folder.File("a"));
        Assert.AreNotEqual(file.Path, same.Path, "every run has a name of its own");
        File.WriteAllText(file.Path, "verified");
        file.Seal();
        File.WriteAllText(file.Path, "another");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => file.Take()).Message,
            "changed after it was verified"
        );
        Assert.IsFalse(File.Exists(folder.File("a")));
    }

    /// <summary>
    /// The lock file comes and goes all the time: a run that waited for one that was deleted must not believe that it
    /// holds it.
    /// </summary>
    [TestMethod]
    public void OfFolder_ManyThreads_NeverHoldTwice()
    {
        using TempFolder folder = new();
        int inside = 0,
            most = 0,
            taken = 0;
        Parallel.For(
            0,
            4000,
            new ParallelOptions { MaxDegreeOfParallelism = 8 },
            _ =>
            {
                try
                {
                    using OutputLock held = OutputLock.OfFolder(folder.Path);
                    int now = Interlocked.Increment(ref inside);
                    if (now > most)
                        most = now;
                    Interlocked.Increment(ref taken);
                    Thread.Yield();
                    Interlocked.Decrement(ref inside);
                }
                catch (TransferException)
                {
                    // Held by another thread.
                }
            }
        );
        Assert.AreEqual(1, most);
        Assert.IsGreaterThan(10, taken);
    }

    private static string[] Names(TuneTask task) =>
        [.. Directory.GetFileSystemEntries(task.File("out")).Select(path => Path.GetFileName(path))];

    private static string Digest(TuneTask task) => Convert.ToHexStringLower(SHA256.HashData(task.Model("out")));

    private sealed class Told(Action once) : IProgress<JobProgress>
    {
        private int told;

        public void Report(JobProgress value)
        {
            if (Interlocked.Exchange(ref told, 1) == 0)
                once();
        }
    }
}
