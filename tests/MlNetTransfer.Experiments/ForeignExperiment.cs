using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.ML.OnnxRuntime;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Training;

namespace MlNetTransfer.Experiments;

/// <summary>
/// ONNX files of many forms, trained and written by PyTorch: what models add finds of their preprocessing, their
/// features beside ONNX Runtime on tensors that Pillow and numpy prepared, an epoch of fine-tuning, an export.
/// </summary>
internal static class ForeignExperiment
{
    private const string Script = "tests/MlNetTransfer.Experiments/foreign_models.py";
    private const string Images = "data-samples/clipart";

    private static readonly JsonSerializerOptions Json = new() { PropertyNameCaseInsensitive = true };

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string folder = args.Length > 0 ? args[0] : work.File("models");
        Directory.CreateDirectory(folder);
        if (!File.Exists(Path.Combine(folder, "truth.json")))
            PythonProgram.Output(
                File.ReadAllText(Repository.At(Script)),
                "python3-torch python3-onnx python3-pil",
                Repository.At(Images),
                folder
            );
        Truth[] truths = JsonSerializer.Deserialize<Truth[]>(
            File.ReadAllText(Path.Combine(folder, "truth.json")),
            Json
        )!;
        Table table = experiment.Table(
            "Files of many forms: the scale that was found beside the truth, with the lead over the next and the seconds "
                + "that it took; the largest difference of a feature to ONNX Runtime on a tensor prepared by Pillow and "
                + "numpy, relative to the largest; one epoch of fine-tuning; exports with the preprocessing inside",
            Column.Text("model", 18),
            Column.Text("form", 46),
            Column.Text("truth", 10),
            Column.Text("found", 10),
            Column.Number("lead", "0.00"),
            Column.Number("seconds", "0.0"),
            Column.Text("network takes", 26),
            Column.Number("difference", "0.0e0"),
            Column.Text("fine-tuned", 12),
            Column.Text("export", 8)
        );
        int wrong = 0;
        foreach (Truth truth in truths)
            wrong += Row(table, truth, folder, work) ? 0 : 1;
        Console.WriteLine($"{truths.Length - wrong} of {truths.Length} are right.");
        return wrong == 0 ? 0 : 1;
    }

    private static bool Row(Table table, Truth truth, string folder, Scratch work)
    {
        string home = work.File($"home-{truth.Name}"),
            model = Path.Combine(folder, truth.Name, "model.onnx");
        AddedBackbone added;
        long started = Stopwatch.GetTimestamp();
        try
        {
            added = new UserCatalog(home).Add(
                new NewBackbone
                {
                    Source = model,
                    Id = "foreign",
                    Inspection = new OnnxInspectionOptions
                    {
                        Preprocessing = Stated(truth),
                        Images = DatasetReader.Read(Repository.At(Images)).Items,
                    },
                }
            );
        }
        catch (TransferException e)
        {
            table.Add(truth.Name, truth.Form, truth.Scale, "refused", null, null, e.Message, null, "", "");
            Console.WriteLine(e.Message);
            return false;
        }

        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        BackboneCatalog catalog = BackboneCatalog.Shipped.With(new UserCatalog(home).Read());
        Backbone backbone = new BackboneStore(catalog, work.File("cache")).Open("foreign");
        var scale = new ChannelScale(added.Card.Preprocessing!.Mean, added.Card.Preprocessing.Std);
        string found = scale.ToString(),
            expected = truth.Scale == "bgr255" ? "raw255" : truth.Scale;
        double difference = Difference(truth, folder, model, backbone);
        (string tuned, string exported) = Train(truth, catalog, work);
        table.Add(
            truth.Name,
            truth.Form,
            truth.Scale,
            found,
            added.Evidence?.Lead,
            seconds,
            added.Card.Adapted ?? "",
            difference,
            tuned,
            exported
        );
        // float16 has steps of a thousandth, and the runtime rounds to them in places of its own choice.
        return found == expected
            && difference < (truth.Type == "float16" ? 5e-3 : 1e-4)
            && tuned.StartsWith(truth.Tune ? "" : "refused", StringComparison.Ordinal)
            && exported == "ok";
    }

    private static PreprocessingParts Stated(Truth truth) =>
        truth.State.Split(' ') switch
        {
            ["--preprocessing", var name] => NamedPreprocessing.Find(name),
            ["--input-size", var side] => new PreprocessingParts
            {
                Width = int.Parse(side, CultureInfo.InvariantCulture),
                Height = int.Parse(side, CultureInfo.InvariantCulture),
            },
            _ => PreprocessingParts.None,
        };

    /// <summary>
    /// Features of our own path beside those of the file itself on a prepared tensor, averaged over positions here.
    /// </summary>
    private static double Difference(Truth truth, string folder, string model, Backbone backbone)
    {
        string[] images = File.ReadAllLines(Path.Combine(folder, "images.txt"));
        BackboneTap tap = backbone.Card.Tap();
        using var extractor = new FeatureExtractor(backbone);
        ItemRows rows = extractor.Extract([.. images.Select(f => new DataItem(f, f))]);
        byte[] bytes = File.ReadAllBytes(Path.Combine(folder, truth.Name, "tensors.bin"));
        OnnxModel cut = OnnxModel.Load(model).WithConstantWeights().CutAt(tap.Tensor);
        using InferenceSession session = new(cut.ToBytes());
        int length = bytes.Length / images.Length,
            batch = session.InputMetadata.Values.First().Dimensions[0];
        double most = 0,
            apart = 0;
        for (int i = 0; i < images.Length; i++)
        {
            // A file for a fixed batch is given the image that often.
            int copies = Math.Max(1, batch);
            byte[] one = [.. Enumerable.Repeat(bytes.AsSpan(i * length, length).ToArray(), copies).SelectMany(b => b)];
            float[] map = Run(session, truth, one, copies);
            int positions = map.Length / copies / tap.Width;
            for (int c = 0; c < tap.Width; c++)
            {
                double expected = map.AsSpan(c * positions, positions).ToArray().Average(v => (double)v);
                most = Math.Max(most, Math.Abs(expected));
                apart = Math.Max(apart, Math.Abs(expected - rows.Row(i)[c]));
            }
        }

        return apart / most;
    }

    private static float[] Run(InferenceSession session, Truth truth, byte[] bytes, int batch)
    {
        long[] shape = [batch, .. truth.Shape.Skip(1).Select(d => (long)d)];
        string name = session.InputMetadata.Keys.First();
        using OrtValue input = truth.Type switch
        {
            "uint8" => OrtValue.CreateTensorValueFromMemory(bytes, shape),
            "float16" => OrtValue.CreateTensorValueFromMemory(
                MemoryMarshal.Cast<byte, Float16>(bytes).ToArray(),
                shape
            ),
            _ => OrtValue.CreateTensorValueFromMemory(MemoryMarshal.Cast<byte, float>(bytes).ToArray(), shape),
        };
        using RunOptions options = new();
        using IDisposableReadOnlyCollection<OrtValue> found = session.Run(
            options,
            [name],
            [input],
            session.OutputNames
        );
        return truth.Type == "float16"
            ? [.. found[0].GetTensorDataAsSpan<Float16>().ToArray().Select(v => (float)v)]
            : found[0].GetTensorDataAsSpan<float>().ToArray();
    }

    private static (string Tuned, string Exported) Train(Truth truth, BackboneCatalog catalog, Scratch work)
    {
        var services = JobServices.Default with { Catalog = catalog };
        string tuned;
        string output = work.File($"out-{truth.Name}");
        TrainOptions options = new()
        {
            Folder = Repository.At(Images),
            Output = output,
            Backbone = "foreign",
            CacheFolder = work.File("cache"),
        };
        try
        {
            TrainSummary summary = new TrainJob(
                options with
                {
                    Strategy = TrainingStrategy.FineTune,
                    FineTune = new FineTuneOptions { Epochs = 1 },
                },
                services
            ).Run();
            tuned = summary.Accuracy.ToString("0.0 %", CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is TransferException or GraphException)
        {
            Console.WriteLine($"{truth.Name}: {e.Message}");
            tuned = "refused";
        }

        try
        {
            if (tuned == "refused")
                new TrainJob(options, services).Run();
            new ExportJob(
                new ExportOptions
                {
                    Model = Path.Combine(output, "model.onnx"),
                    Output = work.File($"export-{truth.Name}"),
                    Format = "pixels",
                    Images = [Repository.At(Images)],
                }
            ).Run();
            return (tuned, "ok");
        }
        catch (Exception e) when (e is TransferException or GraphException)
        {
            Console.WriteLine($"{truth.Name}: {e.Message}");
            return (tuned, "refused");
        }
    }

    /// <summary>What the script says of one file.</summary>
    private sealed record Truth(
        string Name,
        string Form,
        string Scale,
        string State,
        int[] Shape,
        string Type,
        bool Tune
    );
}
