using System.Diagnostics;
using System.Globalization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;
using MlNetTransfer.Backbones;
using MlNetTransfer.Datasets;
using MlNetTransfer.Features;

namespace MlNetTransfer.Benchmarks;

/// <summary>
/// FeaturizeImages beside ML.NET's own chains over the same files (LoadImages, ResizeImages, ExtractPixels, then
/// DnnFeaturizeImage for resnet18 or ApplyOnnxModel for any backbone) and beside the runner under it, in turns: images
/// per second and managed allocation per image.
/// </summary>
internal static class MLNetBenchmark
{
    public static int Run(string[] args)
    {
        string id = args.Length > 0 ? args[0] : BackboneCatalog.DefaultId;
        int images = args.Length > 1 ? int.Parse(args[1], CultureInfo.InvariantCulture) : 600,
            rounds = args.Length > 2 ? int.Parse(args[2], CultureInfo.InvariantCulture) : 3;
        // A few drawings have 169 megapixels, which are refused here and hours elsewhere.
        ImageItem[] all =
        [
            .. OpenClipart.Read().Items.Where(i => new FileInfo(((FileLocation)i.Location).Path).Length < 150_000),
        ];
        string[] files =
        [
            .. Enumerable.Range(0, images).Select(i => ((FileLocation)all[i % all.Length].Location).Path),
        ];
        var context = new MLContext(1);
        IDataView rows = context.Data.LoadFromEnumerable(files.Select(f => new Row { ImagePath = f }));
        Backbone backbone = new BackboneStore(BackboneCatalog.Default).Open(id);
        string onnx = Path.Combine(Path.GetTempPath(), $"mlnet-benchmark-{Guid.NewGuid():N}.onnx");
        try
        {
            using ImageFeaturizingTransformer ours = context
                .Transforms.FeaturizeImages(
                    "Features",
                    "ImagePath",
                    id,
                    options: new ImageFeaturizingOptions { CacheFeatures = false }
                )
                .Fit(rows);
            using var extractor = new FeatureExtractor(backbone);
            FeatureGraph
                .Build(backbone.LoadModel(), backbone.Card.Tap().Tensor)
                .With(proto =>
                    proto.Graph.Input[0].Type.TensorType.Shape.Dim[0] = new Onnx.Proto.TensorShapeProto.Types.Dimension
                    {
                        DimValue = 1,
                    }
                )
                .Save(onnx);
            int size = backbone.Card.Preprocessing.Size;
            float scale = 1 / (255 * backbone.Card.Preprocessing.Std.Red);
            var pixels = context
                .Transforms.LoadImages("Image", null, "ImagePath")
                .Append(
                    context.Transforms.ResizeImages(
                        "Image",
                        size,
                        size,
                        resizing: ImageResizingEstimator.ResizingKind.Fill
                    )
                )
                .Append(
                    context.Transforms.ExtractPixels(
                        Backbone.InputName,
                        "Image",
                        orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB,
                        scaleImage: scale
                    )
                );
            var apply = pixels
                .Append(
                    context.Transforms.ApplyOnnxModel(
                        [FeatureGraph.Output],
                        [Backbone.InputName],
                        onnx,
                        new Dictionary<string, int[]>
                        {
                            [Backbone.InputName] = [1, 3, size, size],
                            [FeatureGraph.Output] = [1, backbone.Card.Tap().Width],
                        },
                        null,
                        false
                    )
                )
                .Fit(rows);
            List<(string Name, Action Work)> rivals =
            [
                ("runner", () => extractor.Extract([.. files.Select(f => new ImageItem(f, f))])),
                ("FeaturizeImages", () => Read(ours.Transform(rows), "Features", images)),
                ("stock ApplyOnnxModel", () => Read(apply.Transform(rows), FeatureGraph.Output, images)),
            ];
            if (id == BackboneCatalog.DefaultId)
            {
                var dnn = pixels
                    .Append(
                        context.Transforms.DnnFeaturizeImage(
                            "Features",
                            m => m.ModelSelector.ResNet18(context, m.OutputColumn, m.InputColumn),
                            Backbone.InputName
                        )
                    )
                    .Fit(rows);
                rivals.Add(("stock DnnFeaturizeImage", () => Read(dnn.Transform(rows), "Features", images)));
            }

            Measure(rivals, images, rounds, $"{id}, {images} images, {Environment.ProcessorCount} processors");
            return 0;
        }
        finally
        {
            File.Delete(onnx);
        }
    }

    private static void Measure(List<(string Name, Action Work)> rivals, int images, int rounds, string title)
    {
        Console.WriteLine(title);
        Dictionary<string, List<(double Rate, double KiB)>> found = rivals.ToDictionary(
            r => r.Name,
            _ => new List<(double, double)>()
        );
        for (int round = 0; round <= rounds; round++)
        {
            foreach ((string name, Action work) in rivals)
            {
                GC.Collect();
                long before = GC.GetTotalAllocatedBytes(precise: true),
                    start = Stopwatch.GetTimestamp();
                work();
                double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
                // The first round warms up.
                if (round > 0)
                    found[name]
                        .Add((images / seconds, (GC.GetTotalAllocatedBytes(precise: true) - before) / 1024.0 / images));
            }
        }

        double own = Median(found["FeaturizeImages"].Select(f => f.Rate));
        foreach ((string name, List<(double Rate, double KiB)> all) in found)
            Console.WriteLine(
                string.Create(
                    System.Globalization.CultureInfo.InvariantCulture,
                    $"  {name, -24} {Median(all.Select(f => f.Rate)), 7:f1} images/s (of {rounds} rounds "
                        + $"{all.Min(f => f.Rate):f1} to {all.Max(f => f.Rate):f1})  "
                        + $"{Median(all.Select(f => f.KiB)), 8:f1} KiB per image   FeaturizeImages is "
                        + $"{own / Median(all.Select(f => f.Rate)):f2} times as fast"
                )
            );
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length % 2 == 1
            ? sorted[sorted.Length / 2]
            : (sorted[sorted.Length / 2 - 1] + sorted[sorted.Length / 2]) / 2;
    }

    private static void Read(IDataView view, string column, int expected)
    {
        using DataViewRowCursor cursor = view.GetRowCursor([view.Schema[column]]);
        ValueGetter<VBuffer<float>> getter = cursor.GetGetter<VBuffer<float>>(view.Schema[column]);
        VBuffer<float> row = default;
        int rows = 0;
        for (; cursor.MoveNext(); rows++)
            getter(ref row);
        if (rows != expected)
            throw new InvalidOperationException($"{rows} rows of {expected}.");
    }

    private sealed class Row
    {
        public string ImagePath { get; set; } = "";
    }
}
