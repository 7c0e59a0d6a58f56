using System.Reflection;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Selective;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>
/// A chain of ML.NET says beside its scores what the model file says: fitted, saved and loaded, with and without this
/// library.
/// </summary>
[TestClass]
public sealed class SaidColumnsTests
{
    private static readonly MLContext Context = Images.Context;
    private static readonly string[] Known = ["bird", "fruit", "house", "vehicle"];

    private static readonly ImageClassificationOptions Careful = Images.Quick with
    {
        Reliability = new ReliabilityOptions { Coverage = 0.95, TargetAccuracy = 0.8 },
    };

    private static readonly Lazy<Fitted> Shared = new(() => new Fitted(Careful));

    /// <summary>Four classes to train on; images of all eight, most of which it has not seen, to ask about.</summary>
    private static ImagePathRow[] Train => Images.Few(14, Known);

    private static ImagePathRow[] Asked => Images.Few(17, [.. Known, "drink", "flower", "insect", "instrument"]);

    [ClassCleanup]
    public static void Remove()
    {
        if (Shared.IsValueCreated)
            Shared.Value.Dispose();
    }

    /// <summary>The oracle is the model file, as every other host reads it.</summary>
    [TestMethod]
    public void Transform_FittedModel_SaysWhatItsFileSays()
    {
        Says[] found = SaysOf(Shared.Value.Model.Transform(Images.Rows(Asked)));
        Prediction[] expected = Shared.Value.Predictions;
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.AreEqual(expected[i].Abstained, found[i].Abstained);
            Assert.AreEqual(expected[i].Unknown, found[i].Unknown);
            CollectionAssert.AreEqual(expected[i].Set!.ToArray(), found[i].PredictionSet);
            CollectionAssert.AreEqual(expected[i].Probabilities.ToArray(), found[i].Score);
        }

        // All of it happens, so that equality says something.
        Assert.IsTrue(found.Any(f => f.Abstained) && found.Any(f => !f.Abstained), "some sure, some not");
        Assert.IsTrue(found.Any(f => f.Unknown) && found.Any(f => !f.Unknown), "some known, some not");
        Assert.IsGreaterThan(2, found.Select(f => f.PredictionSet.Length).Distinct().Count(), "sets of several sizes");
        Reliability promised = Shared.Value.Model.LastTransformer.Model.Reliability!;
        Assert.AreEqual(ReliabilityEvidence.Folds, promised.Evidence);
        Assert.AreEqual(Train.Length, promised.Images);
        Assert.AreEqual((0.95, 0.8), (promised.Sets!.Coverage, promised.Abstention!.TargetAccuracy));
        StringAssert.StartsWith(promised.Lines()[0], "Answers ");
    }

    /// <summary>The promise is that of the job's cross-validation: the same folds, the same models, the same file.</summary>
    [TestMethod]
    public void Fit_FolderOfImages_PromisesWhatTheJobPromisesByFiveFolds()
    {
        using var folder = new TempFolder();
        var options = new TrainOptions
        {
            Folder = Images.Folder,
            Output = folder.File("job"),
            Taps = Careful.Taps,
            Head = Careful.Head,
            L2 = Careful.L2,
            Folds = 5,
            Reliability = Careful.Reliability!,
        };
        Reliability expected = new TrainJob(options).Run().Reliability!;
        using TransformerChain<ImageClassificationTransformer> model = Images
            .Pipeline(Careful with { WorkspacePath = folder.File("chain") })
            .Fit(Context.Data.LoadImageFolder(Images.Folder));
        Reliability found = model.LastTransformer.Model.Reliability!;
        Assert.AreEqual(JsonSerializer.Serialize(expected), JsonSerializer.Serialize(found));
        CollectionAssert.AreEqual(
            File.ReadAllBytes(folder.File("job/model.onnx")),
            File.ReadAllBytes(folder.File("chain/model.onnx"))
        );
    }

    [TestMethod]
    public void Predict_OneImageAfterAnother_SaysTheSame()
    {
        ImagePathRow[] some = [.. Asked.Where((_, i) => i % 9 == 0)];
        Says[] whole = SaysOf(Shared.Value.Model.Transform(Images.Rows(some)));
        using PredictionEngine<ImagePathRow, Says> engine = Context.Model.CreatePredictionEngine<ImagePathRow, Says>(
            Shared.Value.Model,
            new PredictionEngineOptions { OwnsTransformer = false }
        );
        for (int i = 0; i < some.Length; i++)
            RequireEqual(whole[i], engine.Predict(some[i]));
    }

    [TestMethod]
    public void Save_LoadedElsewhere_SaysTheSame()
    {
        using var folder = new TempFolder();
        IDataView rows = Images.Rows(Shared.Value.Clear(Asked));
        Context.Model.Save(Shared.Value.Model, rows.Schema, folder.File("model.zip"));
        ITransformer loaded = new MLContext().RegisterMlNetTransfer().Model.Load(folder.File("model.zip"), out _);
        RequireEqual(SaysOf(Shared.Value.Model.Transform(rows)), SaysOf(loaded.Transform(rows)));
        DataViewSchema before = Shared.Value.Model.Transform(rows).Schema,
            after = loaded.Transform(rows).Schema;
        foreach (string column in (string[])["Abstained", "PredictionSet", "Unknown"])
            Assert.AreEqual(before[column].Type, after[column].Type, column);
    }

    [TestMethod]
    public void SaveStock_DecodedImages_SaysTheSame()
    {
        using var folder = new TempFolder();
        ImagePathRow[] rows = Shared.Value.Clear(Asked);
        Context.Model.SaveStock(Shared.Value.Model, folder.File("stock.zip"));
        ReadOnlyMemory<char> how = ImageMappings.SettingsOf(new Preprocessing { Size = 224 }).AsMemory();
        DecodedRow[] decoded =
        [
            .. rows.Select(row => new DecodedRow
            {
                Image = ImageMappings.Resize(new FileLocation(row.ImagePath), "", how),
            }),
        ];
        // Nothing of this library is registered.
        var stock = new MLContext();
        ITransformer loaded = stock.Model.Load(folder.File("stock.zip"), out _);
        RequireEqual(
            SaysOf(Shared.Value.Model.Transform(Images.Rows(rows))),
            SaysOf(loaded.Transform(stock.Data.LoadFromEnumerable(decoded)))
        );
        foreach (DecodedRow row in decoded)
            row.Image!.Dispose();
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void GetOutputSchema_BeforeFit_IsThatOfTheFittedModel(bool scoresUnknown)
    {
        ImageClassificationOptions options = Careful with
        {
            Reliability = Careful.Reliability! with { ScoresUnknown = scoresUnknown },
            AbstainedColumnName = "Set",
            PredictionSetColumnName = "Candidates",
        };
        IDataView rows = Images.Rows(Images.Few(3, "bird", "fruit"));
        EstimatorChain<ImageClassificationTransformer> pipeline = Images.Pipeline(options);
        using TransformerChain<ImageClassificationTransformer> model = pipeline.Fit(rows);
        SchemaShape promised = pipeline.GetOutputSchema(ShapeOf(rows.Schema)),
            found = ShapeOf(model.GetOutputSchema(rows.Schema));
        string[] said = ["Set", "Candidates", .. scoresUnknown ? ["Unknown"] : (string[])[]];
        CollectionAssert.AreEqual(
            said,
            model.GetOutputSchema(rows.Schema).TakeLast(said.Length).Select(c => c.Name).ToArray()
        );
        Assert.AreEqual(found.Count, promised.Count);
        foreach (string name in said)
        {
            SchemaShape.Column a = promised.Single(c => c.Name == name),
                b = found.Single(c => c.Name == name);
            Assert.AreEqual((b.Kind, b.ItemType, b.IsKey), (a.Kind, a.ItemType, a.IsKey), name);
            Assert.AreEqual(b.Annotations.Count, a.Annotations.Count, name);
        }

        using var folder = new TempFolder();
        Context.Model.Save(model, rows.Schema, folder.File("model.zip"));
        DataViewSchema loaded = new MLContext()
            .RegisterMlNetTransfer()
            .Model.Load(folder.File("model.zip"), out _)
            .GetOutputSchema(rows.Schema);
        foreach (string name in said)
            Assert.AreEqual(model.GetOutputSchema(rows.Schema)[name].Type, loaded[name].Type);
    }

    /// <summary>The folds judge; the network and the head that are written are those of a training without them.</summary>
    [TestMethod]
    public void Fit_WithAndWithoutReliability_WritesOneGraphAndTheColumnsThatWereAskedFor()
    {
        using var folder = new TempFolder();
        IDataView rows = Images.Rows(Train);
        using TransformerChain<ImageClassificationTransformer> plain = Images
            .Pipeline(Images.Quick with { WorkspacePath = folder.File("plain") })
            .Fit(rows);
        CollectionAssert.AreEqual(
            new[] { "Score", "PredictedLabel" },
            plain.GetOutputSchema(rows.Schema).TakeLast(2).Select(c => c.Name).ToArray()
        );
        OnnxModel without = OnnxModel.Load(folder.File("plain/model.onnx")),
            with = OnnxModel.Load(Shared.Value.Onnx);
        CollectionAssert.AreEqual(Judging(without), Judging(with));
        ModelMetadata facts = ModelMetadata.FromEntries("", without.Metadata);
        Assert.IsNull(facts.ModelCard);
        Assert.IsNull(facts.Reliability!.Sets);
        Assert.AreEqual(
            facts.TrainingDigest,
            ModelMetadata.FromEntries("", with.Metadata).TrainingDigest,
            "trained on the same, in the same way"
        );
        Assert.AreEqual(
            0,
            Images.LargestDifference(
                Images.Vectors(plain.Transform(rows), "Score"),
                Images.Vectors(Shared.Value.Model.Transform(rows), "Score")
            )
        );

        static byte[] Judging(OnnxModel model) =>
            model
                .CutAt(TransferModel.ProbabilitiesOutput, TransferModel.LabelOutput)
                .WithMetadata(ModelMetadata.ReliabilityKey, null)
                .WithMetadata(ModelMetadata.CardKey, null)
                .ToBytes();
    }

    /// <summary>Four images promise nothing: the model answers none of them, and keeps to that when it is saved.</summary>
    [TestMethod]
    public void Fit_TooFewImagesForAPromise_AbstainsAlways()
    {
        using var folder = new TempFolder();
        IDataView rows = Images.Rows(Images.Few(2, "bird", "fruit"));
        using TransformerChain<ImageClassificationTransformer> model = Images.Pipeline(Careful).Fit(rows);
        Assert.IsNull(model.LastTransformer.Model.Reliability!.Abstention!.Threshold);
        Assert.IsTrue(model.Transform(rows).GetColumn<bool>("Abstained").All(abstained => abstained));
        Context.Model.Save(model, rows.Schema, folder.File("model.zip"));
        ITransformer loaded = new MLContext().RegisterMlNetTransfer().Model.Load(folder.File("model.zip"), out _);
        Assert.IsTrue(loaded.Transform(rows).GetColumn<bool>("Abstained").All(abstained => abstained));
        Assert.IsTrue(
            loaded.Transform(rows).GetColumn<string[]>("PredictionSet").All(set => set.Length == 2),
            "four images held out promise 95 % with all classes alone"
        );
    }

    [TestMethod]
    public void Options_WithoutEffectOrUse_AreRefusedWithTheWayOut()
    {
        string Refused(ImageClassificationOptions options, bool binary = false) =>
            Assert
                .ThrowsExactly<ArgumentException>(() =>
                    binary
                        ? Context.BinaryClassification.Trainers.ImageClassification(options)
                        : Context.MulticlassClassification.Trainers.ImageClassification(options)
                )
                .Message;
        StringAssert.Contains(Refused(Careful, binary: true), "Reliability is for several classes");
        StringAssert.Contains(Refused(new() { AbstainedColumnName = "A" }), "or set Reliability");
        StringAssert.Contains(Refused(new() { PredictionSetColumnName = "A" }), "or set Reliability");
        StringAssert.Contains(
            Refused(
                Careful with
                {
                    UnknownColumnName = "A",
                    Reliability = new() { ScoresUnknown = false },
                }
            ),
            "ScoresUnknown = false"
        );
        StringAssert.Contains(
            Refused(Careful with { ScoreColumnName = "Abstained" }),
            "'Abstained' is the name of 2 of the columns"
        );
        Assert.ThrowsExactly<ArgumentException>(() => Careful with { UnknownColumnName = "mlnet.x" });
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                {
                    IDataView features = Context
                        .Transforms.FeaturizeImages("Features", "ImagePath")
                        .Fit(Images.Rows(Images.Few(2, "bird", "fruit")))
                        .Transform(Images.Rows(Images.Few(2, "bird", "fruit")));
                    Images
                        .Pipeline(
                            new ImageClassificationOptions
                            {
                                FeatureColumnName = "Features",
                                Reliability = new ReliabilityOptions(),
                            }
                        )
                        .Fit(features);
                })
                .Message,
            "Reliability is for images"
        );
    }

    [TestMethod]
    public void Fit_OneImageOfAClass_NamesTheClassTheOptionAndTheFix()
    {
        ImagePathRow[] rows = Images.Few(3, "bird", "fruit");
        // Three times one image: no fold can hold one of them out and train on another.
        rows[4] = rows[5] = rows[3];
        string message = Assert
            .ThrowsExactly<TransferException>(() => Images.Pipeline(Careful).Fit(Images.Rows(rows)))
            .Message;
        StringAssert.Contains(message, "Reliability judges the model by folds");
        StringAssert.Contains(message, "'fruit'");
        StringAssert.Contains(message, "leave Reliability out");
        using TransformerChain<ImageClassificationTransformer> without = Images
            .Pipeline(Images.Quick)
            .Fit(Images.Rows(rows));
        Assert.AreEqual(6, without.LastTransformer.Model.Images);
    }

    private static SchemaShape ShapeOf(DataViewSchema schema) =>
        (SchemaShape)
            typeof(SchemaShape)
                .GetMethod("Create", BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public)!
                .Invoke(null, [schema])!;

    private static Says[] SaysOf(IDataView rows) =>
        [.. Context.Data.CreateEnumerable<Says>(rows, reuseRowObject: false)];

    private static void RequireEqual(Says[] expected, Says[] found)
    {
        Assert.HasCount(expected.Length, found);
        for (int i = 0; i < expected.Length; i++)
            RequireEqual(expected[i], found[i]);
    }

    private static void RequireEqual(Says expected, Says found)
    {
        Assert.AreEqual((expected.Abstained, expected.Unknown), (found.Abstained, found.Unknown));
        CollectionAssert.AreEqual(expected.PredictionSet, found.PredictionSet);
        for (int i = 0; i < expected.Score.Length; i++)
            Assert.AreEqual(expected.Score[i], found.Score[i], StockChain.Tolerance);
    }

    /// <summary>A fitted chain, its model file, and what that says of all images asked about.</summary>
    private sealed class Fitted : IDisposable
    {
        private readonly TempFolder folder = new();

        public Fitted(ImageClassificationOptions options)
        {
            Model = Images.Pipeline(options with { WorkspacePath = folder.Path }).Fit(Images.Rows(Train));
            Predictions =
            [
                .. new PredictJob(new PredictOptions { Model = Onnx, Images = [.. Asked.Select(a => a.ImagePath)] })
                    .Run()
                    .Predictions,
            ];
        }

        public TransformerChain<ImageClassificationTransformer> Model { get; }

        public Prediction[] Predictions { get; }

        public string Onnx => folder.File("model.onnx");

        /// <summary>
        /// The images on which another order of the sums decides nothing: no probability within ten times the tolerance
        /// of saved chains from a threshold.
        /// </summary>
        public ImagePathRow[] Clear(ImagePathRow[] rows)
        {
            Reliability facts = Model.LastTransformer.Model.Reliability!;
            double[] thresholds = [facts.Abstention!.Threshold!.Value, 1 - facts.Sets!.Lac];
            ImagePathRow[] clear =
            [
                .. rows.Where(
                    (_, i) =>
                        Predictions[i].Probabilities.ToArray().All(p => thresholds.All(t => Math.Abs(p - t) > 1e-4))
                        && Math.Abs(Predictions[i].UnknownScore!.Value - 1) > 1e-3
                ),
            ];
            Assert.IsGreaterThan(rows.Length * 3 / 4, clear.Length);
            return clear;
        }

        public void Dispose()
        {
            Model.Dispose();
            folder.Dispose();
        }
    }

    private sealed class Says
    {
        public float[] Score { get; set; } = [];

        public bool Abstained { get; set; }

        public string[] PredictionSet { get; set; } = [];

        public bool Unknown { get; set; }
    }

    private sealed class DecodedRow
    {
        [ImageType(224, 224)]
        public MLImage? Image { get; set; }
    }
}
