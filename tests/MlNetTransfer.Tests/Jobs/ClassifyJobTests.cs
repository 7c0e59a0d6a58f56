using MlNetTransfer.Backbones;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Backbones.Tfjs;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Oracle: ONNX Runtime on the model as it was before, and a softmax in double precision.</summary>
[TestClass]
public sealed class ClassifyJobTests
{
    /// <summary>The features of the default network are no scores of classes, whatever form they have.</summary>
    [TestMethod]
    public void Run_NetworkWithoutClasses_IsRefused() =>
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new ClassifyJob(new ClassifyOptions { Backbone = "resnet18", Images = ["none.png"] }).Run()
                )
                .Message,
            "The backbone 'resnet18' is no classifier: its output is features."
        );

    [TestMethod]
    [DataRow("", true)]
    [DataRow("Softmax", true)]
    [DataRow("", false)]
    public void Run_UserModel_GivesItsProbabilitiesUnderItsLabels(string end, bool labelled)
    {
        using TempFolder folder = new();
        TinyOnnx.Model(end: end).Save(folder.File("m.onnx"));
        string[]? labels = labelled ? ["ant", "bee", "cat", "dog", "eel"] : null;
        var users = new UserCatalog(folder.File("home"));
        users.Add(
            new NewBackbone
            {
                Source = folder.File("m.onnx"),
                Id = "mine",
                Inspection = TinyOnnx.Unit,
                Labels = labels,
            }
        );
        string image = folder.Write("images/red.bmp", Bmp.Plain(255, 0, 0));
        folder.Write("images/text.png", "no image"u8.ToArray());

        PredictionSummary summary = new ClassifyJob(
            new ClassifyOptions
            {
                Backbone = "mine",
                Images = [folder.File("images"), image],
                Top = 5,
                CacheFolder = folder.File("cache"),
            },
            new JobServices { Catalog = BackboneCatalog.Shipped.With(users.Read()) }
        ).Run();
        float[] red = [.. Enumerable.Range(0, 3 * 256).Select(i => i < 256 ? 1f : 0f)];
        float[] logits = Ort.Run(TinyOnnx.Model(), ("pixels", red, [1, 3, 16, 16]))["logits"];
        double[] exp = [.. logits.Select(v => Math.Exp(v))];
        string[] names = labels ?? ["class 0", "class 1", "class 2", "class 3", "class 4"];
        Assert.HasCount(2, summary.Predictions);
        Assert.HasCount(1, summary.Rejected);
        foreach (Prediction prediction in summary.Predictions)
        {
            Assert.HasCount(5, prediction.Top);
            foreach (LabelProbability each in prediction.Top)
                Assert.AreEqual(exp[Array.IndexOf(names, each.Label)] / exp.Sum(), each.Probability, 1e-5);
            Assert.AreEqual(names[Array.IndexOf(exp, exp.Max())], prediction.Label);
        }
    }

    [TestMethod]
    public void Run_BackboneThatIsNoClassifier_SaysWhatToDo()
    {
        using TempFolder folder = new();
        TinyOnnx.Model().CutAt("relu3").Save(folder.File("m.onnx"));
        var users = new UserCatalog(folder.File("home"));
        users.Add(
            new NewBackbone
            {
                Source = folder.File("m.onnx"),
                Id = "trunk",
                Inspection = TinyOnnx.Unit,
            }
        );
        using TinyCatalog tiny = new(onnx: true);
        foreach (
            (string id, BackboneCatalog catalog) in new[]
            {
                ("trunk", BackboneCatalog.Shipped.With(users.Read())),
                ("tiny", tiny.Catalog),
            }
        )
        {
            var options = new ClassifyOptions
            {
                Backbone = id,
                Images = ["x.png"],
                CacheFolder = folder.File("cache"),
            };
            TransferException error = Assert.ThrowsExactly<TransferException>(() =>
                new ClassifyJob(options, new JobServices { Catalog = catalog }).Run()
            );
            StringAssert.Contains(error.Message, $"--backbone {id}");
        }
    }
}
