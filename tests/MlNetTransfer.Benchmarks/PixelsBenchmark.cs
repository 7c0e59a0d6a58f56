using System.Diagnostics;
using MlNetTransfer.Datasets;
using MlNetTransfer.Heads;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// How far each export is from the evaluated model on drawings, JPEG photographs of them and JPEGs so large that the
/// product reduces them as it decodes; and the pixels export beside predict in another language.
/// </summary>
internal static class PixelsBenchmark
{
    private const int Images = 50;

    /// <summary>25 images as they are, 25 as JPEG of 500 pixels; ten as JPEG of 2,500 pixels.</summary>
    private const string Script = """
        import sys, os
        from PIL import Image
        names, folder = sys.argv[2:], sys.argv[1]
        for sub in ('mixed', 'large'): os.makedirs(f'{folder}/{sub}')
        for i, name in enumerate(names):
            image = Image.open(name).convert('RGBA'); white = Image.new('RGBA', image.size, 'white'); white.alpha_composite(image)
            if i % 2: white.convert('RGB').resize((500, 375), Image.BICUBIC).save(f'{folder}/mixed/{i:02}.jpg', quality=90)
            else: image.save(f'{folder}/mixed/{i:02}.png')
            if i % 5 == 0: white.convert('RGB').resize((2500, 1900), Image.BICUBIC).save(f'{folder}/large/{i:02}.jpg', quality=90)
        """;

    public static int Run(string[] args)
    {
        string folder = Directory.CreateTempSubdirectory("pixels-benchmark-").FullName;
        try
        {
            string[] drawings = Spread(
                Directory
                    .GetFiles(Repository.At("data-samples/clipart"), "*.png", SearchOption.AllDirectories)
                    .Order(StringComparer.Ordinal)
                    .ToArray()
            );
            using (
                Process python = Process.Start(
                    new ProcessStartInfo("/usr/bin/python3", ["-c", Script, folder, .. drawings])
                )!
            )
                python.WaitForExit();
            foreach (
                (string name, string? file, HeadKind head) in args is [var given]
                    ? [(given, given, HeadKind.Auto)]
                    : new[] { ("discriminant", (string?)null, HeadKind.Auto), ("softmax", null, HeadKind.Softmax) }
            )
                Compare(name, file ?? Train(Path.Combine(folder, name), head), folder);
            return 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Train(string output, HeadKind head) => new TrainJob(
            new TrainOptions
            {
                Folder = Repository.At("data-samples/clipart"),
                Output = output,
                Head = head,
            }
        ).Run().Model;

    private static void Compare(string name, string model, string folder)
    {
        Console.WriteLine(
            $"{name}, {Images} images, half of them JPEG      max       mean   flips      bytes   ms/image"
        );
        using TransferModel evaluated = TransferModel.Load(model);
        var parity = new ExportParity(evaluated);
        foreach (IExportFormat format in ExportFormats.All.Where(f => f.Check == ExportCheck.File))
            Line(format, "mixed");
        Line(ExportFormats.Get("pixels"), "large");

        void Line(IExportFormat format, string images)
        {
            string file = Path.Combine(folder, $"{name}-{format.Name}-{images}.onnx");
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
                    .Select(f => new ImageItem(f, f)),
            ]);
            using IExportScorer scorer = new OnnxScorer(file, evaluated.Metadata, new());
            parity.Measure(scorer, sample);
            long start = Stopwatch.GetTimestamp();
            parity.Measure(scorer, sample);
            double ms = Stopwatch.GetElapsedTime(start).TotalMilliseconds / sample.Items.Count;
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"{format.Name, -8} {images, -36} {found.MaxDifference, 9:g3} {found.MeanDifference, 10:g3} "
                        + $"{found.LabelFlips, 7} {new FileInfo(file).Length, 10} {ms, 10:f1}"
                )
            );
        }
    }

    private static string[] Spread(string[] all) =>
        [.. Enumerable.Range(0, Images).Select(i => all[i * all.Length / Images])];
}
