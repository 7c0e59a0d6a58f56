using MlNetTransfer.Jobs;
using MlNetTransfer.Studio;
using MlNetTransfer.Studio.Pages;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Studio;

/// <summary>What the pages start, without pages.</summary>
[TestClass]
public sealed class StudioWorkTests : IDisposable
{
    private readonly TempFolder folder = new();
    private WorkQueue queue = null!;
    private FinishedRuns runs = null!;
    private StudioData studio = null!;
    private StudioWork work = null!;
    private string images = "";

    [TestInitialize]
    public void Start()
    {
        images = SmallTask.Images(folder, 12);
        SmallNetwork.WriteImages(folder, "other", 2);
        Directory.CreateDirectory(folder.File("runs/.uploads"));
        StudioOptions options = new() { Roots = [images, folder.File("other")], Output = folder.File("runs") };
        StudioRoots roots = new(options.Roots, StudioUploads.FolderIn(options));
        queue = new WorkQueue();
        runs = new FinishedRuns(options);
        studio = new StudioData(roots, options);
        work = new StudioWork(queue, runs, studio, roots, options);
        studio.Open(images);
    }

    public void Dispose()
    {
        queue.DisposeAsync().AsTask().GetAwaiter().GetResult();
        folder.Dispose();
    }

    /// <summary>A training that is cancelled goes on where it was, and gives the model of one that was not.</summary>
    [TestMethod]
    public async Task Continue_OfACancelledTraining_GivesTheModelOfAnother()
    {
        _ = SmallTask.Backbone;
        TrainForm form = new()
        {
            Strategy = "finetune",
            Backbone = SmallTask.Id,
            HeldOut = "0.3",
            Freeze = "0",
            Epochs = "30",
            LearningRate = "0.01",
            Augmentation = "none",
        };
        Work whole = work.Train("whole", form.ToYaml(studio.Current!.Source));
        await OverAsync(whole);
        Assert.AreEqual(WorkState.Done, whole.State, whole.Message);
        Work cut = work.Train("cut", form.ToYaml(studio.Current.Source));
        while (cut.Epochs.Count < 3 && !cut.IsOver)
            await Task.Delay(5);
        queue.Cancel(cut);
        await OverAsync(cut);
        Assert.AreEqual(WorkState.Cancelled, cut.State, cut.Message);
        CollectionAssert.AreEqual((string[])["cut"], runs.Unfinished().ToArray());
        Work rest = work.Continue("cut");
        await OverAsync(rest);
        Assert.AreEqual(WorkState.Done, rest.State, rest.Message);
        Assert.IsLessThan(whole.Epochs.Count, rest.Epochs.Count, "epochs that were done are not done again");
        CollectionAssert.AreEqual(
            File.ReadAllBytes(folder.File("runs/whole/model.onnx")),
            File.ReadAllBytes(folder.File("runs/cut/model.onnx"))
        );
        Assert.IsEmpty(runs.Unfinished());
    }

    /// <summary>What was mended and added is trained on, and the run keeps its own list.</summary>
    [TestMethod]
    public void Source_WithCorrections_IsAListNamedByWhatIsInIt()
    {
        OpenedData data = studio.Current!;
        Assert.AreEqual(images, data.Source);
        studio.Correct(data, [data.Set.Items[0]], "another");
        string first = data.Source;
        studio.Label(data, folder.File("new.png"), "added");
        string second = data.Source;
        Assert.AreNotEqual(first, second);
        string[] lines = File.ReadAllLines(second);
        Assert.HasCount(1 + data.Set.Items.Count + 1, lines);
        StringAssert.EndsWith(lines[1], ",another");
        StringAssert.EndsWith(lines[^1], "new.png,added");
        CollectionAssert.IsSubsetOf((string[])["another", "added"], data.Classes.ToArray());
        studio.Label(data, folder.File("new.png"), null);
        Assert.AreEqual(first, data.Source, "the same images are the same list");
        studio.Correct(data, [data.Set.Items[0]], data.Set.ClassNames[data.Set.Items[0].Label]);
        Assert.AreEqual(images, data.Source);
    }

    /// <summary>A window may hold what was opened before another folder was, and that again.</summary>
    [TestMethod]
    public void Correct_ByAnEarlierOpening_KeepsWhatALaterOneSaid()
    {
        OpenedData first = studio.Current!;
        studio.Open(folder.File("other"));
        studio.Open(images);
        OpenedData second = studio.Current!;
        studio.Correct(second, [second.Set.Items[0]], "another");
        studio.Correct(first, [first.Set.Items[1]], "another");
        Assert.AreEqual(2, studio.Current!.Corrections.Count);
        Assert.HasCount(2, File.ReadAllLines(Directory.GetFiles(folder.File("runs/.corrections"), "*.jsonl").Single()));
    }

    [TestMethod]
    public void Open_FolderThatHasTheRuns_SaysSo()
    {
        StudioOptions options = new() { Roots = [folder.Path], Output = folder.File("runs") };
        StudioRoots roots = new(options.Roots, StudioUploads.FolderIn(options));
        TransferException refused = Assert.ThrowsExactly<TransferException>(() =>
            new StudioData(roots, options).Open(folder.Path)
        );
        StringAssert.Contains(refused.Message, "has the runs of this studio in it");
    }

    /// <summary>Only what was begun here and is not being done is removed.</summary>
    [TestMethod]
    public void Remove_OfWhatIsNoUnfinishedRun_IsRefused()
    {
        Directory.CreateDirectory(folder.File("runs/project"));
        File.WriteAllText(folder.File("runs/project/job.yaml"), "version: 1\n");
        Assert.ThrowsExactly<TransferException>(() => work.Remove("project"));
        Directory.CreateDirectory(folder.File("runs/.jobs"));
        File.WriteAllText(folder.File("runs/.jobs/project.yaml"), "version: 1 # another\n");
        Assert.ThrowsExactly<TransferException>(() => work.Remove("project"), "another job's folder");
        File.WriteAllText(folder.File("runs/.jobs/project.yaml"), "version: 1\n");
        using (
            new FileStream(folder.File("runs/project/job.yaml.lock"), FileMode.Create, FileAccess.Write, FileShare.None)
        )
            Assert.ThrowsExactly<TransferException>(() => work.Remove("project"));
        Assert.IsTrue(File.Exists(folder.File("runs/project/job.yaml")));
        work.Remove("project");
        Assert.IsFalse(Directory.Exists(folder.File("runs/project")));
        Assert.IsFalse(File.Exists(folder.File("runs/.jobs/project.yaml")));
    }

    [TestMethod]
    [DataRow("version: 1\ntrain:\n  folder: /etc\n", "'/etc' is not within the folders")]
    [DataRow("version: 1\ntrain:\n  folder: FOLDER\n  unlabelled: /etc\n", "'/etc' is not within the folders")]
    [DataRow("version: 1\ntrain:\n  folder: FOLDER\n  cacheFolder: /var/tmp/x\n", "is not within the folders")]
    [DataRow(
        "version: 1\ntrain:\n  folder: FOLDER\nexports:\n  - format: fp16\n    images: [ /etc ]\n",
        "'/etc' is not within the folders"
    )]
    [DataRow("version: 1\ntrain:\n  folder: FOLDER\n  epochs: 3\n", "'train.epochs'")]
    public void Train_WithAJobFileThatMayNotBe_IsRefused(string job, string said)
    {
        TransferException refused = Assert.ThrowsExactly<TransferException>(() =>
            work.Train("wrong", job.Replace("FOLDER", images))
        );
        StringAssert.Contains(refused.Message, said);
        Assert.IsEmpty(queue.All);
    }

    [TestMethod]
    public void Form_OfEveryField_IsAJobFileThatIsRead()
    {
        TrainForm form = new()
        {
            Strategy = "auto",
            Preset = "fast",
            Backbone = "resnet18",
            Head = "ridge",
            HeldOut = "5",
            ClassWeights = "balanced",
            Epochs = "7",
            LearningRate = "1e-4",
            Freeze = "0.5",
            Augmentation = "light",
            Minutes = "1.5",
            Seed = "3",
            LeastAccuracy = "82.5",
        };
        File.WriteAllText(folder.File("job.yaml"), form.ToYaml(images));
        Runs.JobFile job = Runs.JobFile.Read(folder.File("job.yaml"));
        Assert.AreEqual(images, job.Train.Folder);
        Assert.AreEqual(
            ("Auto", "resnet18", 5, 3, 0.825),
            (job.Train.Strategy.Name, job.Train.Backbone, job.Train.Folds, job.Train.Seed, job.Gates.MinAccuracy)
        );
        Assert.AreEqual(
            (7, 1e-4, TimeSpan.FromSeconds(90)),
            (job.Train.FineTune.Epochs, job.Train.FineTune.LearningRate, job.Train.FineTune.TimeBudget)
        );
        Assert.AreEqual(
            "version: 1\n\ntrain:\n  folder: \"a b\"\n  strategy: \"head\"\n",
            new TrainForm().ToYaml("a b")
        );
    }

    /// <summary>The program on the page is that of the guide, and this one.</summary>
    [TestMethod]
    public void Snippet_OfThePage_IsThatOfTheGuideAndRuns()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(RunPage.Snippet),
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/studio.md", "csharp").Single())
        );
        string here = DocumentedCode
            .Parts("tests/MlNetTransfer.Cli.Tests/Studio/StudioWorkTests.cs", "// The snippet", "// End")
            .Single();
        Assert.AreEqual(DocumentedCode.Normal(RunPage.Snippet.Split("\n\n", 2)[1]), DocumentedCode.Normal(here));
    }

    private static void AskAModel()
    {
        // The snippet
        PredictOptions request = new() { Model = "model.onnx", Images = ["new-photos"] };
        foreach (Prediction found in new PredictJob(request).Run().Predictions)
            Console.WriteLine($"{found.File}: {found.Label} ({found.Probability:P0})");
        // End
    }

    private static async Task OverAsync(Work work)
    {
        while (!work.IsOver)
            await Task.Delay(10);
    }
}
