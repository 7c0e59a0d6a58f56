using System.Diagnostics;
using MlNetTransfer.Backbones;
using MlNetTransfer.Backbones.Onnx;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;
using MlNetTransfer.Imaging;
using MlNetTransfer.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Whether the preprocessing that a network was trained with is found: the catalogue's, and architectures of torchvision
/// trained with every scale, with their batch normalisations and, by labelled images, without. And what a wrong one
/// costs.
/// </summary>
internal static class DetectiveExperiment
{
    private const string Script = "tests/MlNetTransfer.Experiments/trained_networks.py";

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch work = new();
        string folder = args.Length > 0 ? args[0] : work.File("networks");
        PythonProgram.Output(
            File.ReadAllText(Repository.At(Script)),
            "python3-torch python3-torchvision python3-onnx python3-pil",
            folder
        );
        Dataset stamps = TuxPaintStamps.Read(),
            drawings = OpenClipart.Read();
        Networks(experiment, folder, stamps);
        Cost(experiment, [("stamps_coarse8", stamps), ("clipart10", drawings)]);
        return 0;
    }

    private static void Networks(Experiment experiment, string folder, Dataset stamps)
    {
        Table table = experiment.Table(
            "The scale that is found beside that of the training; lead over the best of another scale, how much the truth "
                + "with its order and mean is behind the best, and seconds. Made images, and with batch normalisations "
                + "folded away 200 labelled ones (part of them were trained on)",
            Column.Text("network", 26),
            Column.Text("truth", 10),
            Column.Text("found", 24),
            Column.Text("scale", 6),
            Column.Text("clear", 6),
            Column.Number("lead", "0.00"),
            Column.Number("truthBehind", "0.00"),
            Column.Number("seconds", "0.0")
        );
        int right = 0,
            all = 0;
        var store = new BackboneStore(BackboneCatalog.Default);
        foreach (BackboneCard card in BackboneCatalog.Default.Cards.Where(c => c.Preprocessing is not null))
        {
            long started = Stopwatch.GetTimestamp();
            try
            {
                CheckedPreprocessing found = OnnxBackboneInspector.Check(store.Open(card.Id), []);
                Add(card.Id, found.Taken, found.Evidence, started);
            }
            catch (TransferException e)
            {
                Console.WriteLine(e.Message);
            }
        }

        foreach (string file in Directory.GetFiles(folder, "*.onnx").Order(StringComparer.Ordinal))
        {
            string[] parts = Path.GetFileName(file).Split('.');
            PreprocessingParts truth = NamedPreprocessing.Find(parts[1]);
            long started = Stopwatch.GetTimestamp();
            InspectedBackbone found = OnnxBackboneInspector.Inspect(
                OnnxModel.Load(file),
                new OnnxInspectionOptions { Preprocessing = truth, Images = parts[2] == "folded" ? stamps.Items : [] }
            );
            // Stated as BGR, the graph is turned round; what is compared is the network as it is.
            Add(parts[2] == "folded" ? $"{parts[0]} folded" : parts[0], truth, found.Evidence!, started);
        }

        Console.WriteLine($"The scale is right for {right} of {all}.");

        void Add(string name, PreprocessingParts truth, PreprocessingEvidence found, long started)
        {
            RankedPreprocessing own = found.Ranking.First(r =>
                r.Choice.Scale.IsNear(truth.Scale!) && r.Choice.Order == (truth.Order ?? ChannelOrder.Rgb)
            );
            bool same = own.Choice.HasScaleOf(found.Best.Choice);
            (right, all) = (right + (same ? 1 : 0), all + 1);
            table.Add(
                name,
                truth.Scale!.ToString(),
                found.Best.Choice.Name,
                same ? "right" : "wrong",
                found.IsClear ? "yes" : "no",
                found.Lead,
                own.Score - found.Best.Score,
                Stopwatch.GetElapsedTime(started).TotalSeconds
            );
        }
    }

    private static void Cost(Experiment experiment, (string Name, Dataset Data)[] tasks)
    {
        Table table = experiment.Table(
            $"What a wrong preprocessing costs ResNet18 of the catalogue, whose own is raw255: accuracy of a softmax head "
                + $"on its last tap, {TransferExperiment.Folds} folds, seed {TransferExperiment.Seed} ± standard deviation of the folds",
            Column.Text("preprocessing", 30),
            Column.Percent(tasks[0].Name, 22),
            Column.Percent(tasks[1].Name, 22)
        );
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(BackboneCatalog.DefaultId);
        byte[] onnx = FeatureGraph.Build(backbone.LoadModel(), backbone.Card.Tap().Tensor).ToBytes();
        foreach ((string name, ChannelScale scale) in NamedPreprocessing.Candidates)
        {
            Preprocessing preprocessing = backbone.Card.Preprocessing! with { Mean = scale.Mean, Std = scale.Std };
            Figure[] figures =
            [
                .. tasks.Select(task =>
                    Figure.OfSample(
                        TransferExperiment.Accuracies(TransferExperiment.Features(task.Data, onnx, preprocessing))
                    )
                ),
            ];
            table.Add(name, figures[0], figures[1]);
        }
    }
}
