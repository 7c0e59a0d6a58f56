using System.Text.Json;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Jobs;

/// <summary>Some of the sample images of six classes; fruit and insects are only described.</summary>
[TestClass]
public sealed class ZeroShotJobTests : IDisposable
{
    private const string Kinds = """
        kind,alive,flies,eaten,made,grows,sounds
        bird,yes,yes,no,no,no,0.7
        drink,no,no,yes,yes,no,0
        flower,yes,no,no,no,yes,0
        fruit,0.5,no,yes,no,yes,0
        house,no,no,no,yes,no,0
        insect,yes,yes,no,no,no,0.3
        instrument,no,no,no,yes,no,1
        vehicle,no,0.2,no,yes,no,0.6
        """;

    private readonly TempFolder folder = new();
    private readonly string images;

    public ZeroShotJobTests()
    {
        images = folder.File("images");
        foreach (string kind in (string[])["bird", "drink", "flower", "house", "instrument", "vehicle"])
        foreach (string file in Of(kind).Take(8))
            folder.Write($"images/{kind}/{Path.GetFileName(file)}", File.ReadAllBytes(file));
        File.WriteAllText(folder.File("kinds.csv"), Kinds);
    }

    public void Dispose() => folder.Dispose();

    private ZeroShotOptions Options =>
        new()
        {
            Folder = images,
            Attributes = folder.File("kinds.csv"),
            Output = folder.File("out"),
        };

    [TestMethod]
    public void Run_TwoClassesOnlyDescribed_WritesAModelOfAll()
    {
        ZeroShotSummary summary = new ZeroShotJob(Options).Run();
        CollectionAssert.AreEqual(new[] { "fruit", "insect" }, summary.Described.ToArray());
        Assert.HasCount(8, summary.Classes);
        Assert.AreEqual(48, summary.Images);
        Assert.AreEqual(48, summary.Judgement.WithoutImages);
        Assert.IsTrue(summary.Parity.Agrees);
        TransferModel model = TransferModel.Load(summary.Model);
        CollectionAssert.AreEqual(summary.Classes.ToArray(), model.ClassNames.ToArray());
        var said = new PredictJob(
            new PredictOptions { Model = summary.Model, Images = [.. Of("fruit").Concat(Of("insect"))] }
        ).Run();
        Assert.IsTrue(said.Predictions.Any(p => p.Label == "fruit") && said.Predictions.Any(p => p.Label == "insect"));
        using var report = JsonDocument.Parse(File.ReadAllText(folder.File("out/report.json")));
        Assert.AreEqual(
            summary.Judgement.HarmonicMean,
            report.RootElement.GetProperty("judgement").GetProperty("harmonicMean").GetDouble(),
            1e-12
        );

        byte[] written = File.ReadAllBytes(summary.Model);
        new ZeroShotJob(Options with { Workers = 1 }).Run();
        CollectionAssert.AreEqual(written, File.ReadAllBytes(summary.Model), "the same for any number of threads");
        File.WriteAllText(folder.File("kinds.csv"), Kinds.Replace("0.3", "0.4", StringComparison.Ordinal));
        Assert.AreNotEqual(summary.TrainingDigest, new ZeroShotJob(Options).Run().TrainingDigest);
    }

    [TestMethod]
    public void Run_WhatDoesNotFit_IsNamedBeforeAnythingIsDone()
    {
        File.WriteAllText(folder.File("kinds.csv"), Kinds.Replace("house,", "home,", StringComparison.Ordinal));
        StringAssert.Contains(Refused(), "does not describe 'house', which has images");
        string[] some =
        [
            .. Kinds.ReplaceLineEndings("\n").Split('\n').Where(l => !l.StartsWith("fruit") && !l.StartsWith("insect")),
        ];
        File.WriteAllText(
            folder.File("kinds.csv"),
            string.Join('\n', some).Replace(",grows", "", StringComparison.Ordinal)
        );
        StringAssert.Contains(Refused(), "expected 6");
        File.WriteAllText(folder.File("kinds.csv"), string.Join('\n', some));
        StringAssert.Contains(Refused(), "Every class");
        Assert.IsFalse(Directory.Exists(folder.File("out")));
        File.WriteAllText(folder.File("kinds.csv"), Kinds);
        folder.Write("out/report.html", [1]);
        StringAssert.Contains(Refused(), "holds a training");
    }

    private static IEnumerable<string> Of(string kind) =>
        Directory.GetFiles(Repository.At($"data-samples/clipart/{kind}")).Order(StringComparer.Ordinal);

    private string Refused() => Assert.ThrowsExactly<TransferException>(() => new ZeroShotJob(Options).Run()).Message;
}
