using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Backbones;

namespace MlNetTransfer.Tests.Models.Exports;

/// <summary>A model of two networks with one input goes wherever a model of one does.</summary>
[TestClass]
public sealed class SeveralBackbonesExportTests
{
    /// <summary>Two operator sets, all names in common, two scales.</summary>
    [TestMethod]
    public void Export_TwoNetworksOfOneInput_EveryFormatAgreesWithTheModel()
    {
        using SideNetworks task = new SideNetworks().Add("one", 1, opset: 9).Add("two", 2, "imagenet");
        TrainSummary summary = task.Run(task.Options("one,two"));
        Assert.IsGreaterThan(0.9, summary.Accuracy, "stripes of two directions under random convolutions");
        foreach (string format in (string[])["pixels", "tensor", "fp16", "int8", "torchscript"])
        {
            // Each is checked on images against the model before it takes its name.
            new ExportJob(
                new ExportOptions
                {
                    Model = summary.Model,
                    Format = format,
                    Images = [task.Images],
                    Output = task.File($"exported.{format}"),
                    AllowDrift = 0.05,
                    Quantization = new Int8Options { SpeedRounds = 0, AutoFloat = true },
                }
            ).Run();
            Assert.IsTrue(File.Exists(task.File($"exported.{format}")), format);
        }
    }

    /// <summary>The estimator takes several as the job does; its chain is saved as stock transformers.</summary>
    [TestMethod]
    public void Save_EstimatorOfTwoNetworks_ScoresTheSameOnceLoaded()
    {
        using SideNetworks task = new(8);
        try
        {
            task.Add("beside_a", 1, users: new UserCatalog()).Add("beside_b", 2, "imagenet", users: new UserCatalog());
            var context = new MLContext(1);
            IDataView data = context.Data.LoadImageFolder(task.Images);
            TransformerChain<ImageClassificationTransformer> model = Tests
                .Images.Pipeline(
                    new ImageClassificationOptions { Backbone = "beside_a,beside_b", Head = HeadKind.Ridge }
                )
                .Fit(data);
            context.Model.Save(model, data.Schema, task.File("chain.zip"));
            ITransformer loaded = context.Model.Load(task.File("chain.zip"), out _);
            float[][] expected = [.. model.Transform(data).GetColumn<float[]>("Score")],
                found = [.. loaded.Transform(data).GetColumn<float[]>("Score")];
            Assert.HasCount(16, found);
            for (int row = 0; row < found.Length; row++)
            for (int c = 0; c < 2; c++)
                Assert.AreEqual(expected[row][c], found[row][c], 1e-4, "float32 sums in another order");
        }
        finally
        {
            new UserCatalog().Remove("beside_a");
            new UserCatalog().Remove("beside_b");
        }
    }

    /// <summary>
    /// ImageNet's ResNet-18 of operator set 8 beside a small network of set 17 with torchvision's scale.
    /// </summary>
    [TestMethod]
    public void Train_ResNet18AndASmallNetwork_IsOneFileThatAgrees()
    {
        using SideNetworks task = new SideNetworks(6).Add("small", 3, "imagenet", 224, width: 8, opset: 17);
        TrainSummary summary = task.Run(task.Options("resnet18,small"));
        Assert.HasCount(1, OnnxModel.Load(summary.Model).Inputs);
        Assert.IsLessThan(1e-4, summary.Parity.MaxDifference, "float32 sums in another order");
        using TransferModel model = TransferModel.Load(summary.Model);
        Assert.AreEqual("resnet18+small", model.Metadata.Backbone);
        Dataset data = DatasetReader.Read(task.Images);
        ItemRows found = model.Predict(data.Items);
        int right = Enumerable
            .Range(0, data.Items.Count)
            .Count(row => ParityRecord.Likeliest(found.Row(row)) == data.Items[row].Label);
        Assert.IsGreaterThan(0.9 * data.Items.Count, right, "it was trained on them");
    }
}
