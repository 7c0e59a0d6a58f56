using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Selective;
using MlNetTransfer.Tests.Heads;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>What a run promises stands in its report and its model file, and scoring keeps to it.</summary>
[TestClass]
public sealed class ReliabilityJobTests
{
    private static readonly ReliabilityOptions Modest = new() { Coverage = 0.8, TargetAccuracy = 0.6 };

    [TestMethod]
    public void Run_WithoutTheScoreOfUnknownImages_KeepsNothingOfThem()
    {
        using TuneTask task = new();
        TrainSummary summary = task.Run(
            task.Options("out", TrainingStrategy.Head) with
            {
                TestFraction = 0.4,
                Reliability = Modest with { ScoresUnknown = false },
            }
        );
        Assert.IsNull(summary.Reliability!.Unknown);
        StringAssert.Contains(summary.Reliability.Lines()[^1], "Does not say");
        Assert.IsNotNull(summary.Reliability.Sets);
        CollectionAssert.AreEqual(
            new[] { TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput },
            OnnxModel.Load(task.File("out/model.onnx")).Outputs.Select(output => output.Name).ToArray()
        );
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(4)]
    public void Run_AHead_PromisesAndPredictObeys(int? folds)
    {
        using TuneTask task = new();
        TrainSummary summary = task.Run(
            task.Options("out", TrainingStrategy.Head) with
            {
                Folds = folds,
                TestFraction = folds is null ? 0.4 : null,
                Reliability = Modest,
            }
        );
        Reliability promised = summary.Reliability!;
        Assert.AreEqual(folds is null ? ReliabilityEvidence.HeldOut : ReliabilityEvidence.Folds, promised.Evidence);
        Assert.AreEqual(summary.TestImages, promised.Images);
        Assert.AreEqual(0.8, promised.Sets!.Coverage);
        Assert.AreEqual(0.6, promised.Abstention!.TargetAccuracy);
        using TransferModel model = TransferModel.Load(task.File("out/model.onnx"));
        CollectionAssert.AreEqual(promised.Lines().ToArray(), model.Metadata.Reliability!.Lines().ToArray());
        StringAssert.Contains(model.Metadata.ModelCard, "## Reliability");

        PredictionSummary found = new PredictJob(
            new PredictOptions { Model = task.File("out/model.onnx"), Images = [task.Images] }
        ).Run();
        foreach (Prediction p in found.Predictions)
        {
            Assert.AreEqual(promised.Abstention.Abstains(p.Probability), p.Abstained);
            CollectionAssert.AreEqual(
                promised.Sets.Of(p.Probabilities.Span, ClassSetKind.Lac).Select(c => model.ClassNames[c]).ToArray(),
                p.Set!.ToArray()
            );
            Assert.AreEqual(p.UnknownScore > 1, p.Unknown);
        }

        // An image that it was trained on is not unlike all training images.
        if (folds is not null)
            Assert.IsTrue(found.Predictions.All(p => p.UnknownScore < 1e-2));
        IReadOnlyList<(string Name, IReadOnlyList<object?> Values)> columns = PredictionRows.Of(found).Columns;
        CollectionAssert.IsSubsetOf(
            new[] { "abstained", "set", "unknown", "unknown_score", "error" },
            columns.Select(column => column.Name).ToArray()
        );
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow(3)]
    public void Run_ATrainedNetwork_ScoresUnknownImagesByItsOwnFeatures(int? folds)
    {
        using TuneTask task = new();
        TrainOptions options = task.Options("out", TrainingStrategy.Full, TuneTask.Thorough);
        TrainSummary summary = task.Run(options with { Folds = folds, TestFraction = folds is null ? 0.4 : null });
        Assert.IsTrue(summary.Training!.BestEpoch > 0, "a training that changed the network");
        Assert.AreEqual(summary.TestImages, summary.Reliability!.Unknown!.Images);
        Assert.AreEqual(summary.TrainImages, summary.Reliability.Unknown.Compared);
        Assert.IsTrue(summary.Parity.UnknownDifference is null or < 1e-2);
        double[] found =
        [
            .. new PredictJob(new PredictOptions { Model = task.File("out/model.onnx"), Images = [task.Images] })
                .Run()
                .Predictions.Select(p => p.UnknownScore!.Value),
        ];
        // Training images are near themselves; of those held out the threshold keeps all but the farthest.
        Assert.IsGreaterThanOrEqualTo(summary.TrainImages, found.Count(score => score < 1e-2));
        Assert.IsLessThanOrEqualTo(1, found.Count(score => score > 1));
    }

    /// <summary>An estimator's Fit: folds judge, and the model is the one that it is without them.</summary>
    [TestMethod]
    [DataRow("Head")]
    [DataRow("Full")]
    [DataRow("Auto")]
    public void Fit_AllImagesJudgedByFolds_PromisesAndWritesTheSameModel(string strategy)
    {
        using TuneTask task = new();
        Dataset data = DatasetReader.Read(task.Images, new DatasetOptions());
        WrittenModel Fit(string output, bool judged) =>
            new TrainJob(
                task.Options(output, TrainingStrategy.All.Find(strategy)) with
                {
                    TestFraction = null,
                    FitsAll = true,
                    JudgesByFolds = judged,
                    Reliability = Modest,
                },
                new JobServices { Catalog = task.Catalog }
            ).Fit(data, null, default);
        Reliability promised = Fit("judged", judged: true).Metadata.Reliability!,
            silent = Fit("plain", judged: false).Metadata.Reliability!;
        Assert.AreEqual((ReliabilityEvidence.Folds, 36), (promised.Evidence, promised.Images));
        Assert.AreEqual(0.8, promised.Sets!.Coverage);
        Assert.AreEqual(0.6, promised.Abstention!.TargetAccuracy);
        Assert.AreEqual(36, promised.Unknown!.Images);
        Assert.IsNull(silent.Sets);
        Assert.IsNull(silent.Abstention);
        CollectionAssert.AreEqual(Judging("judged"), Judging("plain"));

        byte[] Judging(string output) =>
            OnnxModel
                .Load(task.File($"{output}/model.onnx"))
                .CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput)
                .WithMetadata(ModelMetadata.ReliabilityKey, null)
                .WithMetadata(ModelMetadata.CardKey, null)
                .ToBytes();
    }

    [TestMethod]
    public void Write_AScoreThatIsWrongForNewImagesOnly_IsRefused()
    {
        using TuneTask task = new();
        TrainSummary summary = task.Run(
            task.Options("out", TrainingStrategy.Head) with
            {
                Folds = 3,
                TestFraction = null,
            }
        );
        string path = task.File("out/model.onnx");
        DataItem[] images = [new(Path.Combine(task.Images, "down", "000.bmp"), "one")];
        float[] answer;
        using (TransferModel model = TransferModel.Load(path))
            answer = model.Answer(images, "Scoring", null, default).Values;
        // The file's own score of a training image is 0 whatever its training images are.
        var sample = new ParitySample(images, answer[..3])
        {
            Unknown = answer[3..],
            Score = UnknownScore.Of(Rows.Clusters(12, summary.FeatureWidth, 3)),
        };
        var refused = Assert.ThrowsExactly<TransferException>(() =>
            new ModelWriter().Write(OnnxModel.Load(path), task.File("other.onnx"), sample)
        );
        StringAssert.Contains(refused.Message, "scores of unknown images differ");
        Assert.IsFalse(File.Exists(task.File("other.onnx")));
    }

    [TestMethod]
    public void Predict_AFileOfAnEarlierVersion_SaysNothingBesideProbabilities()
    {
        using TuneTask task = new();
        task.Run(task.Options("out", TrainingStrategy.Head));
        string old = task.File("old.onnx");
        OnnxModel
            .Load(task.File("out/model.onnx"))
            .CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput)
            .WithMetadata(ModelMetadata.ReliabilityKey, null)
            .Save(old);
        PredictionSummary before = new PredictJob(new PredictOptions { Model = old, Images = [task.Images] }).Run(),
            now = new PredictJob(
                new PredictOptions { Model = task.File("out/model.onnx"), Images = [task.Images] }
            ).Run();
        for (int i = 0; i < now.Predictions.Count; i++)
        {
            Prediction p = before.Predictions[i];
            Assert.IsTrue(p is { Abstained: null, Set: null, Unknown: null, UnknownScore: null });
            Assert.AreEqual(now.Predictions[i].Probability, p.Probability, 1e-6, "one graph, cut");
        }

        Assert.DoesNotContain("set", PredictionRows.Of(before).Columns.Select(column => column.Name));
    }

    [TestMethod]
    public void Graph_OfAModelThatScoresUnknownImages_GivesProbabilitiesAlone()
    {
        using TuneTask task = new();
        task.Run(task.Options("out", TrainingStrategy.Head));
        using TransferModel model = TransferModel.Load(task.File("out/model.onnx"));
        Assert.AreEqual(4, model.Answers.OutputWidth);
        Assert.AreEqual(3, model.Graph.OutputWidth);
        var rows = model.Predict([new DataItem(Path.Combine(task.Images, "down", "000.bmp"), "one")]);
        Assert.AreEqual(1, rows.Values.Sum(), 1e-5, "three probabilities");
    }

    [TestMethod]
    public void Run_TwoImagesAClass_PromisesWhatTheyCan()
    {
        using TuneTask task = new(perClass: 2);
        TrainSummary summary = task.Run(
            task.Options("out", TrainingStrategy.Head) with
            {
                TestFraction = null,
                Folds = 2,
            }
        );
        Assert.IsNull(summary.Reliability!.Abstention!.Threshold);
        StringAssert.Contains(summary.Reliability.Lines()[0], "63 images held out");
        Assert.AreEqual(6 / 7.0, summary.Reliability.Unknown!.Kept, 1e-12, "six images: one in seven is above all");
    }

    [TestMethod]
    public void Evaluate_UnseenImages_SaysWhatBecameOfThePromises()
    {
        using TuneTask task = new(perClass: 30);
        task.Run(task.Options("out", TrainingStrategy.Head) with { TestFraction = 0.5, Reliability = Modest });
        ModelEvaluation found = new EvaluateJob(
            new EvaluateOptions { Model = task.File("out/model.onnx"), Folder = task.Images }
        ).Run();
        ReliabilityCheck check = found.ReliabilityCheck!;
        // The images that the model has not seen are those that set the thresholds.
        Assert.AreEqual(45, check.Images);
        Assert.AreEqual(found.Reliability!.Abstention!.Answered, check.Answered ?? 0, 1e-9);
        Assert.IsGreaterThanOrEqualTo(0.8, check.Sets[0].Coverage);
        Assert.IsLessThanOrEqualTo(0.05, check.Unknown!.Value);
        Assert.IsGreaterThan(1, check.Lines(found.Reliability).Count);
    }
}
