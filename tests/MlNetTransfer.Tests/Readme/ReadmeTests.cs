using System.Text.RegularExpressions;
using Microsoft.ML;
using MlNetTransfer.Advice;
using MlNetTransfer.Cluster;
using MlNetTransfer.Jobs;
using MlNetTransfer.Runs;
using MlNetTransfer.Scoring;
using MlNetTransfer.Selective;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Readme;

/// <summary>
/// The README's code is compiled here and run, or is the guide's, which a test of the packages runs; what the guides
/// say of options is all there is.
/// </summary>
[TestClass]
[DoNotParallelize]
public sealed class ReadmeTests
{
    [TestMethod]
    public void Programs_OfTheReadme_AreRun()
    {
        IReadOnlyList<string> shown = DocumentedCode.Blocks("README.md", "csharp");
        Assert.HasCount(2, shown);
        string guide = DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/first-model.md", "csharp")[0]);
        foreach (string line in DocumentedCode.Normal(shown[0]).Split('\n'))
            StringAssert.Contains(guide, line);
        string here = DocumentedCode.Normal(
            DocumentedCode
                .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// README begins", "// README ends")
                .Single()
        );
        Assert.AreEqual(
            here,
            string.Join(
                '\n',
                DocumentedCode
                    .Normal(shown[1])
                    .Split('\n')
                    .Where(line => !line.StartsWith("using MlNetTransfer.", StringComparison.Ordinal))
            )
        );
    }

    [TestMethod]
    public void Jobs_OfTheReadme_Run()
    {
        using var folder = new TempFolder();
        string printed = DocumentedProgram.Printed(folder, Jobs);
        StringAssert.Contains(printed, " of 157 images, 95 % interval ");
        StringAssert.Contains(printed, "banana.png: fruit");
    }

    [TestMethod]
    public void FromMlNet_TableOfOptions_NamesEveryOption()
    {
        string guide = File.ReadAllText(Repository.At("docs/guide/from-ml-net.md"));
        foreach (System.Reflection.PropertyInfo option in typeof(ImageClassificationOptions).GetProperties())
            StringAssert.Contains(guide, $"`{option.Name}`");
    }

    [TestMethod]
    public void Advice_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/advice.md", "csharp").Single()),
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// advice begins", "// advice ends")
                    .Single()
            )
        );
        using var folder = new TempFolder();
        StringAssert.StartsWith(DocumentedProgram.Printed(folder, Advice), "--backbone resnet18: 8");
    }

    [TestMethod]
    public void FineTuning_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/fine-tuning.md", "csharp").Single()),
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// rates begin", "// rates end")
                    .Single()
            )
        );
        using var folder = new TempFolder();
        StringAssert.Contains(DocumentedProgram.Printed(folder, Rates), " steps");
    }

    [TestMethod]
    public void OtherDomains_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/other-domains.md", "csharp").Single()),
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// adapting begins", "// adapting ends")
                    .Single()
            )
        );
        using var folder = new TempFolder();
        StringAssert.StartsWith(DocumentedProgram.Printed(folder, Adapting), "none: 0 of 157 get another class");
    }

    [TestMethod]
    public void FewLabels_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/few-labels.md", "csharp").Single()),
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts(
                        "tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs",
                        "// unlabelled begins",
                        "// unlabelled ends"
                    )
                    .Single()
            )
        );
        using var folder = new TempFolder();
        StringAssert.Matches(
            DocumentedProgram.Printed(folder, Unlabelled),
            new Regex(
                @"117 items without labels .*: labelled ones held out have a log-loss of \d\.\d+ with them and \d\.\d+ "
            )
        );
    }

    [TestMethod]
    public void ZeroShot_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/zero-shot.md", "csharp").Single()),
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// kinds begin", "// kinds end")
                    .Single()
            )
        );
        using var folder = new TempFolder();
        StringAssert.Matches(
            DocumentedProgram.Printed(folder, Kinds),
            new Regex(@"^balloon: such classes are found in \d+.?% of their images")
        );
    }

    [TestMethod]
    public void Scoring_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            string.Join('\n', DocumentedCode.Blocks("docs/guide/scoring.md", "csharp").Select(DocumentedCode.Normal)),
            string.Join(
                '\n',
                DocumentedCode
                    .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// scoring begins", "// scoring ends")
                    .Select(DocumentedCode.Normal)
            )
        );
        using var folder = new TempFolder();
        StringAssert.StartsWith(DocumentedProgram.Printed(folder, Scoring), "157 rows, 0 of them with an error.");
        using var other = new TempFolder();
        StringAssert.StartsWith(DocumentedProgram.Printed(other, ChainScoring), "157 rows, 0 of them with an error.");
    }

    [TestMethod]
    public void Jobs_OfTheGuide_Run()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/jobs.md", "csharp").Single()),
            DocumentedCode.Normal(
                "using MlNetTransfer.Runs;\n\n"
                    + DocumentedCode
                        .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// jobs begins", "// jobs ends")
                        .Single()
            )
        );
        using var folder = new TempFolder();
        string images = Repository.At("data-samples/clipart");
        string job = $"version: 1\ntrain:\n  folder: {images}\ngates:\n  noLeak: true\n";
        File.WriteAllText(folder.File("job.yaml"), job);
        StringAssert.StartsWith(DocumentedProgram.Printed(folder, JobOfTheGuide), "noLeak holds: no image is in");
    }

    private static void JobOfTheGuide()
    {
        // jobs begins
        var options = new RunOptions { Job = "job.yaml", Output = "runs/first" };
        RunSummary run = new RunJob(options).Run();
        foreach (GateResult gate in run.Gates)
            Console.WriteLine($"{gate.Gate} {(gate.Holds ? "holds" : "fails")}: {gate.Found}");
        // jobs ends
    }

    private static void Scoring()
    {
        // scoring begins
        string model = new TrainJob(new TrainOptions { Folder = "data-samples/clipart", Output = "out/clipart" })
            .Run()
            .Model;
        ScoreSummary summary = new ScoreJob(
            new ScoreOptions
            {
                Model = model,
                Input = "data-samples/clipart",
                Output = "out/predictions.parquet",
            }
        ).Run();
        Console.WriteLine($"{summary.Rows} rows, {summary.Rejected} of them with an error.");
        // scoring ends
    }

    private static void ChainScoring()
    {
        // scoring begins
        var mlContext = new MLContext(seed: 1);
        IDataView data = mlContext.Data.LoadImageFolder("data-samples/clipart");
        ITransformer chain = mlContext
            .Transforms.Conversion.MapValueToKey("Label")
            .Append(mlContext.Transforms.FeaturizeImages("Features", "ImagePath"))
            .Append(mlContext.MulticlassClassification.Trainers.LbfgsMaximumEntropy())
            .Append(mlContext.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Fit(data);
        ScoreSummary summary = mlContext.Data.Score(chain, data, "rows.csv");
        Console.WriteLine($"{summary.Rows} rows, {summary.Rejected} of them with an error.");
        // scoring ends
    }

    [TestMethod]
    public void Cluster_OfTheGuide_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/scale.md", "csharp").Single()),
            DocumentedCode.Normal(
                DocumentedCode
                    .Parts("tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs", "// cluster begins", "// cluster ends")
                    .Single()
            )
        );
        using var folder = new TempFolder();
        StringAssert.StartsWith(
            DocumentedProgram.Printed(folder, () => ScoreInShards().GetAwaiter().GetResult()),
            "Done: 157 rows, 0 of them with an error."
        );
    }

    private static async Task ScoreInShards()
    {
        // cluster begins
        ClusterStore store = ClusterStore.Parse("sqlite:out/cluster.db");
        string model = new TrainJob(new TrainOptions { Folder = "data-samples/clipart", Output = "out/clipart" })
            .Run()
            .Model;
        await using ClusterClient client = await ClusterClient.Open(store);
        string id = await client.Submit(
            new ScoreSubmission
            {
                Score = new ScoreOptions
                {
                    Model = model,
                    Input = "data-samples/clipart",
                    Output = "out/predictions.csv",
                },
                Shards = 2,
            }
        );
        using var ends = new CancellationTokenSource();
        Task worker = new ClusterWorker(new ClusterWorkerOptions { Store = store }).Run(null, ends.Token);
        ClusterJob job;
        do
        {
            await Task.Delay(500);
            job = await client.Get(id);
        } while (job.State is ClusterState.Waiting or ClusterState.Running);
        await ends.CancelAsync();
        await worker;
        Console.WriteLine($"{job.State}: {job.Rows} rows, {job.Rejected} of them with an error.");
        // cluster ends
    }

    [TestMethod]
    public void Reliability_OfTheGuideForMlNet_Runs()
    {
        Assert.AreEqual(
            DocumentedCode.Normal(DocumentedCode.Blocks("docs/guide/from-ml-net.md", "csharp")[^1]),
            DocumentedCode.Normal(
                string.Join(
                    '\n',
                    DocumentedCode.Parts(
                        "tests/MlNetTransfer.Tests/Readme/ReadmeTests.cs",
                        "// answers begin",
                        "// answers end"
                    )
                )
            )
        );
        using var folder = new TempFolder();
        string[] lines = DocumentedProgram
            .Printed(folder, Answers)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.HasCount(31, lines);
        string[] classes =
            [.. Directory.GetDirectories(Repository.At("data-samples/clipart")).Select(Path.GetFileName)!],
            answered = [.. lines.Intersect(classes)],
            unsure = [.. lines.Where(line => line.StartsWith("not sure: ", StringComparison.Ordinal))];
        Assert.IsNotEmpty(answered, string.Join('\n', lines));
        Assert.IsNotEmpty(unsure, string.Join('\n', lines));
    }

    private static void Answers()
    {
        // answers begin
        var ml = new MLContext(seed: 1);
        var split = ml.Data.StratifiedSplit(ml.Data.LoadImageFolder("data-samples/clipart"));
        var options = new ImageClassificationOptions { Reliability = new ReliabilityOptions { TargetAccuracy = 0.8 } };
        var model = ml
            .Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.MulticlassClassification.Trainers.ImageClassification(options))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"))
            .Fit(split.TrainSet);
        IDataView scored = model.Transform(split.TestSet);
        foreach (Answer a in ml.Data.CreateEnumerable<Answer>(scored, reuseRowObject: false))
            Console.WriteLine(
                a.Unknown ? "unlike any training image"
                : a.Abstained ? $"not sure: {string.Join(" or ", a.PredictionSet)}"
                : a.PredictedLabel
            );
        // answers end
    }

    // answers begin
    internal sealed class Answer
    {
        public string PredictedLabel { get; set; } = "";

        public bool Abstained { get; set; }

        public string[] PredictionSet { get; set; } = [];

        public bool Unknown { get; set; }
    }

    // answers end

    private static void Rates()
    {
        // rates begin
        var train = new TrainOptions
        {
            Folder = "data-samples/clipart",
            Output = "out/finetune",
            Strategy = TrainingStrategy.FineTune,
            FineTune = new FineTuneOptions { Freeze = FreezeBoundary.OfFraction(0.8) },
        };
        LearningRateSummary rates = new LearningRateJob(new LearningRateOptions { Train = train, Steps = 20 }).Run();
        Console.WriteLine($"lowest at {rates.Lowest:g2}, {rates.Points.Count} steps");
        // rates end
    }

    private static void Adapting()
    {
        // adapting begins
        // The sample images for both: nothing speaks for adapting.
        var adapt = new AdaptOptions
        {
            Source = "data-samples/clipart",
            Target = "data-samples/clipart",
            Output = "out/adapted",
        };
        AdaptSummary adapted = new AdaptJob(adapt).Run();
        Console.WriteLine($"{adapted.Taken.Method.Label}: {adapted.Changed} of {adapted.Target} get another class");
        // adapting ends
    }

    private static void Unlabelled()
    {
        // unlabelled begins
        // Five images of each class with their labels; the others as if they had none.
        foreach (string kind in Directory.GetDirectories("data-samples/clipart"))
        foreach ((int i, string file) in Directory.GetFiles(kind).Order(StringComparer.Ordinal).Index())
        {
            string folder = i < 5 ? Path.Combine("few", Path.GetFileName(kind)) : "many";
            Directory.CreateDirectory(folder);
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        }

        var fewLabels = new TrainOptions
        {
            Folder = "few",
            Unlabelled = "many",
            Output = "out/few-labels",
        };
        SelfTrainingSummary others = new TrainJob(fewLabels).Run().SelfTraining!;
        Console.WriteLine(others.Verdict);
        // unlabelled ends
    }

    private static void Kinds()
    {
        // kinds begin
        // What eight kinds of drawings are like, and a ninth of which there is none.
        File.WriteAllText(
            "kinds.csv",
            """
            kind,alive,flies,eaten,made,sounds
            bird,yes,yes,no,no,0.7
            drink,no,no,yes,yes,0
            flower,yes,no,no,no,0
            fruit,0.5,no,yes,no,0
            house,no,no,no,yes,0
            insect,yes,yes,no,no,0.3
            instrument,no,no,no,yes,1
            vehicle,no,0.2,no,yes,0.6
            balloon,no,yes,no,yes,0
            """
        );
        var kinds = new ZeroShotOptions
        {
            Folder = "data-samples/clipart",
            Attributes = "kinds.csv",
            Output = "out/zero-shot",
        };
        ZeroShotSummary known = new ZeroShotJob(kinds).Run();
        Console.WriteLine(
            $"{known.Described[0]}: such classes are found in {known.Judgement.Without:P0} of their images"
        );
        // kinds end
    }

    private static void Advice()
    {
        // advice begins
        var question = new AdviseOptions
        {
            Folder = "data-samples/clipart",
            Backbones = ["resnet18"],
            TimeBudget = TimeSpan.Zero,
        };
        AdvisedStrategy first = new AdviseJob(question).Run().Advice.Strategies[0];
        Console.WriteLine($"{first.Options}: {first.Accuracy:P0}. {first.Reason}");
        // advice ends
    }

    private static void Jobs()
    {
        // README begins
        var options = new TrainOptions { Folder = "data-samples/clipart", Output = "out/readme" };
        TrainSummary trained = new TrainJob(options).Run();
        Console.WriteLine(
            $"{trained.Accuracy:P0} of {trained.TestImages} images, 95 % interval {trained.AccuracyInterval[0]:P0} "
                + $"to {trained.AccuracyInterval[1]:P0}"
        );

        var request = new PredictOptions
        {
            Model = "out/readme/model.onnx",
            Images = ["data-samples/clipart/fruit/banana.png"],
        };
        PredictionSummary found = new PredictJob(request).Run();
        foreach (Prediction p in found.Predictions)
            Console.WriteLine($"{p.File}: {p.Label} ({p.Probability:P0})");
        // README ends
    }
}
