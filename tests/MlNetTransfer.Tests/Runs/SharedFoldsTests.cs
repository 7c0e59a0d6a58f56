using MlNetTransfer.Jobs;
using MlNetTransfer.Runs;
using MlNetTransfer.Tests.Training.FineTuning;

namespace MlNetTransfer.Tests.Runs;

/// <summary>A run whose folds other processes train too: the same bytes as alone, whoever did what.</summary>
[TestClass]
public sealed class SharedFoldsTests
{
    private const string Tuned = """
          folds: 3
          strategy: finetune
          fineTune: { epochs: 4, patience: 4, batchSize: 8, threads: 1, freeze: "block:1", learningRate: 0.01 }
        """;

    [TestMethod]
    public void Run_WithOthers_GivesTheBytesOfARunAlone()
    {
        using var task = new TuneTask();
        string job = Job(task, Tuned);
        New(task, job, "alone").Run();
        Task<int>[] others =
        [
            .. Enumerable.Range(0, 2).Select(_ => Task.Run(() => New(task, job, "shared").TrainFolds())),
        ];
        RunSummary summary = New(task, job, "shared", shares: true).Run();
        Task.WaitAll(others);
        RequireAsAlone(task);
        Assert.AreEqual(3, summary.Training.FoldAccuracies.Count);
        Assert.AreEqual(0, New(task, job, "shared").TrainFolds(), "the run is over");
        Assert.IsFalse(Directory.Exists(task.File("shared/checkpoints")));
    }

    /// <summary>All that takes time is done before the run begins, which then trains nothing itself.</summary>
    [TestMethod]
    public void Run_AfterOthersTrainedAllFolds_TrainsNone()
    {
        using var task = new TuneTask();
        string job = Job(task, Tuned);
        New(task, job, "alone").Run();
        Assert.AreEqual(4, New(task, job, "shared").TrainFolds(), "three folds, and all images");
        Assert.AreEqual(0, New(task, job, "shared").TrainFolds(), "they are done");
        var stages = new List<string>();
        New(task, job, "shared", shares: true).Run(new Watching(stages.Add));
        Assert.DoesNotContain("Fine-tuning", string.Join('\n', stages));
        RequireAsAlone(task);

        // The same folder with other images is another run, and what is left of the first is no sign that it is over.
        File.Delete(Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories).Order().First());
        Assert.AreEqual(4, New(task, job, "shared").TrainFolds());
    }

    [TestMethod]
    public void TrainFolds_EndedInTheMiddle_TheRunGoesOnWithWhatIsThere()
    {
        using var task = new TuneTask();
        string job = Job(task, Tuned);
        New(task, job, "alone").Run();
        using var end = new CancellationTokenSource();
        var progress = new Watching(stage =>
        {
            if (Directory.Exists(task.File("shared/checkpoints")) && stage.Length > 0)
                if (Directory.GetFiles(task.File("shared/checkpoints"), "*.done").Length == 2)
                    end.Cancel();
        });
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            New(task, job, "shared").TrainFolds(progress, end.Token)
        );
        Assert.IsEmpty(Directory.GetFiles(task.File("shared/checkpoints"), "*.lock"), "it left its fold to others");
        Assert.IsFalse(File.Exists(task.File("shared/model.onnx")), "the run is another process's");
        New(task, job, "shared", shares: true).Run();
        RequireAsAlone(task);
    }

    [TestMethod]
    public void Run_WithoutFoldsThatTakeTime_SaysThatThereIsNothingToShare()
    {
        using var task = new TuneTask();
        Refused("the strategy is head, judged by folds", Job(task, "  folds: 3\n"));
        Refused(
            "the strategy is finetune, judged by a part held out",
            Job(task, Tuned.Replace("folds: 3", "testFraction: 0.3"))
        );

        void Refused(string said, string job)
        {
            RunJob run = New(task, job, "refused", shares: true);
            foreach (Action act in (Action[])[() => run.Run(), () => run.TrainFolds()])
                StringAssert.Contains(Assert.ThrowsExactly<TransferException>(act).Message, said);
        }
    }

    private static void RequireAsAlone(TuneTask task)
    {
        foreach (string file in (string[])["model.onnx", "predictions.csv", "lock.json"])
            CollectionAssert.AreEqual(
                File.ReadAllBytes(task.File($"alone/{file}")),
                File.ReadAllBytes(task.File($"shared/{file}")),
                file
            );
        CollectionAssert.AreEqual(Metrics("alone"), Metrics("shared"));

        string[] Metrics(string output) =>
            [.. File.ReadAllLines(task.File($"{output}/metrics.jsonl")).Select(line => line[..line.LastIndexOf(',')])];
    }

    private static string Job(TuneTask task, string train)
    {
        string file = task.File($"{Guid.NewGuid():N}.yaml");
        File.WriteAllText(
            file,
            $"version: 1\ntrain:\n  folder: images\n  backbone: {TuneTask.Id}\n  cacheFolder: cache\n  workers: 2\n{train}\n"
        );
        return file;
    }

    private static RunJob New(TuneTask task, string job, string output, bool shares = false) =>
        new(
            new RunOptions
            {
                Job = job,
                Output = task.File(output),
                SharesFolds = shares,
            },
            new JobServices { Catalog = task.Catalog }
        );

    private sealed class Watching(Action<string> told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => told(value.Stage);
    }
}
