using MlNetTransfer.Adaptation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Training.FineTuning;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Patterns, and the same kinds half as bright.</summary>
[TestClass]
public sealed class AdaptJobTests : IDisposable
{
    private readonly TuneTask task = new(perClass: 20);
    private readonly string target;

    public AdaptJobTests()
    {
        target = task.File("dark");
        foreach (string file in Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories))
        {
            byte[] image = File.ReadAllBytes(file);
            for (int i = 54; i < image.Length; i++)
                image[i] = (byte)(image[i] / 2);
            string kind = Path.GetFileName(Path.GetDirectoryName(file)!);
            Directory.CreateDirectory(Path.Combine(target, kind));
            File.WriteAllBytes(Path.Combine(target, kind, Path.GetFileName(file)), image);
        }
    }

    public void Dispose() => task.Dispose();

    [TestMethod]
    public void Run_DarkImages_MovesTheOthersThereAndIsMoreOftenRight()
    {
        AdaptSummary summary = Run(Options() with { ScoreTarget = true });
        Assert.AreEqual(AlignmentMethod.Standardize, summary.Taken.Method, string.Join('\n', summary.Trials));
        Assert.IsTrue(summary.Taken.KeepsClasses && summary.Taken.Gain > 2 * summary.Taken.GainError);
        Assert.AreEqual(TransferVerdict.Helped, summary.Judged!.Verdict, $"{summary.Judged}");
        Assert.AreEqual((60, 60), (summary.Source, summary.Target));
        Assert.IsTrue(summary.Parity.Agrees);
        Assert.IsGreaterThan(0, summary.Changed);
        Assert.AreEqual(1, summary.Shares.Sum(), 1e-9);
        Assert.HasCount(AlignmentMethod.All.Count, summary.Trials);
        Assert.IsGreaterThan(1.0, summary.Trials[0].Distance.Distance, "the two are far apart before");
        Assert.IsLessThan(summary.Trials[0].Distance.Distance, summary.Taken.Distance.Distance);
        Assert.IsTrue(summary.Trials.All(trial => trial.Accuracy is >= 0 and <= 1));
        Assert.AreEqual((0.0, 0.0), (summary.Trials[0].Gain, summary.Trials[0].GainError));

        // The file is a model like any other, and says of the target what was judged.
        ModelEvaluation found = new EvaluateJob(new EvaluateOptions { Model = summary.Model, Folder = target }).Run();
        Assert.AreEqual(summary.Judged.Accuracy, found.Accuracy!.Value, 1e-9);
        string[] rows = File.ReadAllLines(task.File("out/predictions.csv"));
        Assert.HasCount(61, rows);
        StringAssert.StartsWith(rows[0], "file,prediction,probability,unadapted,p_");
        StringAssert.Contains(File.ReadAllText(task.File("out/report.json")), "\"method\": \"standardize\"");
    }

    [TestMethod]
    public void Run_LabelsOfTheTarget_ChangeNothing()
    {
        AdaptSummary blind = Run(Options());
        byte[] model = File.ReadAllBytes(blind.Model);
        AdaptSummary scored = Run(Options() with { ScoreTarget = true });
        CollectionAssert.AreEqual(model, File.ReadAllBytes(scored.Model), "nothing that is trained looks at them");
        Assert.IsNull(blind.Judged);
        Assert.IsTrue(blind.Trials.All(trial => trial.Accuracy is null));
    }

    [TestMethod]
    public void Run_TheSameImages_KeepsTheUnadaptedModel()
    {
        AdaptSummary summary = Run(Options() with { Target = task.Images });
        Assert.AreEqual(AlignmentMethod.None, summary.Taken.Method);
        Assert.AreEqual(0, summary.Changed);
        StringAssert.Contains(summary.Notes.Single(), "60 of 60 target images are byte for byte among the labelled");
    }

    [TestMethod]
    public void Run_AMethodByName_IsTakenWhateverTheImagesSay()
    {
        AdaptSummary summary = Run(Options() with { Method = AlignmentMethod.Transport });
        Assert.AreEqual(AlignmentMethod.Transport, summary.Taken.Method);
        CollectionAssert.AreEqual(
            new[] { AlignmentMethod.None, AlignmentMethod.Transport },
            summary.Trials.Select(trial => trial.Method).ToArray()
        );
    }

    [TestMethod]
    public void Run_FewImages_SaysHowManyAreNeededAndWritesNothing()
    {
        string few = Directory.CreateDirectory(task.File("few")).FullName;
        foreach (string file in Directory.GetFiles(target, "*.bmp", SearchOption.AllDirectories).Take(5))
            File.Copy(file, Path.Combine(few, Path.GetFileName(file)));
        File.WriteAllText(Path.Combine(few, "no image.png"), "text");
        string message = Refused(Options() with { Target = few });
        StringAssert.Contains(message, "has 6 different usable items; at least 10 are needed");
        Assert.IsFalse(Directory.Exists(task.File("out")), "said before anything was done");
        foreach (string file in Directory.GetFiles(target, "*.bmp", SearchOption.AllDirectories).Skip(5).Take(4))
            File.Copy(file, Path.Combine(few, "again " + Path.GetFileName(file)));
        StringAssert.Contains(Refused(Options() with { Target = few }), "no image.png");
        Assert.IsFalse(Directory.Exists(task.File("out")), "the folder that was made is removed");
        StringAssert.Contains(Refused(Options() with { Target = task.File("nowhere") }), "does not exist");
    }

    [TestMethod]
    public void Run_OtherClasses_AreRefusedToJudgeByAndNotedElse()
    {
        string others = task.File("others");
        string[] folders = Directory.GetDirectories(target);
        foreach (string folder in folders)
        {
            Directory.CreateDirectory(others);
            Directory.Move(folder, Path.Combine(others, "not-" + Path.GetFileName(folder)));
        }

        StringAssert.Contains(
            Refused(Options() with { Target = others, ScoreTarget = true }),
            "classes that the labelled images do not have: 'not-"
        );
        StringAssert.Contains(Run(Options() with { Target = others }).Notes.Single(), "None of the 3 folders in");
    }

    [TestMethod]
    public void Run_FewLabelledImages_SaysHowManyAreNeeded()
    {
        using TuneTask small = new(perClass: 3);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new AdaptJob(
                        Options() with
                        {
                            Source = small.Images,
                        },
                        new JobServices { Catalog = task.Catalog }
                    ).Run()
                )
                .Message,
            "has 9 different labelled items"
        );
    }

    [TestMethod]
    public void Run_AClassOfCopies_IsAdaptedAllTheSame()
    {
        string kind = Directory.GetDirectories(task.Images)[0];
        string[] files = Directory.GetFiles(kind);
        foreach (string file in files[1..])
            File.Copy(files[0], file, overwrite: true);
        Assert.IsTrue(Run(Options()).Parity.Agrees);
    }

    /// <summary>Labels of a list in another order, and of a part of the images only, change nothing either.</summary>
    [TestMethod]
    public void Run_ListsInAnyOrder_GiveTheSameModel()
    {
        string[] files = Directory.GetFiles(target, "*.bmp", SearchOption.AllDirectories);
        string Line(string file) => $"{file},{Path.GetFileName(Path.GetDirectoryName(file))}";
        File.WriteAllLines(task.File("a.csv"), ["path,label", .. files.Select(Line)]);
        File.WriteAllLines(task.File("b.csv"), ["path,label", .. files.Reverse().Select(Line)]);
        byte[] first = File.ReadAllBytes(Run(Options() with { Target = task.File("a.csv") }).Model);
        AdaptSummary second = Run(Options() with { Target = task.File("b.csv"), ScoreTarget = true });
        CollectionAssert.AreEqual(first, File.ReadAllBytes(second.Model));
        Assert.IsNotNull(second.Judged);
        StringAssert.StartsWith(File.ReadAllLines(task.File("out/predictions.csv"))[1], files[^1]);
    }

    [TestMethod]
    public void Run_WhereATrainingLies_IsRefused()
    {
        Directory.CreateDirectory(task.File("out"));
        File.WriteAllText(task.File("out/metrics.jsonl"), "");
        StringAssert.Contains(Refused(Options()), "holds a training ('metrics.jsonl')");
    }

    [TestMethod]
    public void Run_LabelledImagesWithASplit_SaysThatAllPartsAreTrainedOn()
    {
        string split = task.File("split");
        foreach (string file in Directory.GetFiles(task.Images, "*.bmp", SearchOption.AllDirectories))
        {
            string part = (new FileInfo(file).Name.Sum(c => c) + file.Length) % 2 == 0 ? "train" : "test",
                folder = Path.Combine(split, part, Path.GetFileName(Path.GetDirectoryName(file))!);
            Directory.CreateDirectory(folder);
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        AdaptSummary summary = Run(Options() with { Source = split });
        Assert.AreEqual(60, summary.Source);
        Assert.IsTrue(summary.Notes.Any(note => note.Contains("all parts of it", StringComparison.Ordinal)));
    }

    [TestMethod]
    public void Run_Cancelled_LeavesTheOldModel()
    {
        AdaptSummary summary = Run(Options());
        byte[] model = File.ReadAllBytes(summary.Model);
        string report = File.ReadAllText(task.File("out/report.json"));
        string[] files = Directory.GetFiles(task.File("out"));
        using var ended = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(() =>
            new AdaptJob(
                Options() with
                {
                    Method = AlignmentMethod.Coral,
                },
                new JobServices { Catalog = task.Catalog }
            ).Run(new Ending(ended), ended.Token)
        );
        CollectionAssert.AreEqual(model, File.ReadAllBytes(summary.Model));
        Assert.AreEqual(report, File.ReadAllText(task.File("out/report.json")));
        CollectionAssert.AreEquivalent(files, Directory.GetFiles(task.File("out")));
    }

    private AdaptOptions Options() =>
        new()
        {
            Source = task.Images,
            Target = target,
            Output = task.File("out"),
            Backbone = TuneTask.Id,
            CacheFolder = task.File("cache"),
            Workers = 2,
        };

    private AdaptSummary Run(AdaptOptions options) =>
        new AdaptJob(options, new JobServices { Catalog = task.Catalog }).Run();

    private string Refused(AdaptOptions options) => Assert.ThrowsExactly<TransferException>(() => Run(options)).Message;

    /// <summary>Ends the job when alignments are tried.</summary>
    private sealed class Ending(CancellationTokenSource end) : IProgress<JobProgress>
    {
        public void Report(JobProgress value)
        {
            if (value.Stage == "Checking the written model")
                end.Cancel();
        }
    }
}
