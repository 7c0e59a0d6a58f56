using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>What cannot be trained on is said before the work, in words that name the column or row and the fix.</summary>
[TestClass]
public sealed class BadInputTests
{
    private static readonly MLContext Context = Trained.Context;

    [TestMethod]
    public void Fit_NoFeatureColumn_NamesThoseThereAre()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Train(Trained.Options with { FeatureColumnName = "Pixel" }, Vectors(3, 4)));
        StringAssert.Contains(e.Message, "no column 'Pixel'; the data has Features, Class.");
    }

    [TestMethod]
    public void Fit_FeaturesOfAnotherType_AsksForPixels()
    {
        IDataView rows = Context.Data.LoadFromEnumerable(ImageFile.Few(2, "bird", "house"));
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Train(Trained.Options with { FeatureColumnName = "Path" }, rows));
        StringAssert.Contains(e.Message, "Column 'Path' is Scalar of String");
        StringAssert.Contains(e.Message, "LoadTransferPixels");
    }

    [TestMethod]
    public void Fit_FeaturesOfAnotherLength_SaysBothLengths()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Train(Trained.Options, Vectors(3, 4)));
        StringAssert.Contains(e.Message, "Column 'Features' is Vector<Single, 4>; backbone 'mobilenet_v2_140' takes [3, 224, 224]");
    }

    [TestMethod]
    public void Fit_InterleavedPixels_AreRefused()
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(VectorRow));
        schema[nameof(VectorRow.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 224, 224, 3);
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Train(Trained.Options, Context.Data.LoadFromEnumerable<VectorRow>([], schema)));
        StringAssert.Contains(e.Message, "Vector<Single, 224, 224, 3>");
    }

    [TestMethod]
    public void Fit_LabelIsText_AsksForKeys()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Context.MulticlassClassification.Trainers.TransferImageClassification("Class").Fit(Trained.Pixels().Fit(Images).Transform(Images)));
        StringAssert.Contains(e.Message, "Label column 'Class' is String; a key was expected. Append mlContext.Transforms.Conversion.MapValueToKey(\"Class\")");
    }

    [TestMethod]
    public void Fit_TextLabelInAPipeline_FailsBeforeAnyWork()
    {
        var rows = Context.Data.LoadFromEnumerable([new ImageFile { Path = "does-not-exist.png", Class = "a" }]);
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Trained.Pixels().Append(new TransferImageClassificationTrainer(Trained.Options)).Fit(rows));
        StringAssert.Contains(e.Message, "Label column 'Class' is Scalar of String; a key was expected.");
    }

    [TestMethod]
    public void Fit_KeysWithoutValues_AreRefused()
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(KeyRow));
        schema[nameof(KeyRow.Class)].ColumnType = new KeyDataViewType(typeof(uint), 3);
        schema[nameof(KeyRow.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, 224, 224);
        TransferException e = Assert.ThrowsExactly<TransferException>(() => new TransferImageClassificationTrainer(Trained.Options).Fit(Context.Data.LoadFromEnumerable<KeyRow>([], schema)));
        StringAssert.Contains(e.Message, "without key values");
    }

    [TestMethod]
    public void Fit_RowWithoutLabel_NamesTheRow()
    {
        ImageFile[] files = ImageFile.Few(2, "bird", "house");
        IDataView keys = Context.Data.LoadFromEnumerable(ImageFile.Few(1, "bird"));
        IDataView rows = Context.Transforms.Conversion.MapValueToKey("Class", keyData: Context.Transforms.SelectColumns("Class").Fit(keys).Transform(keys)).Fit(keys).Transform(Trained.Pixels().Fit(Images).Transform(Context.Data.LoadFromEnumerable(files)));
        TransferException e = Assert.ThrowsExactly<TransferException>(() => new TransferImageClassificationTrainer(Trained.Options).Fit(rows));
        StringAssert.Contains(e.Message, "Row 2 (counted from 0) has no label");
    }

    [TestMethod]
    public void Fit_TwoClassesWithoutAnImage_NamesTheFirst()
    {
        IDataView keys = Context.Data.LoadFromEnumerable(ImageFile.Few(1, "bird", "drink", "flower", "house").Select(f => new ClassOnly { Class = f.Class }));
        IDataView some = Trained.Pixels().Fit(Images).Transform(Context.Data.LoadFromEnumerable(ImageFile.Few(3, "bird", "house")));
        IDataView rows = Context.Transforms.Conversion.MapValueToKey("Class", keyData: keys).Fit(some).Transform(some);
        TransferException e = Assert.ThrowsExactly<TransferException>(() => new TransferImageClassificationTrainer(Trained.Options).Fit(rows));
        StringAssert.Contains(e.Message, "Class 'drink' in 'column Class' has 0 usable images");
    }

    [TestMethod]
    public void Fit_OneClass_IsRefused()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() => new TransferImageClassificationTrainer(Trained.Options).Fit(Trained.Prepared(ImageFile.Few(3, "bird"))));
        StringAssert.Contains(e.Message, "1 class");
    }

    [TestMethod]
    public void Fit_NotANumberAmongThePixels_NamesTheRow()
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(VectorRow));
        schema[nameof(VectorRow.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, 224, 224);
        float[] good = new float[3 * 224 * 224], bad = new float[good.Length];
        bad[17] = float.NaN;
        IDataView rows = Context.Data.LoadFromEnumerable([new VectorRow { Features = good, Class = "a" }, new VectorRow { Features = bad, Class = "b" }], schema);
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Train(Trained.Options with { CacheFeatures = false }, rows));
        StringAssert.Contains(e.Message, "Image 1 (counted from 0) cannot be used");
    }

    [TestMethod]
    public void Fit_ImageThatIsNone_NamesTheFile()
    {
        using var folder = new TempFolder();
        string path = folder.Write("broken.png", [1, 2, 3]);
        var rows = Context.Data.LoadFromEnumerable([.. ImageFile.Few(2, "bird", "house"), new ImageFile { Path = path, Class = "bird" }]);
        TransferException e = Assert.ThrowsExactly<TransferException>(() => Trained.Pipeline(Trained.Options).Fit(rows));
        StringAssert.Contains(e.Message, $"The image '{path}' in column 'Path' cannot be used");
    }

    [TestMethod]
    public void Fit_CancelledOnTheWay_EndsAndLeavesNothing()
    {
        using var folder = new TempFolder();
        using var source = new CancellationTokenSource();
        var options = Trained.Options with { WorkspacePath = folder.File("work"), Cancellation = source.Token, Progress = new Cancelling(source) };
        Assert.Throws<OperationCanceledException>(() => new TransferImageClassificationTrainer(options).Fit(Trained.Prepared(ImageFile.Few(6, "bird", "house"))));
        Assert.IsFalse(Directory.Exists(folder.File("work")), "no file was made");
    }

    [TestMethod]
    public void Fit_UnknownBackbone_SuggestsTheNearest()
    {
        TransferException e = Assert.ThrowsExactly<TransferException>(() => new TransferImageClassificationTrainer(Trained.Options with { Backbone = "mobilenet_v3" }).Fit(Vectors(3, 4)));
        StringAssert.Contains(e.Message, "Did you mean 'mobilenet_v2'?");
    }

    private static IDataView Images => Context.Data.LoadFromEnumerable(ImageFile.Few(2, "bird", "house"));

    private static void Train(TransferImageClassificationOptions options, IDataView rows) =>
        Context.Transforms.Conversion.MapValueToKey("Class").Append(new TransferImageClassificationTrainer(options)).Fit(rows);

    private static IDataView Vectors(int rows, int length)
    {
        SchemaDefinition schema = SchemaDefinition.Create(typeof(VectorRow));
        schema[nameof(VectorRow.Features)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, length);
        return Context.Data.LoadFromEnumerable(Enumerable.Range(0, rows).Select(i => new VectorRow { Features = new float[length], Class = $"c{i}" }), schema);
    }

    private sealed class VectorRow
    {
        public float[] Features { get; set; } = [];

        public string Class { get; set; } = "";
    }

    private sealed class KeyRow
    {
        public float[] Features { get; set; } = [];

        public uint Class { get; set; }
    }

    private sealed class ClassOnly
    {
        public string Class { get; set; } = "";
    }

    private sealed class Cancelling(CancellationTokenSource source) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => source.Cancel();
    }
}
