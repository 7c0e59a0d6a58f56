using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>What is saved, loaded elsewhere, predicts the same.</summary>
[TestClass]
public sealed class ImageModelTests
{
    private static readonly MLContext Context = Images.Context;

    [TestMethod]
    public void Save_ChainFromPaths_LoadsWhereTheLibraryIsRegistered()
    {
        using var folder = new TempFolder();
        IDataView rows = Images.Rows(Images.Few(3, "bird", "fruit", "house"));
        Context.Model.Save(Images.Model, rows.Schema, folder.File("model.zip"));
        ITransformer loaded = new MLContext()
            .RegisterMlNetTransfer()
            .Model.Load(folder.File("model.zip"), out DataViewSchema schema);
        CollectionAssert.AreEqual(new[] { "ImagePath", "Label" }, schema.Select(c => c.Name).ToArray());
        // The same graph on the same runtime; only the place of the normalisation differs.
        Assert.IsLessThan(
            1e-5,
            Images.LargestDifference(
                Images.Vectors(Images.Model.Transform(rows), "Score"),
                Images.Vectors(loaded.Transform(rows), "Score")
            )
        );
        using PredictionEngine<ImagePathRow, ScoredImage> engine = Images.Engine(loaded);
        Assert.AreEqual(1u, engine.Predict(Images.Few(1, "bird")[0]).PredictedLabel);
    }

    [TestMethod]
    public void Save_FeaturesOfBytesBehindATrainerOfMLNet_LoadsWhole()
    {
        using var folder = new TempFolder();
        IDataView rows = Context.Data.LoadFromEnumerable(
            Images
                .Few(6, "bird", "fruit")
                .Select(r => new ImageBytesRow { Image = File.ReadAllBytes(r.ImagePath), Label = r.Label })
        );
        var model = Context
            .Transforms.Conversion.MapValueToKey("Label")
            .Append(Context.Transforms.FeaturizeImages("Features", "Image"))
            .Append(Context.MulticlassClassification.Trainers.LbfgsMaximumEntropy())
            .Fit(rows);
        Context.Model.Save(model, rows.Schema, folder.File("model.zip"));
        ITransformer loaded = new MLContext().RegisterMlNetTransfer().Model.Load(folder.File("model.zip"), out _);
        Assert.IsLessThan(
            1e-5,
            Images.LargestDifference(
                Images.Vectors(model.Transform(rows), "Score"),
                Images.Vectors(loaded.Transform(rows), "Score")
            )
        );
        VBuffer<ReadOnlyMemory<char>> names = default;
        loaded.Transform(rows).Schema["Features"].GetSlotNames(ref names);
        Assert.AreEqual("map7_3.0", names.GetItemOrDefault(0).ToString());
    }

    [TestMethod]
    public void Save_ChainFittedOnNoImage_IsCheckedOnAnImageOfItsOwn()
    {
        using var folder = new TempFolder();
        IDataView none = Images.Rows();
        using ImageFeaturizingTransformer model = Context.Transforms.FeaturizeImages("Features", "ImagePath").Fit(none);
        Context.Model.Save(model, none.Schema, folder.File("model.zip"));
        IDataView rows = Images.Rows(Images.Few(1, "bird"));
        ITransformer loaded = new MLContext().RegisterMlNetTransfer().Model.Load(folder.File("model.zip"), out _);
        Assert.IsLessThan(
            1e-5,
            Images.LargestDifference(
                Images.Vectors(model.Transform(rows), "Features"),
                Images.Vectors(loaded.Transform(rows), "Features")
            )
        );
    }

    [TestMethod]
    public void Save_ChainOfStreams_SaysWhatToFitOnInstead()
    {
        using var folder = new TempFolder();
        IDataView rows = Context.Data.LoadFromEnumerable(
            Images.Few(1, "bird").Select(r => new StreamRow { Image = File.OpenRead(r.ImagePath) })
        );
        using ImageFeaturizingTransformer model = Context.Transforms.FeaturizeImages("Features", "Image").Fit(rows);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => Context.Model.Save(model, null, folder.File("model.zip")))
                .Message,
            "Fit on paths or encoded bytes"
        );
    }

    [TestMethod]
    public void SaveAsOnnx_Model_IsTheLibrarysOwnFile()
    {
        using var folder = new TempFolder();
        Context.Model.SaveAsOnnx(Images.Model, folder.File("model.onnx"));
        ImagePathRow[] rows = Images.Few(2, "bird", "fruit");
        using TransferModel model = TransferModel.Load(folder.File("model.onnx"));
        MlNetTransfer.Backbones.ItemRows found = model.Predict([
            .. rows.Select(r => new DataItem(r.ImagePath, r.ImagePath)),
        ]);
        float[][] expected = Images.Vectors(Images.Model.Transform(Images.Rows(rows)), "Score");
        for (int i = 0; i < rows.Length; i++)
            CollectionAssert.AreEqual(expected[i], found.Row(i).ToArray());
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    Context.Model.SaveAsOnnx(
                        Context.Transforms.FeaturizeImages("F", "ImagePath").Fit(Images.Rows(rows)),
                        folder.File("x.onnx")
                    )
                )
                .Message,
            "no classifier"
        );
    }

    /// <summary>
    /// A process with Microsoft.ML alone: images of the backbone's size go in, the same probabilities come out, and no
    /// assembly of ours is there.
    /// </summary>
    [TestMethod]
    public void SaveStock_InAProcessWithoutTheLibrary_PredictsTheSame()
    {
        using var folder = new TempFolder();
        ImagePathRow[] rows = Images.Few(
            7,
            [.. Directory.GetDirectories(Images.Folder).Select(d => Path.GetFileName(d)!).Order(StringComparer.Ordinal)]
        );
        Context.Model.SaveStock(Images.Model, folder.File("model.zip"));
        var how = new Preprocessing { Size = 224 };
        for (int i = 0; i < rows.Length; i++)
            using (
                MLImage resized = ImageMappings.Resize(
                    new FileLocation(rows[i].ImagePath),
                    "",
                    ImageMappings.SettingsOf(how).AsMemory()
                )
            )
                File.WriteAllBytes(folder.File($"{i:d2}.rgba"), resized.Pixels);
        string program = Path.Combine(
            Repository.At("artifacts"),
            "bin",
            "StockScorer",
            Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory + "x"))!,
            "StockScorer.dll"
        );
        using Process process = Process.Start(
            new ProcessStartInfo("dotnet", [program, folder.Path])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreEqual(0, process.ExitCode, error.Result);
        JsonElement found = JsonDocument.Parse(output).RootElement;
        Assert.AreEqual(0, found.GetProperty("Ours").GetArrayLength(), "no assembly of ours");
        float[][] scores =
        [
            .. found
                .GetProperty("Scores")
                .EnumerateArray()
                .Select(r => (float[])[.. r.EnumerateArray().Select(v => v.GetSingle())]),
        ];
        Assert.IsLessThan(
            1e-5,
            Images.LargestDifference(Images.Vectors(Images.Model.Transform(Images.Rows(rows)), "Score"), scores)
        );
        Assert.AreEqual("bird", found.GetProperty("Labels")[0].GetString());
    }

    /// <summary>What a program without the library reads when it loads a chain that needs it.</summary>
    [TestMethod]
    public void Load_WithoutTheLibrary_SaysWhatToRegister()
    {
        using var folder = new TempFolder();
        IDataView rows = Images.Rows(Images.Few(1, "bird"));
        Context.Model.Save(Images.Model, rows.Schema, folder.File("model.zip"));
        string program = Path.Combine(
            Repository.At("artifacts"),
            "bin",
            "StockScorer",
            Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory + "x"))!,
            "StockScorer.dll"
        );
        using Process process = Process.Start(
            new ProcessStartInfo("dotnet", [program, folder.Path])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        _ = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.AreNotEqual(0, process.ExitCode);
        StringAssert.Contains(error.Result, "MlNetTransfer");
    }

    [TestMethod]
    [DoNotParallelize]
    public void PredictionEngines_HundredsMadeAndDisposed_KeepMemoryFlat()
    {
        ImagePathRow row = Images.Few(1, "bird")[0];
        for (int i = 0; i < 20; i++)
            Predict();
        long before = Memory();
        for (int i = 0; i < 200; i++)
            Predict();
        Assert.IsLessThan(
            60L << 20,
            Memory() - before,
            "200 engines; each that kept its session or decoder would hold a megabyte or more"
        );

        void Predict()
        {
            using PredictionEngine<ImagePathRow, ScoredImage> engine = Images.Engine(Images.Model);
            _ = engine.Predict(row);
        }

        static long Memory()
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            GC.Collect();
            return GC.GetTotalMemory(forceFullCollection: true);
        }
    }

    private sealed class StreamRow
    {
        [ImageStreamType]
        public Stream? Image { get; set; }
    }
}
