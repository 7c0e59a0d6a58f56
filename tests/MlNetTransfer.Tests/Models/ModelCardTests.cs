using MlNetTransfer.Backbones;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Models;

namespace MlNetTransfer.Tests.Models;

[TestClass]
public sealed class ModelCardTests
{
    [TestMethod]
    public void ToMarkdown_SaysWhatACardHasToSay()
    {
        BackboneCard backbone = BackboneCatalog.Shipped.Cards[0];
        var report = ClassificationReport.Of(
            ["a|b", "c"],
            [0, 0, 1, 1],
            [0.9f, 0.1f, 0.2f, 0.8f, 0.3f, 0.7f, 0.1f, 0.9f]
        );
        string card = new ModelCard
        {
            Labels = ["a|b", "c"],
            TrainPerClass = [7, 8],
            TestPerClass = [2, 2],
            Folds = 0,
            Seed = 3,
            Report = report,
            Backbone = backbone,
            Taps = ["tap"],
            Head = "ridge",
            Temperature = 1.5,
            TrainingDigest = "00ff",
        }.ToMarkdown();
        foreach (
            string part in (string[])
                [
                    "15 images to train and 4 held out",
                    "seed 3",
                    "| a\\|b | 7 | 2 | 1.000 | 0.500 |",
                    "Accuracy 75.0 %",
                    "n = 4",
                    "Of 'a|b' only 50.0 % were found",
                    "## Limits",
                    "## Intended use",
                    backbone.License,
                    backbone.Provenance,
                    "00ff",
                ]
        )
            StringAssert.Contains(card, part);
        Assert.IsFalse(card.Contains('\r'));
    }
}
