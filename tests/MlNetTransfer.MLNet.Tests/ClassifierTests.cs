using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Onnx;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>What comes out of a training.</summary>
[TestClass]
public sealed class ClassifierTests
{
    [TestMethod]
    public void Fit_PixelsOfTheLibrary_GivesTheLibrarysModelFile()
    {
        using var folder = new TempFolder();
        TrainSummary expected = new TrainJob(Trained.Options.ToJob(folder.Path) with { Folder = Repository.At("data-samples/clipart") }).Run();
        Assert.AreEqual(expected.Accuracy, Trained.Classifier.Summary.Accuracy);
        Assert.AreEqual(expected.TestImages, Trained.Classifier.Summary.TestImages);
        CollectionAssert.AreEqual(Comparable(expected.Model), Comparable(Trained.Onnx), "same weights, same metadata");

        // The digest says what was hashed: files there, tensors here.
        static byte[] Comparable(string file) => OnnxModel.Load(file).WithMetadata("mlnet_transfer.training_digest", null).ToBytes();
    }

    [TestMethod]
    public void Transform_SampleImages_GivesTheProbabilitiesOfTheLibrary()
    {
        IDataView scored = Trained.Chain.Transform(Trained.Context.Data.LoadFromEnumerable(ImageFile.All));
        using TransferModel model = TransferModel.Load(Trained.Onnx);
        ImageRows expected = model.Predict(ImageFile.Samples.Items);
        float[] found = [.. scored.GetColumn<float[]>("Score").SelectMany(s => s)];

        // Two sessions with other thread counts may add float32 in another order; equal bits were measured.
        Assert.HasCount(expected.Values.Length, found);
        for (int i = 0; i < found.Length; i++) Assert.AreEqual(expected.Values[i], found[i], 1e-5f);
        uint[] keys = [.. expected.Values.Chunk(8).Select(p => (uint)Array.IndexOf(p, p.Max()) + 1)];
        CollectionAssert.AreEqual(keys, scored.GetColumn<uint>("PredictedLabel").ToArray());
    }

    [TestMethod]
    public void Schema_OfTheOutput_NamesTheClasses()
    {
        DataViewSchema schema = Trained.Chain.Transform(Trained.Context.Data.LoadFromEnumerable(ImageFile.All)).Schema;
        Assert.AreEqual(new VectorDataViewType(NumberDataViewType.Single, 8), schema["Score"].Type);
        Assert.AreEqual(new KeyDataViewType(typeof(uint), 8), schema["PredictedLabel"].Type);
        VBuffer<ReadOnlyMemory<char>> slots = default, keys = default;
        schema["Score"].GetSlotNames(ref slots);
        schema["PredictedLabel"].GetKeyValues(ref keys);
        CollectionAssert.AreEqual(ImageFile.Samples.ClassNames.ToArray(), slots.DenseValues().Select(s => s.ToString()).ToArray());
        CollectionAssert.AreEqual(ImageFile.Samples.ClassNames.ToArray(), keys.DenseValues().Select(s => s.ToString()).ToArray());
        CollectionAssert.AreEqual(new[] { "Path", "Class", "Features", "Score", "PredictedLabel" }, schema.Where(c => !c.IsHidden).Select(c => c.Name).ToArray(), "nothing else becomes visible");
    }

    [TestMethod]
    public void GetOutputSchema_OfTheTrainer_IsThatOfWhatItFits()
    {
        SchemaShape promised = Trained.Pipeline(Trained.Options).GetOutputSchema(ShapeOf(Trained.Context.Data.LoadFromEnumerable(ImageFile.All)));
        SchemaShape kept = ShapeOf(Trained.Chain.Transform(Trained.Context.Data.LoadFromEnumerable(ImageFile.All)));
        foreach (string name in (string[])["Score", "PredictedLabel"])
        {
            SchemaShape.Column p = promised.Single(c => c.Name == name), k = kept.Single(c => c.Name == name);
            Assert.AreEqual((k.Kind, k.ItemType, k.IsKey), (p.Kind, p.ItemType, p.IsKey), name);
            CollectionAssert.AreEquivalent(k.Annotations.Select(a => a.Name).ToArray(), p.Annotations.Select(a => a.Name).ToArray(), name);
        }

        // A copy of a column is the only public way from a schema to its shape.
        SchemaShape ShapeOf(IDataView data) => new Probe().ShapeOf(data);
    }

    [TestMethod]
    public void Evaluate_SampleImages_AgreesWithTheClosedForm()
    {
        IDataView scored = Trained.Chain.Transform(Trained.Context.Data.LoadFromEnumerable(ImageFile.All));
        MulticlassClassificationMetrics metrics = Trained.Context.MulticlassClassification.Evaluate(scored, labelColumnName: "Class");
        using TransferModel model = TransferModel.Load(Trained.Onnx);
        float[][] rows = [.. model.Predict(ImageFile.Samples.Items).Values.Chunk(8)];
        double accuracy = ImageFile.Samples.Items.Zip(rows).Average(p => Array.IndexOf(p.Second, p.Second.Max()) == p.First.Label ? 1.0 : 0);
        double logLoss = ImageFile.Samples.Items.Zip(rows).Average(p => -Math.Log(p.Second[p.First.Label]));
        Assert.AreEqual(accuracy, metrics.MicroAccuracy, 1e-12);
        Assert.AreEqual(logLoss, metrics.LogLoss, 1e-5, "probabilities agree to 1e-6");
    }

    [TestMethod]
    public void CrossValidate_TwoFolds_EvaluatesEach()
    {
        var results = Trained.Context.MulticlassClassification.CrossValidate(
            Trained.Context.Data.Cache(Trained.Prepared(ImageFile.Few(8, "bird", "house"))), Trained.Context.MulticlassClassification.Trainers.TransferImageClassification(Trained.Options), numberOfFolds: 2, labelColumnName: "Class");
        Assert.AreEqual(2, results.Count);
        foreach (var result in results) Assert.IsTrue(result.Metrics.MicroAccuracy is >= 0 and <= 1);
    }

    [TestMethod]
    public void Fit_OneOrTwoWorkers_GivesTheSameBytes()
    {
        using TempFolder one = new(), two = new();
        Fit(one, 1);
        Fit(two, 2);
        CollectionAssert.AreEqual(File.ReadAllBytes(one.File("model.onnx")), File.ReadAllBytes(two.File("model.onnx")));

        static void Fit(TempFolder folder, int workers)
        {
            using var chain = Trained.Pipeline(Trained.Options with { WorkspacePath = folder.Path, Workers = workers, CacheFeatures = false }).Fit(Trained.Context.Data.LoadFromEnumerable(ImageFile.Few(5, "bird", "fruit", "house")));
        }
    }

    [TestMethod]
    public void Fit_NumericLabels_PredictsNumbers()
    {
        var numbers = ImageFile.Few(6, "fruit", "house").Select(f => new Numbered { Path = f.Path, Class = f.Class == "fruit" ? 7 : -2 });
        IDataView rows = Trained.Context.Data.LoadFromEnumerable(numbers);
        using var chain = Trained.Pipeline(Trained.Options).Fit(rows);
        IDataView scored = chain.Transform(rows);
        int[] predicted = [.. Trained.Context.Transforms.Conversion.MapKeyToValue("PredictedLabel").Fit(scored).Transform(scored).GetColumn<int>("PredictedLabel")];
        uint[] keys = [.. scored.GetColumn<uint>("PredictedLabel")];
        CollectionAssert.AreEqual(keys.Select(k => k == 1 ? 7 : -2).ToArray(), predicted);
        Assert.AreEqual(2, keys.Distinct().Count());
    }

    [TestMethod]
    public void Fit_ColumnsNamedLikeTheGraphsTensors_AreKeptApart()
    {
        var options = Trained.Options with { FeatureColumnName = "probabilities", LabelColumnName = "image", ScoreColumnName = "label", PredictedLabelColumnName = "features" };
        IDataView rows = Trained.Context.Data.LoadFromEnumerable(ImageFile.Few(5, "bird", "house"));
        using var chain = Trained.Pipeline(options).Fit(rows);
        IDataView scored = chain.Transform(rows);
        foreach ((float[] score, uint key) in scored.GetColumn<float[]>("label").Zip(scored.GetColumn<uint>("features")))
        {
            Assert.AreEqual(1, score.Sum(), 1e-5, "two probabilities");
            Assert.AreEqual((uint)Array.IndexOf(score, score.Max()) + 1, key);
        }
    }

    private sealed class Numbered
    {
        public string Path { get; set; } = "";

        public int Class { get; set; }
    }

    /// <summary>An estimator is told the shape of the data before it is fitted.</summary>
    private sealed class Probe : IEstimator<ITransformer>
    {
        private SchemaShape? seen;

        public SchemaShape ShapeOf(IDataView data)
        {
            Trained.Context.Transforms.CopyColumns("Copy", data.Schema[0].Name).Append(this).Fit(data);
            return seen!;
        }

        public ITransformer Fit(IDataView input) => Trained.Context.Transforms.CopyColumns("Copy", input.Schema[0].Name).Fit(input);

        public SchemaShape GetOutputSchema(SchemaShape inputSchema) => seen = inputSchema;
    }
}
