using System.Text.Json;
using Microsoft.ML;
using Microsoft.ML.Data;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Models.Quantization;
using MlNetTransfer.Tests.Models.Exports;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Models;

/// <summary>
/// The score of unknown images as other programs read it, on images that the model was not trained on: those of
/// training images are 0 whatever is wrong.
/// </summary>
[TestClass]
public sealed class UnknownOutputTests
{
    [TestMethod]
    public void ApplyOnnxModel_ModelFile_GivesTheScores()
    {
        using TuneTask task = Trained();
        string model = task.File("out/model.onnx");
        (string[] files, float[] expected) = Foreign(task);
        using var reader = new ImagePreprocessor(ModelFile.Load(model).Metadata.Preprocessing);
        Pixels[] rows =
        [
            .. files.Select(file =>
            {
                var tensor = new float[3 * 16 * 16];
                reader.Process(File.ReadAllBytes(file), tensor);
                return new Pixels { Values = tensor };
            }),
        ];
        var context = new MLContext(1);
        SchemaDefinition schema = SchemaDefinition.Create(typeof(Pixels));
        string input = ModelFile.Load(model).Onnx.Inputs.Single().Name;
        schema[nameof(Pixels.Values)].ColumnName = input;
        IDataView data = context.Data.LoadFromEnumerable(rows, schema);
        using var scorer = context.Transforms.ApplyOnnxModel([TransferModel.UnknownOutput], [input], model).Fit(data);
        float[] found =
        [
            .. scorer.Transform(data).GetColumn<float[]>(TransferModel.UnknownOutput).Select(v => v.Single()),
        ];
        for (int i = 0; i < files.Length; i++)
            Assert.AreEqual(expected[i], found[i], 1e-3 * Math.Max(1, expected[i]), "float32 sums in another order");
    }

    [TestMethod]
    [DataRow("tensor")]
    [DataRow("pixels")]
    [DataRow("fp16")]
    [DataRow("int8")]
    public void Export_OnnxFormat_ScoresAsTheModelDoes(string format)
    {
        using TuneTask task = Trained();
        (string[] files, float[] expected) = Foreign(task);
        var options = new ExportOptions
        {
            Model = task.File("out/model.onnx"),
            Format = format,
            Images = files,
            CalibrationImages = format == "int8" ? [task.Images] : [],
            // Labels of images of no class are a matter of luck; here it is about the score.
            Quantization = new Int8Options { MaxLoss = 1, SpeedRounds = 0 },
        };
        ExportSummary summary = new ExportJob(options).Run();
        double tolerance = Math.Max(ExportFormats.Get(format).Tolerance, ParityRecord.UnknownTolerance),
            largest = 0;
        using var export = new OnnxScorer(
            summary.Files[0].Path,
            ModelFile.Load(options.Model).Metadata,
            new ImageLimits()
        );
        for (int i = 0; i < files.Length; i++)
        {
            export.Score(File.ReadAllBytes(files[i]), new float[3]);
            double difference = Math.Abs(export.Unknown!.Value - expected[i]) / Math.Max(1, expected[i]);
            Assert.IsLessThan(tolerance, difference, files[i]);
            largest = Math.Max(largest, difference);
        }

        Assert.AreEqual(largest, summary.Parity.UnknownDifference!.Value, 1e-6, "what the file was let through on");
    }

    [TestMethod]
    [DataRow("torchscript")]
    [DataRow("torchsharp")]
    public void Export_ForTorch_SaysThatTheScoreIsLeftOut(string format)
    {
        using TuneTask task = Trained();
        ExportSummary summary = new ExportJob(
            new ExportOptions
            {
                Model = task.File("out/model.onnx"),
                Format = format,
                Images = Foreign(task).Files,
            }
        ).Run();
        using JsonDocument facts = JsonDocument.Parse(File.ReadAllText(summary.Files[0].Path + ".json"));
        Assert.AreEqual(
            """["unknown"]""",
            facts.RootElement.GetProperty("leftOut").GetRawText().Replace(" ", "").Replace("\n", "")
        );
        JsonElement metadata = facts.RootElement.GetProperty("metadata");
        using JsonDocument promises = JsonDocument.Parse(
            metadata.GetProperty(ModelMetadata.ReliabilityKey).GetString()!
        );
        Assert.AreEqual(JsonValueKind.Null, promises.RootElement.GetProperty("unknown").ValueKind);
        Assert.AreEqual(JsonValueKind.Object, promises.RootElement.GetProperty("sets").ValueKind);
        Assert.IsNull(summary.Parity.UnknownDifference);
    }

    private static TuneTask Trained()
    {
        var task = new TuneTask();
        task.Run(task.Options("out", TrainingStrategy.Head));
        return task;
    }

    /// <summary>Pictures of noise, and what the model says of them: nothing near 0.</summary>
    private static (string[] Files, float[] Scores) Foreign(TuneTask task)
    {
        string[] files = [.. Enumerable.Range(0, 8).Select(i => task.File($"foreign/{i}.bmp"))];
        Directory.CreateDirectory(task.File("foreign"));
        for (int i = 0; i < files.Length; i++)
            File.WriteAllBytes(files[i], TinyClassifier.Noise(16, 16, i).File);
        using TransferModel model = TransferModel.Load(task.File("out/model.onnx"));
        var rows = model.Answer([.. files.Select(f => new DataItem(f, f))], "Scoring", null, default);
        float[] scores = AnswerRows.Unknown(rows, model.ClassNames.Count);
        Assert.IsGreaterThan(0.2f, scores.Min(), "clearly away from 0");
        return (files, scores);
    }

    private sealed class Pixels
    {
        [VectorType(3 * 16 * 16)]
        public float[] Values { get; set; } = [];
    }
}
