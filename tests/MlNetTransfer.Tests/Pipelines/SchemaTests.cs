using MlNetTransfer.Pipelines;

namespace MlNetTransfer.Tests.Pipelines;

/// <summary>What does not fit is found before any row is read, and the message names step, column, found, expected and fix.</summary>
[TestClass]
public sealed class SchemaTests
{
    private static readonly TransferContext Context = new();

    [TestMethod]
    public void Fit_MissingColumn_NamesStepAndColumns()
    {
        var e = FailsUnread(Context.Transforms.LoadImages("Image", "Path").Append(Context.Transforms.ApplyBackbone("Features", "Image")));
        Assert.AreEqual("Step 1 of 2: LoadImages: it reads column 'Path', which is not there; the columns are ImagePath (Text), Label (Text). Give a column of paths (string), encoded images (byte[]) or streams (Func<Stream>).", e.Message);
    }

    [TestMethod]
    public void Fit_ColumnInAnotherCase_ProposesIt() =>
        StringAssert.Contains(FailsUnread(Context.Transforms.LoadImages("Image", "imagepath").Append(Context.Transforms.ApplyBackbone("Features", "Image"))).Message, "Did you mean 'ImagePath'?");

    [TestMethod]
    public void Fit_WrongType_NamesBothTypes() =>
        StringAssert.Contains(FailsUnread(Context.Transforms.LoadImages("Image", "ImagePath").Append(Context.Transforms.ApplyBackbone("Features", "ImagePath"))).Message, "Step 2 of 2: ApplyBackbone: column 'ImagePath' is Text; Image was expected.");

    [TestMethod]
    public void Fit_TwoStepsOneColumn_NamesTheFirst() =>
        StringAssert.Contains(FailsUnread(Context.Transforms.LoadImages("Image", "ImagePath").Append(Context.Transforms.ResizeImages("Image", "Image", 224))).Message, "Step 2 of 2: ResizeImages: it would write column 'Image', which LoadImages makes already.");

    [TestMethod]
    public void Fit_TextLabel_SaysMapValueToKey()
    {
        var chain = Context.Transforms.LoadImages("Image", "ImagePath").Append(Context.MulticlassClassification.Trainers.ImageClassification("Label", "Image"));
        StringAssert.Contains(FailsUnread(chain).Message, "column 'Label' is Text; Key was expected. Append Conversion.MapValueToKey before.");
    }

    [TestMethod]
    public void Fit_PixelsOfUnsizedImages_SaysResize() =>
        StringAssert.Contains(FailsUnread(Context.Transforms.LoadImages("Image", "ImagePath").Append(Context.Transforms.ExtractPixels("Pixels", "Image"))).Message, "images of one size were expected. Append ResizeImages before.");

    [TestMethod]
    public void MapValueToKey_InPlace_ReplacesTheColumnOfTheData()
    {
        IDataView data = Context.Data.LoadFromEnumerable([new PathRow { Label = "b" }, new PathRow { Label = "a" }]);
        using RowTransformer keys = Context.Transforms.Conversion.MapValueToKey("Label").Fit(data);
        IDataView mapped = keys.Transform(data);
        CollectionAssert.AreEqual(new[] { 1, 0 }, mapped.Read(["Label"]).Single().Column<int>("Label").ToArray());
        CollectionAssert.AreEqual(new[] { "a", "b" }, mapped.Schema["Label"].Type.ClassNames!.ToArray());
    }

    [TestMethod]
    public void LoadFromEnumerable_PropertyNoColumnHolds_IsNamed()
    {
        var e = Assert.ThrowsExactly<SchemaException>(() => Context.Data.LoadFromEnumerable(new[] { new { When = DateTime.UnixEpoch } }));
        StringAssert.Contains(e.Message, "Property 'When'");
        StringAssert.Contains(e.Message, "DateTime");
    }

    [TestMethod]
    public void CreateEnumerable_PropertyWithoutColumn_IsNamed()
    {
        IDataView data = Context.Data.LoadFromEnumerable([new PathRow()]);
        StringAssert.Contains(Assert.ThrowsExactly<SchemaException>(() => Context.Data.CreateEnumerable<PredictionRow>(data)).Message, "Property 'PredictedLabel' of PredictionRow has no column 'PredictedLabel'");
    }

    [TestMethod]
    public void Read_UnknownColumn_IsNamed() =>
        StringAssert.Contains(Assert.ThrowsExactly<SchemaException>(() => Context.Data.LoadFromEnumerable([new PathRow()]).Read(["Nothing"]).ToList()).Message, "there is no column 'Nothing'");

    [TestMethod]
    public void Trainer_EpochsOfASolvedHead_IsRefused() =>
        StringAssert.Contains(Assert.ThrowsExactly<ArgumentException>(() => Context.MulticlassClassification.Trainers.ImageClassification(new ImageClassificationOptions { Epoch = 5, LearningRate = 0.1 })).Message, "Epoch, LearningRate cannot be used with Head = Auto");

    [TestMethod]
    public void Trainer_BackboneForFeatures_IsRefused()
    {
        IDataView data = Context.Data.LoadFromEnumerable([new VectorRow { Features = [1, 2, 3], Label = "a" }]);
        var chain = Context.Transforms.Conversion.MapValueToKey("Label").Append(Context.MulticlassClassification.Trainers.ImageClassification(new ImageClassificationOptions { Backbone = "mobilenet_v2" }));
        StringAssert.Contains(Assert.ThrowsExactly<SchemaException>(() => chain.Fit(data)).Message, "Backbone would have no effect");
    }

    [TestMethod]
    public void Estimators_AreNoTransformers() =>
        Assert.IsFalse(typeof(TransferContext).Assembly.GetTypes().Any(t => !t.IsInterface && t.IsAssignableTo(typeof(IEstimator<ITransformer>)) && t.IsAssignableTo(typeof(ITransformer))), "Transform before Fit must not compile.");

    private static SchemaException FailsUnread(IEstimator<ITransformer> chain)
    {
        IDataView data = Context.Data.LoadFromEnumerable(Unread());
        return Assert.ThrowsExactly<SchemaException>(() => chain.Fit(data));

        static IEnumerable<PathRow> Unread()
        {
            Assert.Fail("No row may be read.");
            yield return new PathRow();
        }
    }
}
