using System.Diagnostics;
using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Models;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.MLNet.Tests;

/// <summary>A saved model in a process that has Microsoft.ML and ONNX Runtime, and nothing of this library.</summary>
[TestClass]
public sealed class StockScoringTests
{
    [TestMethod]
    public void SavedModel_InAProcessWithoutThisLibrary_GivesTheProbabilitiesOfTheLibrary()
    {
        using var folder = new TempFolder();
        ImageFile[] files = [.. ImageFile.All.Where((_, i) => i % 5 == 0)];
        IDataView rows = Prepared(files);
        using (FileStream idv = File.Create(folder.File("rows.idv"))) Trained.Context.Data.SaveAsBinary(rows, idv);
        Trained.Context.Model.Save(Trained.Classifier, rows.Schema, folder.File("model.zip"));

        JsonElement found = Run(folder.Path);

        using TransferModel model = TransferModel.Load(Trained.Onnx);
        ImageRows expected = model.Predict([.. files.Select(f => new ImageItem(f.Path, f.Path))]);
        float[] transformed = Numbers(found, "Transformed"), predicted = Numbers(found, "Predicted");
        Assert.AreEqual(files.Length * 8, transformed.Length);

        // Two sessions with other thread counts may add float32 in another order; equal bits were measured.
        for (int i = 0; i < transformed.Length; i++) Assert.AreEqual(expected.Values[i], transformed[i], 1e-5f);
        CollectionAssert.AreEqual(transformed, predicted, "a prediction engine runs the same rows");
        CollectionAssert.AreEqual(predicted[..8], found.GetProperty("ByTheGuide").Deserialize<float[]>());

        int[] likeliest = [.. expected.Values.Chunk(8).Select(p => Array.IndexOf(p, p.Max()))];
        CollectionAssert.AreEqual(likeliest.Select(l => (uint)l + 1).ToArray(), found.GetProperty("PredictedKeys").Deserialize<uint[]>());
        CollectionAssert.AreEqual(likeliest.Select(l => model.ClassNames[l]).ToArray(), found.GetProperty("PredictedValues").Deserialize<string[]>());
        CollectionAssert.AreEqual(model.ClassNames.ToArray(), found.GetProperty("SlotNames").Deserialize<string[]>());
        Assert.AreEqual(files.Zip(likeliest).Average(p => p.First.Class == model.ClassNames[p.Second] ? 1.0 : 0), found.GetProperty("MicroAccuracy").GetDouble(), 1e-12);
        Assert.IsEmpty(found.GetProperty("Ours").Deserialize<string[]>()!);
    }

    /// <summary>Pixels, and labels under the keys of all classes, as a data view that needs this library no more.</summary>
    private static IDataView Prepared(ImageFile[] files)
    {
        IDataView all = Trained.Context.Data.LoadFromEnumerable(ImageFile.All), some = Trained.Context.Data.LoadFromEnumerable(files);
        ValueToKeyMappingTransformer labels = Trained.Context.Transforms.Conversion.MapValueToKey("Label", "Class").Fit(all);
        IDataView rows = labels.Transform(Trained.Pixels().Fit(some).Transform(some));
        return Trained.Context.Transforms.SelectColumns("Features", "Label").Fit(rows).Transform(rows);
    }

    private static JsonElement Run(string data)
    {
        const string Name = "MlNetTransfer.MLNet.StockScorer";
        string folder = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)))!, Name, Path.GetFileName(AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar)));
        CollectionAssert.AreEqual(new[] { Name + ".dll" }, Directory.GetFiles(folder, "MlNetTransfer*.dll").Select(Path.GetFileName).ToArray(), "nothing of this library is there");
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(folder, Name + ".dll")]) { WorkingDirectory = data, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        Assert.IsTrue(process.WaitForExit(TimeSpan.FromMinutes(3)), "The process did not end within 3 minutes.");
        Assert.AreEqual(0, process.ExitCode, error.Result);
        return JsonDocument.Parse(output.Result).RootElement;
    }

    private static float[] Numbers(JsonElement found, string name) => [.. found.GetProperty(name).Deserialize<float[][]>()!.SelectMany(r => r)];
}
