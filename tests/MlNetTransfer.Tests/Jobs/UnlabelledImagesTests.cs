using System.Text.Json;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Patterns, a few with labels.</summary>
[TestClass]
public sealed class UnlabelledImagesTests : IDisposable
{
    private readonly TuneTask task = new(perClass: 30);
    private readonly string few,
        many;

    public UnlabelledImagesTests()
    {
        (few, many) = (task.File("few"), Directory.CreateDirectory(task.File("many")).FullName);
        foreach (string folder in Directory.GetDirectories(task.Images))
        {
            string kind = Path.GetFileName(folder);
            Directory.CreateDirectory(Path.Combine(few, kind));
            string[] files = Directory.GetFiles(folder);
            Array.Sort(files, StringComparer.Ordinal);
            for (int i = 0; i < files.Length; i++)
                File.Copy(
                    files[i],
                    i < 5
                        ? Path.Combine(few, kind, Path.GetFileName(files[i]))
                        : Path.Combine(many, $"{kind}-{Path.GetFileName(files[i])}")
                );
        }
    }

    public void Dispose() => task.Dispose();

    private TrainOptions Options =>
        task.Options("out", TrainingStrategy.Head) with
        {
            Folder = few,
            Unlabelled = many,
            TestFraction = null,
        };

    [TestMethod]
    public void Run_AWayThatIsNamed_TrainsOnAllAndSaysSo()
    {
        TrainSummary summary = task.Run(Options with { PseudoLabels = PseudoLabelMethod.Propagation });
        SelfTrainingSummary found = summary.SelfTraining!;
        Assert.AreEqual((75, PseudoLabelMethod.Propagation), (found.Images, found.Method));
        Assert.AreEqual(75, found.Classes.Sum());
        Assert.AreEqual("kernel", summary.Head);
        Assert.IsTrue(summary.Parity.Agrees);
        Assert.AreEqual(15, summary.TestImages, "judged by the labelled alone");
        StringAssert.Contains(string.Join('\n', summary.Notes), "trained on 75 items without labels too (propagation)");
        ModelMetadata facts = TransferModel.Load(summary.Model).Metadata;
        Assert.AreEqual(90, facts.TrainingImages!.Count, "an image that was seen is not judged as if it were new");
        using var report = JsonDocument.Parse(File.ReadAllText(task.File("out/report.json")));
        Assert.AreEqual(
            "propagation",
            report.RootElement.GetProperty("selfTraining").GetProperty("method").GetString()
        );

        byte[] model = task.Model("out");
        string digest = summary.TrainingDigest;
        summary = task.Run(Options with { PseudoLabels = PseudoLabelMethod.Propagation, Workers = 1 });
        CollectionAssert.AreEqual(model, task.Model("out"), "the same for any number of threads");
        Assert.AreNotEqual(digest, task.Run(Options with { Unlabelled = null }).TrainingDigest);
    }

    [TestMethod]
    public void Run_TheChoice_IsWhatItSays()
    {
        TrainSummary summary = task.Run(Options);
        SelfTrainingSummary found = summary.SelfTraining!;
        Assert.HasCount(1 + PseudoLabelMethod.All.Count, found.Trials);
        double least = found.Trials.Min(t => t.LogLoss);
        Assert.AreEqual(least, found.Trials.Single(t => t.Taken).LogLoss);
        Assert.AreEqual(found.Method?.Label ?? "none", found.Trials.Single(t => t.Taken).Name);
        if (found.Method is null)
            Assert.AreEqual(15, TransferModel.Load(summary.Model).Metadata.TrainingImages!.Count);
        CollectionAssert.Contains(summary.Notes.ToArray(), found.Verdict);
    }

    /// <summary>Who points at the folder that the labelled images were taken from is not punished for it.</summary>
    [TestMethod]
    public void Run_LabelledAmongThem_AreLeftOut()
    {
        foreach (string file in Directory.GetFiles(few, "*", SearchOption.AllDirectories))
            File.Copy(file, Path.Combine(many, "again-" + Guid.NewGuid().ToString("N") + ".bmp"));
        File.Copy(Directory.GetFiles(many).Order(StringComparer.Ordinal).Last(), Path.Combine(many, "twice.bmp"));
        File.WriteAllText(Path.Combine(many, "no image.png"), "text");
        TrainSummary summary = task.Run(Options with { PseudoLabels = PseudoLabelMethod.Confidence });
        Assert.AreEqual(75, summary.SelfTraining!.Images);
        StringAssert.Contains(string.Join('\n', summary.Notes), "15 of the items without labels");
        Assert.AreEqual("no image.png", summary.Rejected.Single().File);
    }

    [TestMethod]
    public void Run_ImagesOfTheOwnTestPartAmongThem_IsRefused()
    {
        string split = task.File("split");
        foreach (string folder in Directory.GetDirectories(few))
        foreach (
            (string file, int i) in Directory.GetFiles(folder).Order(StringComparer.Ordinal).Select((f, i) => (f, i))
        )
        {
            string part = Path.Combine(split, i < 3 ? "train" : "test", Path.GetFileName(folder));
            Directory.CreateDirectory(part);
            File.Copy(file, Path.Combine(part, Path.GetFileName(file)));
        }

        string leaked = Directory.GetFiles(Path.Combine(split, "test"), "*", SearchOption.AllDirectories)[0];
        File.Copy(leaked, Path.Combine(many, "leaked.bmp"));
        string message = Refused(Options with { Folder = split });
        StringAssert.Contains(message, "holds items that");
        StringAssert.Contains(message, "leaked.bmp");
        Assert.IsFalse(File.Exists(task.File("out/model.onnx")));
        File.Delete(Path.Combine(many, "leaked.bmp"));
        Assert.AreEqual(75, task.Run(Options with { Folder = split }).SelfTraining!.Images);
    }

    [TestMethod]
    public void Run_FewOrNoneOfThem_SaysHowManyAreNeeded()
    {
        string some = Directory.CreateDirectory(task.File("some")).FullName;
        foreach (string file in Directory.GetFiles(many).Take(9))
            File.Copy(file, Path.Combine(some, Path.GetFileName(file)));
        StringAssert.Contains(Refused(Options with { Unlabelled = some }), "has 9 usable items");
        Assert.IsFalse(Directory.Exists(task.File("out")), "said before anything was done");
        StringAssert.Contains(Refused(Options with { Unlabelled = task.File("nowhere") }), "does not exist");
        File.Copy(Directory.GetFiles(some)[0], Path.Combine(some, "again.bmp"));
        StringAssert.Contains(Refused(Options with { Unlabelled = some }), "has 9 usable items");
    }

    private string Refused(TrainOptions options) =>
        Assert.ThrowsExactly<TransferException>(() => task.Run(options)).Message;
}
