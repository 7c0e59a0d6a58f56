using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Pipelines;
using MlNetTransfer.Tests.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Pipelines;

/// <summary>A chain and the training job, on the same images with the same seed: the same split, figures and file.</summary>
[TestClass]
public sealed class ChainOfJobTests
{
    private static readonly string Clipart = Repository.At("data-samples/clipart");

    [TestMethod]
    public void Fit_ChainOnImages_IsTheTrainingJob()
    {
        using var folder = new TempFolder();
        TrainSummary job = new TrainJob(new TrainOptions { Folder = Clipart, Output = folder.File("job") }).Run();

        var context = new TransferContext(seed: 1);
        TrainTestData split = context.Data.TrainTestSplit(context.Data.LoadImages(Clipart));
        using ImageClassificationTransformer model = context.MulticlassClassification.Trainers.ImageClassification("Label", "Image").Fit(split.TrainSet);
        ClassificationReport report = context.MulticlassClassification.Evaluate(model.Transform(split.TestSet));
        SavedModel saved = context.Model.Save(model, split.TestSet, folder.File("chain.onnx"), report), plain = context.Model.Save(model, split.TestSet, folder.File("plain.onnx"));

        Assert.AreEqual(job.Accuracy, report.Accuracy);
        Assert.AreEqual(job.LogLoss, report.LogLoss, 1e-9, "The same probabilities, summed in the same order.");
        Assert.AreEqual(job.Head, model.HeadName);
        CollectionAssert.AreEqual(job.TapTrials.ToArray(), model.TapTrials.ToArray());
        CollectionAssert.AreEqual(File.ReadAllBytes(job.Model), File.ReadAllBytes(saved.Path), "model card and all");
        CollectionAssert.AreEqual(ModelBytes.WithoutCard(job.Model), File.ReadAllBytes(plain.Path));
        ClassificationReport other = ClassificationReport.Of(["cat", "dog"], [0, 1], [1, 0, 0, 1]);
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => context.Model.Save(model, split.TestSet, folder.File("other.onnx"), other)).Message, "cat, dog");
    }

    [TestMethod]
    public void Fit_StepsSpeltOut_IsTheTrainingJobToo()
    {
        using var folder = new TempFolder();
        TrainSummary job = new TrainJob(new TrainOptions { Folder = Clipart, Output = folder.File("job"), Taps = ["block_13_expand_relu"], Seed = 7 }).Run();

        var context = new TransferContext(seed: 7);
        TrainTestData split = context.Data.TrainTestSplit(context.Data.LoadImages(Clipart));
        using var model = context.Transforms.ApplyBackbone("Features", "Image", taps: ["block_13_expand_relu"])
            .Append(context.MulticlassClassification.Trainers.ImageClassification())
            .Append(context.Transforms.Conversion.MapKeyToValue("Class", "PredictedLabel"))
            .Fit(split.TrainSet);
        ClassificationReport report = context.MulticlassClassification.Evaluate(model.Transform(split.TestSet));

        Assert.AreEqual(job.Accuracy, report.Accuracy);
        Assert.AreEqual(job.LogLoss, report.LogLoss, 1e-9, "The same probabilities, summed in the same order.");
        SavedModel saved = context.Model.Save(model, split.TrainSet, folder.File("chain.onnx"));
        Assert.IsTrue(saved.Parity.Images == 64 && saved.Parity.LabelFlips == 0);
    }

    [TestMethod]
    public void CrossValidate_Chain_IsTheJobWithFolds()
    {
        using var folder = new TempFolder();
        TrainSummary job = new TrainJob(new TrainOptions { Folder = Clipart, Output = folder.File("job"), Taps = ["block_13_expand_relu"], Folds = 3 }).Run();

        var context = new TransferContext(seed: 1);
        var chain = context.Transforms.ApplyBackbone("Features", "Image", taps: ["block_13_expand_relu"]).Append(context.MulticlassClassification.Trainers.ImageClassification());
        CrossValidationResult found = context.MulticlassClassification.CrossValidate(context.Data.LoadImages(Clipart), chain, numberOfFolds: 3);

        Assert.AreEqual(job.Accuracy, found.Report.Accuracy);
        Assert.AreEqual(job.LogLoss, found.Report.LogLoss, 1e-9, "The same probabilities, summed in the same order.");
        CollectionAssert.AreEqual(job.FoldAccuracies.ToArray(), found.Folds.Select(f => f.Accuracy).ToArray());
    }
}
