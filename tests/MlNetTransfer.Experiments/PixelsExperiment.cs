using System.Diagnostics;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// How far each export is from the evaluated model on drawings, JPEG photographs of them and JPEGs so large that the
/// product reduces them as it decodes; and the pixels export beside predict in another language.
/// </summary>
internal static class PixelsExperiment
{
    private const int Images = 50;

    /// <summary>25 images as they are, 25 as JPEG of 500 pixels; ten as JPEG of 2,500 pixels.</summary>
    private const string Script = """
        import sys, os
        from PIL import Image
        names, folder = sys.argv[2:], sys.argv[1]
        for sub in ('mixed', 'large'): os.makedirs(f'{folder}/{sub}')
        for i, name in enumerate(names):
            image = Image.open(name).convert('RGBA')
            white = Image.new('RGBA', image.size, 'white'); white.alpha_composite(image); white = white.convert('RGB')
            if i % 2: white.resize((500, 375), Image.BICUBIC).save(f'{folder}/mixed/{i:02}.jpg', quality=90)
            else: image.save(f'{folder}/mixed/{i:02}.png')
            if i % 5 == 0: white.resize((2500, 1900), Image.BICUBIC).save(f'{folder}/large/{i:02}.jpg', quality=90)
        """;

    public static int Run(string[] args, Experiment experiment)
    {
        using Scratch scratch = new();
        string folder = scratch.Path;
        string[] drawings = Spread(
            Directory
                .GetFiles(Repository.At("data-samples/clipart"), "*.png", SearchOption.AllDirectories)
                .Order(StringComparer.Ordinal)
                .ToArray()
        );
        PythonProgram.Output(Script, "python3-pil", [folder, .. drawings]);
        foreach (
            (string name, string? file, HeadKind head) in args is [var given]
                ? [(given, given, HeadKind.Auto)]
                : new[] { ("discriminant", (string?)null, HeadKind.Auto), ("softmax", null, HeadKind.Softmax) }
        )
            Compare(experiment, name, file ?? Train(Path.Combine(folder, name), head), folder);
        return 0;
    }

    private static string Train(string output, HeadKind head) => new TrainJob(
            new TrainOptions
            {
                Folder = Repository.At("data-samples/clipart"),
                Output = output,
                Head = head,
            }
        ).Run().Model;

    private static void Compare(Experiment experiment, string name, string model, string folder)
    {
        Table table = experiment.Table(
            $"{name}: differences of the probabilities of each export from the evaluated model's, {Images} images, "
                + $"half of them JPEG (mixed), or JPEG of 2,500 pixels (large)",
            Column.Text("export", 8),
            Column.Text("images", 6),
            Column.Number("max", "g3", 9),
            Column.Number("mean", "g3", 9),
            Column.Number("flips"),
            Column.Number("bytes", "0", 10),
            Column.Number("msPerImage", "0.0")
        );
        using TransferModel evaluated = TransferModel.Load(model);
        var parity = new ExportParity(evaluated);
        foreach (IExportFormat format in ExportFormats.All.Where(f => f.Check == ExportCheck.File))
            Line(format, "mixed");
        Line(ExportFormats.Get("pixels"), "large");

        void Line(IExportFormat format, string images)
        {
            string file = Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(name)}-{format.Name}-{images}.onnx");
            var options = new ExportOptions
            {
                Model = model,
                Format = format.Name,
                Images = [Path.Combine(folder, images)],
                Output = file,
                AllowDrift = 1,
            };
            ExportRecord found = new ExportJob(options).Run().Parity;
            (ParitySample sample, _) = parity.Expect([
                .. Directory
                    .GetFiles(Path.Combine(folder, images))
                    .Order(StringComparer.Ordinal)
                    .Select(f => new DataItem(f, f)),
            ]);
            using IExportScorer scorer = new OnnxScorer(file, evaluated.Metadata, new());
            parity.Measure(scorer, sample);
            long start = Stopwatch.GetTimestamp();
            parity.Measure(scorer, sample);
            double ms = Stopwatch.GetElapsedTime(start).TotalMilliseconds / sample.Items.Count;
            table.Add(
                format.Name,
                images,
                found.MaxDifference,
                found.MeanDifference,
                found.LabelFlips,
                new FileInfo(file).Length,
                ms
            );
        }
    }

    private static string[] Spread(string[] all) =>
        [.. Enumerable.Range(0, Images).Select(i => all[i * all.Length / Images])];
}
