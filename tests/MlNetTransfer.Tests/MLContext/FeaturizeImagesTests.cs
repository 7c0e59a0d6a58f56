using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>Images to features in a chain of ML.NET.</summary>
[TestClass]
public sealed class FeaturizeImagesTests
{
    private static readonly MLContext Context = Images.Context;

    private static readonly ImagePathRow[] Few = Images.Few(3, "bird", "fruit");

    /// <summary>
    /// Oracle: the extractor underneath, and for bytes, streams and MLImages the same files as paths. MLImage holds
    /// premultiplied colours of 8 bits, so that a half-transparent edge is off by one level.
    /// </summary>
    [TestMethod]
    [DataRow("path", 0)]
    [DataRow("bytes", 0)]
    [DataRow("stream", 0)]
    [DataRow("image", 0.02)]
    public void Transform_EveryFormOfImage_GivesTheExtractorsFeatures(string form, double tolerance)
    {
        string[] files = [.. Few.Select(f => f.ImagePath)];
        IDataView rows = form switch
        {
            "path" => Context.Data.LoadFromEnumerable(files.Select(f => new PathRow { Image = f })),
            "bytes" => Context.Data.LoadFromEnumerable(
                files.Select(f => new ImageBytesRow { Image = File.ReadAllBytes(f) })
            ),
            "stream" => Context.Data.LoadFromEnumerable(
                files.Select(f => new StreamRow { Image = new MemoryStream(File.ReadAllBytes(f)) })
            ),
            _ => Context.Data.LoadFromEnumerable(
                files.Select(f => new MLImageRow { Image = MLImage.CreateFromFile(f) })
            ),
        };
        using ImageFeaturizingTransformer model = Context
            .Transforms.FeaturizeImages("Features", "Image", taps: ["map14_2", "map7_3"])
            .Fit(rows);
        Assert.AreEqual(768, model.Width);
        Assert.IsLessThanOrEqualTo(
            tolerance,
            Images.LargestDifference(
                Extracted(files, "map14_2", "map7_3"),
                Images.Vectors(model.Transform(rows), "Features")
            )
        );
    }

    /// <summary>Oracle: the features of each network alone.</summary>
    [TestMethod]
    public void FeaturizeImages_SeveralBackbones_StandSideBySide()
    {
        using var folder = new TempFolder();
        TinyOnnx.Model().Save(folder.File("m.onnx"));
        new UserCatalog().Add(
            new NewBackbone
            {
                Source = folder.File("m.onnx"),
                Id = "tiny-beside",
                Inspection = TinyOnnx.Unit,
            }
        );
        IDataView rows = Images.Rows(Few);
        float[][] Features(string backbone)
        {
            using ImageFeaturizingTransformer model = Context
                .Transforms.FeaturizeImages("Features", "ImagePath", backbone)
                .Fit(rows);
            return Images.Vectors(model.Transform(rows), "Features");
        }

        float[][] first = Features("resnet18"),
            second = Features("tiny-beside"),
            both = Features("resnet18, tiny-beside");
        for (int i = 0; i < both.Length; i++)
            CollectionAssert.AreEqual((float[])[.. first[i], .. second[i]], both[i]);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    Context.Transforms.FeaturizeImages("Features", "ImagePath", "resnet18,resnet18")
                )
                .Message,
            "'resnet18' is given 2 times"
        );
    }

    [TestMethod]
    public void Transform_Slots_AreNamedByTapAndChannel()
    {
        using ImageFeaturizingTransformer model = Context
            .Transforms.FeaturizeImages("Features", "ImagePath")
            .Fit(Images.Rows(Few));
        VBuffer<ReadOnlyMemory<char>> names = default;
        model.Transform(Images.Rows(Few)).Schema["Features"].GetSlotNames(ref names);
        Assert.AreEqual("map7_3.511", names.GetItemOrDefault(511).ToString());
        Assert.AreEqual(512, names.Length);
    }

    /// <summary>Rows come in their order, whatever the number of workers, and other columns cost nothing.</summary>
    [TestMethod]
    public void Transform_ManyRows_KeepsTheirOrder()
    {
        ImagePathRow[] rows = [.. Enumerable.Range(0, 40).Select(i => Few[i % Few.Length])];
        using ImageFeaturizingTransformer model = Context
            .Transforms.FeaturizeImages("Features", "ImagePath", options: new ImageFeaturizingOptions { Workers = 3 })
            .Fit(Images.Rows(rows));
        float[][] expected = Extracted([.. Few.Select(f => f.ImagePath)], "map7_3");
        float[][] found = Images.Vectors(model.Transform(Images.Rows(rows)), "Features");
        for (int i = 0; i < rows.Length; i++)
            CollectionAssert.AreEqual(expected[i % Few.Length], found[i], $"row {i}");
        Assert.AreEqual(40, model.Transform(Images.Rows(rows)).GetRowCount());
        ImagePathRow[] missing = [new() { ImagePath = "/nowhere/1.png", Label = "a" }];
        CollectionAssert.AreEqual(
            new[] { "a" },
            model.Transform(Images.Rows(missing)).GetColumn<string>("Label").ToArray(),
            "no image is opened for a label"
        );
    }

    [TestMethod]
    public void Transform_ShuffledRows_StayTogether()
    {
        ImagePathRow[] rows = Images.Few(8, "bird", "fruit", "house");
        using ImageFeaturizingTransformer model = Context
            .Transforms.FeaturizeImages("Features", "ImagePath")
            .Fit(Images.Rows(rows));
        Dictionary<string, float[]> expected = rows.Select(r => r.ImagePath)
            .Zip(Images.Vectors(model.Transform(Images.Rows(rows)), "Features"))
            .ToDictionary();
        IDataView shuffled = Context.Data.ShuffleRows(model.Transform(Images.Rows(rows)), seed: 3);
        string[] paths = [.. shuffled.GetColumn<string>("ImagePath")];
        CollectionAssert.AreNotEqual(rows.Select(r => r.ImagePath).ToArray(), paths);
        float[][] features = Images.Vectors(shuffled, "Features");
        for (int i = 0; i < paths.Length; i++)
            CollectionAssert.AreEqual(expected[paths[i]], features[i]);
    }

    [TestMethod]
    public void Transform_ImageThatCannotBeUsed_EndsTheWorkOrIsLeftOutAndTold()
    {
        using var folder = new TempFolder();
        ImagePathRow[] rows =
        [
            Few[0],
            new() { ImagePath = folder.Write("broken.png", [1, 2, 3]), Label = "bird" },
            new() { ImagePath = "", Label = "bird" },
            Few[1],
        ];
        using ImageFeaturizingTransformer strict = Context
            .Transforms.FeaturizeImages("Features", "ImagePath")
            .Fit(Images.Rows(rows));
        TransferException e = Assert.ThrowsExactly<TransferException>(() =>
            Images.Vectors(strict.Transform(Images.Rows(rows)), "Features")
        );
        StringAssert.Contains(e.Message, "broken.png");
        StringAssert.Contains(e.Message, "OnRejected");

        var ledger = new List<RejectedItem>();
        using ImageFeaturizingTransformer tolerant = Context
            .Transforms.FeaturizeImages(
                "Features",
                "ImagePath",
                options: new ImageFeaturizingOptions { OnRejected = ledger.Add }
            )
            .Fit(Images.Rows(rows));
        IDataView kept = tolerant.Transform(Images.Rows(rows));
        Assert.HasCount(2, Images.Vectors(kept, "Features"));
        Assert.HasCount(2, ledger);
        StringAssert.Contains(ledger[1].File, "row 2");
        Assert.IsNull(kept.GetRowCount());
        CollectionAssert.AreEqual(
            new[] { "bird", "bird" },
            kept.GetColumn<string>("Label").ToArray(),
            "the same rows without the features"
        );
    }

    [TestMethod]
    public void Fit_WrongColumns_SayWhichAndWhat()
    {
        StringAssert.Contains(
            Fails(() => Context.Transforms.FeaturizeImages("Features", "Path").Fit(Images.Rows(Few))),
            "no column 'Path'; the data has ImagePath, Label"
        );
        StringAssert.Contains(
            Fails(() => Context.Transforms.FeaturizeImages("Label", "ImagePath").Fit(Images.Rows(Few))),
            "has a column 'Label' already"
        );
        IDataView numbers = Context.Data.LoadFromEnumerable([new NumberRow()]);
        StringAssert.Contains(
            Fails(() => Context.Transforms.FeaturizeImages("Features", "Value").Fit(numbers)),
            "Column 'Value' is Single; text (paths of image files)"
        );
        StringAssert.Contains(
            Fails(() => Context.Transforms.FeaturizeImages("Features", "ImagePath", "resnet81")),
            "Did you mean 'resnet18'?"
        );
        Assert.ThrowsExactly<ArgumentException>(() => Context.Transforms.FeaturizeImages("A", "A"));
    }

    [TestMethod]
    public void Transform_SchemaThatChanged_IsRefused()
    {
        using ImageFeaturizingTransformer model = Context
            .Transforms.FeaturizeImages("Features", "Image")
            .Fit(Context.Data.LoadFromEnumerable(Few.Select(f => new PathRow { Image = f.ImagePath })));
        IDataView bytes = Context.Data.LoadFromEnumerable([new ImageBytesRow { Image = [1] }]);
        StringAssert.Contains(Fails(() => model.Transform(bytes)), "held another kind of image at Fit");
    }

    [TestMethod]
    public void Transform_BytesThatAreNoImage_NameTheRow()
    {
        IDataView rows = Context.Data.LoadFromEnumerable([new ImageBytesRow { Image = [7, 7, 7, 7] }]);
        using ImageFeaturizingTransformer model = Context.Transforms.FeaturizeImages("Features", "Image").Fit(rows);
        StringAssert.Contains(Fails(() => Images.Vectors(model.Transform(rows), "Features")), "row 0 (counted from 0)");
    }

    [TestMethod]
    public void Transform_Cancelled_Ends()
    {
        using var source = new CancellationTokenSource();
        IDataView rows = Images.Rows([.. Enumerable.Range(0, 400).Select(i => Few[i % Few.Length])]);
        using ImageFeaturizingTransformer model = Context
            .Transforms.FeaturizeImages(
                "Features",
                "ImagePath",
                options: new ImageFeaturizingOptions { CacheFeatures = false, Cancellation = source.Token }
            )
            .Fit(rows);
        using DataViewRowCursor cursor = model.Transform(rows).GetRowCursor([model.Transform(rows).Schema["Features"]]);
        Assert.IsTrue(cursor.MoveNext());
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() =>
        {
            while (cursor.MoveNext()) { }
        });
    }

    [TestMethod]
    public void Fit_TrainersOfMLNet_TakeTheFeatures()
    {
        IDataView rows = Images.Rows(Images.Few(10, "bird", "fruit", "house"));
        ITransformer Fit(IEstimator<ITransformer> trainer) =>
            Context
                .Transforms.Conversion.MapValueToKey("Label")
                .Append(Context.Transforms.FeaturizeImages("Features", "ImagePath"))
                .AppendCacheCheckpoint(Context)
                .Append(trainer)
                .Fit(rows);
        var trainers = Context.MulticlassClassification.Trainers;
        IEstimator<ITransformer>[] all =
        [
            trainers.LbfgsMaximumEntropy(),
            trainers.SdcaMaximumEntropy(),
            trainers.LightGbm(minimumExampleCountPerLeaf: 2),
            trainers.OneVersusAll(Context.BinaryClassification.Trainers.FastTree(minimumExampleCountPerLeaf: 2)),
        ];
        foreach (IEstimator<ITransformer> trainer in all)
            Assert.IsGreaterThan(
                0.9,
                Context.MulticlassClassification.Evaluate(Fit(trainer).Transform(rows)).MicroAccuracy,
                $"{trainer.GetType().Name}: on the rows it was trained on"
            );
        var clusters = Context
            .Transforms.FeaturizeImages("Raw", "ImagePath")
            .Append(Context.Transforms.NormalizeMinMax("Scaled", "Raw"))
            .Append(Context.Transforms.ProjectToPrincipalComponents("Features", "Scaled", rank: 8))
            .Append(Context.Clustering.Trainers.KMeans(numberOfClusters: 3))
            .Fit(rows);
        Assert.HasCount(30, clusters.Transform(rows).GetColumn<uint>("PredictedLabel").ToArray());
    }

    private static string Fails(Func<object> work) => Assert.ThrowsExactly<TransferException>(work).Message;

    private static float[][] Extracted(string[] files, params string[] taps)
    {
        using var extractor = new FeatureExtractor(new BackboneStore(BackboneCatalog.Shipped).Open("resnet18"), taps);
        ItemRows rows = extractor.Extract([.. files.Select(f => new DataItem(f, f))]);
        return [.. Enumerable.Range(0, files.Length).Select(i => rows.Row(i).ToArray())];
    }

    private sealed class PathRow
    {
        public string Image { get; set; } = "";
    }

    private sealed class StreamRow
    {
        [ImageStreamType]
        public Stream? Image { get; set; }
    }

    private sealed class MLImageRow
    {
        [AnyImageType]
        public MLImage? Image { get; set; }
    }

    private sealed class NumberRow
    {
        public float Value { get; set; }
    }
}
