using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests;

/// <summary>The trainer behind ML.NET's contract.</summary>
[TestClass]
public sealed class ImageClassificationTests
{
    private static readonly MLContext Context = Images.Context;

    /// <summary>The estimator and the job make one model: the same division, the same figures.</summary>
    [TestMethod]
    public void Fit_SplitOfTheSameSeed_HasTheFiguresOfTheJob()
    {
        using var folder = new TempFolder();
        TrainSummary job = new TrainJob(
            new TrainOptions
            {
                Folder = Images.Folder,
                Output = folder.Path,
                TestFraction = 0.2,
                Seed = 3,
            }
        ).Run();
        IDataView images = Context.Data.LoadImageFolder(Images.Folder);
        DataOperationsCatalog.TrainTestData split = Context.Data.StratifiedSplit(images, seed: 3);
        using TransformerChain<ImageClassificationTransformer> model = Images
            .Pipeline(new ImageClassificationOptions { Seed = 3 })
            .Fit(split.TrainSet);
        ImageClassificationMetrics metrics = Context.MulticlassClassification.EvaluateWithIntervals(
            model.Transform(split.TestSet)
        );
        Assert.AreEqual(job.Accuracy, metrics.MicroAccuracy, 1e-12);
        Assert.AreEqual(job.LogLoss, metrics.LogLoss, 1e-5, "the same sums in another order of the rows");
        MulticlassClassificationMetrics stock = Context.MulticlassClassification.Evaluate(
            model.Transform(split.TestSet)
        );
        Assert.AreEqual(stock.MicroAccuracy, metrics.MicroAccuracy, 1e-12);
        Assert.AreEqual(stock.MacroAccuracy, metrics.MacroAccuracy, 1e-12);
        Assert.AreEqual(stock.LogLoss, metrics.LogLoss, 1e-6);
        StringAssert.Contains(metrics.ToString(), "chance 12.5 %");
    }

    [TestMethod]
    public void Fit_SeveralClasses_PredictsLikeTheChainAndItsEngine()
    {
        ImagePathRow[] rows = Images.Few(2, "bird", "fruit", "vehicle");
        ScoredImage[] scored =
        [
            .. Context.Data.CreateEnumerable<ScoredImage>(
                Images.Model.Transform(Images.Rows(rows)),
                reuseRowObject: false
            ),
        ];
        using PredictionEngine<ImagePathRow, ScoredImage> engine = Images.Engine(Images.Model);
        for (int i = 0; i < rows.Length; i++)
        {
            ScoredImage one = engine.Predict(rows[i]);
            CollectionAssert.AreEqual(scored[i].Score, one.Score);
            Assert.AreEqual(scored[i].PredictedLabel, one.PredictedLabel);
            Assert.AreEqual(1, one.Score.Sum(), 1e-5);
        }

        IDataView named = Context
            .Transforms.Conversion.MapKeyToValue("PredictedLabel")
            .Fit(Images.Model.Transform(Images.Rows(rows)))
            .Transform(Images.Model.Transform(Images.Rows(rows)));
        CollectionAssert.AreEqual(
            rows.Select(r => r.Label).ToArray(),
            named.GetColumn<string>("PredictedLabel").ToArray(),
            "images that it was trained on"
        );
        StringAssert.Contains(Images.Model.LastTransformer.Model.ToString(), "trained on 157 images at map7_3");
    }

    [TestMethod]
    public void Fit_TwoClasses_HasScoreProbabilityAndLabel()
    {
        TwoRow[] rows =
        [
            .. Images
                .Few(8, "bird", "fruit")
                .Select(r => new TwoRow { ImagePath = r.ImagePath, Label = r.Label == "fruit" }),
        ];
        IDataView data = Context.Data.LoadFromEnumerable(rows);
        using ImageClassificationTransformer model = Context
            .BinaryClassification.Trainers.ImageClassification(Images.Quick)
            .Fit(data);
        CalibratedBinaryClassificationMetrics metrics = Context.BinaryClassification.Evaluate(model.Transform(data));
        Assert.AreEqual(1, metrics.Accuracy, "on the rows it was trained on");
        float[] odds = [.. model.Transform(data).GetColumn<float>("Score")],
            probabilities = [.. model.Transform(data).GetColumn<float>("Probability")];
        for (int i = 0; i < odds.Length; i++)
            Assert.AreEqual(probabilities[i], 1 / (1 + Math.Exp(-odds[i])), 1e-5, "the logistic function");
        using var file = new TempFolder();
        Context.Model.Save(model, data.Schema, file.File("two.zip"));
        ITransformer loaded = new MLContext().RegisterMlNetTransfer().Model.Load(file.File("two.zip"), out _);
        CollectionAssert.AreEqual(probabilities, loaded.Transform(data).GetColumn<float>("Probability").ToArray());
        CollectionAssert.AreEqual(
            rows.Select(r => r.Label).ToArray(),
            loaded.Transform(data).GetColumn<bool>("PredictedLabel").ToArray()
        );
    }

    [TestMethod]
    public void Fit_OnFeatures_TrainsAHeadThatFeatureImportanceCanPermute()
    {
        IDataView rows = Images.Rows(Images.Few(8, "bird", "fruit", "house"));
        IDataView features = Context
            .Transforms.Conversion.MapValueToKey("Label")
            .Append(Context.Transforms.FeaturizeImages("Raw", "ImagePath"))
            .Append(Context.Transforms.ProjectToPrincipalComponents("Features", "Raw", rank: 4))
            .Fit(rows)
            .Transform(rows);
        using ImageClassificationTransformer model = Context
            .MulticlassClassification.Trainers.ImageClassification(
                new ImageClassificationOptions { FeatureColumnName = "Features", Head = HeadKind.Ridge }
            )
            .Fit(features);
        Assert.IsGreaterThan(0.8, Context.MulticlassClassification.Evaluate(model.Transform(features)).MicroAccuracy);
        Assert.HasCount(
            4,
            Context.MulticlassClassification.PermutationFeatureImportance(model, features, permutationCount: 1)
        );
    }

    [TestMethod]
    public void CrossValidate_StockFolds_JudgesEachRowOnce()
    {
        var folds = Context.MulticlassClassification.CrossValidate(
            Context.Data.LoadImageFolder(Images.Folder),
            Images.Pipeline(Images.Quick),
            3
        );
        Assert.HasCount(3, folds);
        Assert.IsGreaterThan(
            0.6,
            folds.Average(f => f.Metrics.MicroAccuracy),
            "eight classes, 0.82 measured; chance is 0.125"
        );
    }

    [TestMethod]
    public void Fit_FineTuning_TellsOfEpochsAndPredicts()
    {
        var epochs = new List<EpochResult>();
        ImageClassificationOptions options = new()
        {
            Taps = ["map7_3"],
            Head = HeadKind.Ridge,
            Strategy = TrainingStrategy.FineTune,
            Epoch = 1,
            BatchSize = 4,
            MetricsCallback = epochs.Add,
            FineTune = new FineTuneOptions
            {
                Freeze = FreezeBoundary.OfFraction(0.9),
                Draws = 1,
                Refit = false,
            },
        };
        IDataView rows = Images.Rows(Images.Few(6, "bird", "fruit"));
        using TransformerChain<ImageClassificationTransformer> model = Images.Pipeline(options).Fit(rows);
        Assert.Contains(1, epochs.Select(e => e.Epoch));
        Assert.IsGreaterThan(
            0.8,
            Context.MulticlassClassification.Evaluate(model.Transform(rows)).MicroAccuracy,
            "on the rows it was trained on"
        );
    }

    [TestMethod]
    public void Fit_ImagesWithoutLabels_SaysWhatTheyDid()
    {
        using TempFolder folder = new();
        foreach (ImagePathRow row in Images.Few(12, "bird", "fruit").Where((_, i) => i % 12 >= 4))
            folder.Write(Path.GetFileName(row.ImagePath), File.ReadAllBytes(row.ImagePath));
        using TransformerChain<ImageClassificationTransformer> model = Images
            .Pipeline(new ImageClassificationOptions { Taps = ["map7_3"], UnlabelledPath = folder.Path })
            .Fit(Images.Rows(Images.Few(4, "bird", "fruit")));
        SelfTrainingSummary found = model.LastTransformer.Model.SelfTraining!;
        Assert.AreEqual(16, found.Images);
        Assert.HasCount(1 + PseudoLabelMethod.All.Count, found.Trials);
        Assert.AreEqual(8, model.LastTransformer.Model.Images, "rows that were fitted on");
    }

    [TestMethod]
    public void Options_WithoutEffect_AreRefusedWithTheWayOut()
    {
        string Refused(ImageClassificationOptions options) =>
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    Context.MulticlassClassification.Trainers.ImageClassification(options)
                )
                .Message;
        StringAssert.Contains(Refused(new() { Epoch = 3 }), "Epoch is for a training of the network");
        StringAssert.Contains(Refused(new() { LearningRate = 0.1, Head = HeadKind.Ridge }), "set Strategy to FineTune");
        StringAssert.Contains(Refused(new() { L2 = 1, Head = HeadKind.Ridge }), "L2 is for a softmax head");
        StringAssert.Contains(Refused(new() { ProbabilityColumnName = "P" }), "for two classes");
        StringAssert.Contains(
            Refused(new() { UnlabelledPath = "others", Head = HeadKind.Mlp }),
            "UnlabelledPath is for a head on frozen features of images, of kind Auto or Kernel"
        );
        StringAssert.Contains(
            Refused(new() { PseudoLabels = PseudoLabelMethod.Confidence }),
            "PseudoLabels is for images without labels"
        );
        StringAssert.Contains(Refused(new() { LabelColumnName = "Score" }), "'Score' is the name of 2 of the columns");
        Assert.ThrowsExactly<OutOfRangeException>(() => new ImageClassificationOptions { Epoch = 0 });
    }

    /// <summary>An option of the estimator takes what the option takes that it stands for.</summary>
    [TestMethod]
    public void Options_OutOfRange_AreThoseOfTheHeadAndOfTheTraining()
    {
        foreach ((Action ours, Action theirs) in Pairs())
            Assert.AreEqual(Range(theirs), Range(ours));

        static (IFormattable, IFormattable) Range(Action make)
        {
            OutOfRangeException e = Assert.ThrowsExactly<OutOfRangeException>(make);
            return (e.Low, e.High);
        }

        static IEnumerable<(Action, Action)> Pairs()
        {
            Action softmax = () => _ = new SoftmaxTrainerOptions { L2 = 0 };
            yield return (() => _ = new ImageClassificationOptions { L2 = 0 }, softmax);
            yield return (
                () =>
                    _ = new TrainOptions
                    {
                        Folder = "x",
                        Output = "y",
                        L2 = 0,
                    },
                softmax
            );
            yield return (
                () => _ = new ImageClassificationOptions { LearningRate = 11 },
                () => _ = new FineTuneOptions { LearningRate = 11 }
            );
            yield return (
                () => _ = new ImageClassificationOptions { BatchSize = 0 },
                () => _ = new FineTuneOptions { BatchSize = 0 }
            );
            yield return (
                () => _ = new ImageClassificationOptions { ValidationSetFraction = 1 },
                () => _ = new FineTuneOptions { ValidationFraction = 1 }
            );
        }
    }

    [TestMethod]
    public void Fit_WrongRows_SayWhichAndWhat()
    {
        IDataView text = Images.Rows(Images.Few(2, "bird", "fruit"));
        string Fails(Func<object> work) => Assert.ThrowsExactly<TransferException>(work).Message;
        StringAssert.Contains(
            Fails(() => Context.MulticlassClassification.Trainers.ImageClassification().Fit(text)),
            "Label column 'Label' is String; a key was expected"
        );
        StringAssert.Contains(
            Fails(() => Context.BinaryClassification.Trainers.ImageClassification().Fit(text)),
            "bool was expected for two classes"
        );
        ImagePathRow[] broken =
        [
            .. Images.Few(2, "bird", "fruit"),
            new() { ImagePath = "/nowhere/x.png", Label = "bird" },
        ];
        StringAssert.Contains(Fails(() => Images.Pipeline(Images.Quick).Fit(Images.Rows(broken))), "/nowhere/x.png");
        var ledger = new List<RejectedItem>();
        using TransformerChain<ImageClassificationTransformer> model = Images
            .Pipeline(Images.Quick with { OnRejected = ledger.Add })
            .Fit(Images.Rows(broken));
        Assert.HasCount(1, ledger);
        Assert.AreEqual(4, model.LastTransformer.Model.Images);
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() =>
            Images.Pipeline(Images.Quick with { Cancellation = cancelled.Token }).Fit(text)
        );
    }

    private sealed class TwoRow
    {
        public string ImagePath { get; set; } = "";

        public bool Label { get; set; }
    }
}
