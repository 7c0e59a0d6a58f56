using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;
using TorchLoopSample;
using static TorchSharp.torch;

namespace MlNetTransfer.TorchSharp.Tests;

/// <summary>The code of docs/guide/torchsharp.md.</summary>
[TestClass]
public sealed class GuideTests
{
    private const string Guide = "docs/guide/torchsharp.md";

    private const string Here = "tests/MlNetTransfer.TorchSharp.Tests/GuideTests.cs";

    [TestMethod]
    public void Guide_Code_IsTheCodeBelow() =>
        CollectionAssert.AreEqual(
            DocumentedCode.Parts(Here, "// Guide:", "// End.").Select(DocumentedCode.Normal).ToArray(),
            DocumentedCode.Blocks(Guide, "csharp").Select(DocumentedCode.Normal).ToArray()
        );

    [TestMethod]
    public void Guide_Code_TrainsAndBringsHome()
    {
        InTorch.Require();
        using IDisposable scope = NewDisposeScope();
        string model = Trained.Model,
            weights = Trained.StateDictionary;
        string trained = Trained.At("guide.dat"),
            output = Trained.At("guide.onnx");
        string path = Repository.At("data-samples/clipart/fruit/banana.png");
        using TransferModel before = TransferModel.Load(model);
        Preprocessing preprocessing = before.Metadata.Preprocessing;
        int fruit = before.ClassNames.ToList().IndexOf("fruit");
        Tensor label = tensor([(long)fruit]);

        // Guide: an image.
        using ImagePreprocessor preprocessor = new(preprocessing);
        float[] pixels = new float[preprocessing.TensorLength];
        preprocessor.Process(File.ReadAllBytes(path), pixels);
        Tensor image = tensor(pixels, [1, 3, preprocessing.Size, preprocessing.Size]);
        // End.

        // Guide: a step.
        using ImageClassifier net = new();
        net.load(weights);
        net.eval(); // Batch normalisation keeps the statistics that it was pretrained with.
        using optim.Optimizer optimizer = optim.SGD(net.parameters(), 0.002);
        Tensor loss = nn.functional.nll_loss(net.call(image).log(), label);
        loss.backward();
        optimizer.step();
        net.save(trained);
        // End.

        // Guide: home.
        var home = new ImportOptions
        {
            Model = model,
            Weights = trained,
            Output = output,
        };
        new ImportJob(home).Run();
        // End.

        using TransferModel after = TransferModel.Load(output);
        float was = before.Predict([pixels])[fruit],
            now = after.Predict([pixels])[fruit];
        Assert.AreEqual(Math.Exp(-loss.item<float>()), was, 1e-5, "rounding of float32");
        Assert.IsGreaterThan(was, now, "a step makes the label likelier");
    }

    /// <summary>The sample project: the first epoch is the worst, and what comes home is no longer what went out.</summary>
    [TestMethod]
    public void Sample_Loop_LowersTheLossAndBringsTheModelHome()
    {
        InTorch.Require();
        string photos = Trained.At("images"),
            output = Trained.At("looped.onnx");
        using StringWriter log = new();
        IReadOnlyList<double> losses = TorchLoop.Run(Trained.Model, photos, output, epochs: 2, log);
        Assert.IsLessThan(losses[0], losses[1], log.ToString());
        using TransferModel before = TransferModel.Load(Trained.Model),
            after = TransferModel.Load(output);
        CollectionAssert.AreEqual(before.ClassNames.ToArray(), after.ClassNames.ToArray());
        double change = before
            .Predict(Trained.Images)
            .Zip(after.Predict(Trained.Images), (b, a) => Math.Abs(b - a))
            .Max();
        Assert.IsGreaterThan(1e-3, change);
    }

    [TestMethod]
    public void Guide_Engine_TrainsOnLibtorch()
    {
        InTorch.Require();
        string photos = Trained.Photos,
            folder = Trained.At("engine");

        // Guide: the engine.
        TorchSharpEngine.Register(); // Register("cuda") for a GPU
        var train = new TrainOptions
        {
            Folder = photos,
            Output = folder,
            Strategy = TrainingStrategy.FineTune,
            FineTune = new FineTuneOptions
            {
                Engine = TorchSharpEngine.EngineName,
                Freeze = FreezeBoundary.OfFraction(0.9),
                Epochs = 2,
            },
        };
        TrainSummary summary = new TrainJob(train).Run();
        Console.WriteLine($"{summary.Training!.Engine}: {summary.Accuracy:p1}");
        // End.

        StringAssert.StartsWith(summary.Training.Engine, "torchsharp");
        Assert.IsGreaterThan(0.5, summary.Accuracy, "chance is 1 in 8");
        using TransferModel model = TransferModel.Load(Path.Combine(folder, "model.onnx"));
        Assert.HasCount(8, model.ClassNames);
    }
}
