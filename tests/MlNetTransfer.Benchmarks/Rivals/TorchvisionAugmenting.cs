using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Benchmarks.Measuring;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Augmentation;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// Training images per second on one thread, augmented to float CHW 224 x 224, beside torchvision's transforms on PIL
/// images in the same run: from decoded pixels, and with the decoding of a JPEG.
/// </summary>
internal static class TorchvisionAugmenting
{
    private const int Rounds = 9;

    /// <summary>Makes the images, then times torchvision: the best of nine rounds, in ms per image.</summary>
    private const string Script = """
        import io, sys, time, random, warnings
        warnings.filterwarnings('ignore')
        import numpy as np, torch
        from PIL import Image
        import torchvision.transforms as T
        torch.set_num_threads(1)
        folder = sys.argv[1]
        random.seed(1); torch.manual_seed(1)
        def scene(w, h):
            total = np.zeros((h, w, 3), np.float32)
            side = 4
            while side < max(w, h):
                small = Image.frombytes('RGB', (side, side), random.randbytes(side * side * 3))
                total += (np.asarray(small.resize((w, h), Image.BICUBIC), np.float32) - 128) * (2.0 / side ** 0.7)
                side *= 2
            return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8), 'RGB')
        scene(500, 375).save(f'{folder}/jpeg-500x375.jpg', quality=90)
        scene(4000, 3000).save(f'{folder}/jpeg-12mp.jpg', quality=90)
        tail = [T.ToTensor(), T.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
        light = [T.RandomResizedCrop(224, (0.6, 1)), T.RandomHorizontalFlip()]
        pipelines = {'None': [T.Resize((224, 224))] + tail, 'Light': light + tail,
                     'Strong': light + [T.TrivialAugmentWide(interpolation=T.InterpolationMode.BILINEAR)] + tail
                         + [T.RandomErasing(0.25, value='random')]}
        for file in ('jpeg-500x375.jpg', 'jpeg-12mp.jpg'):
            data = open(f'{folder}/{file}', 'rb').read()
            kept = Image.open(io.BytesIO(data)).convert('RGB')
            for name, steps in pipelines.items():
                transform = T.Compose(steps)
                sources = [('file', lambda: Image.open(io.BytesIO(data)).convert('RGB'))]
                if '12mp' not in file: sources.append(('pixels', lambda: kept))
                for source, load in sources:
                    times, n = [], (3 if '12mp' in file else 60)
                    for _ in range(9):
                        start = time.perf_counter()
                        for _ in range(n): transform(load())
                        times.append((time.perf_counter() - start) / n * 1000)
                    print(file, name, source, min(times))
        """;

    public static int Run(string[] args)
    {
        if (args.Length > 0)
            throw new UsageException("augment takes no arguments.");
        using Scratch scratch = new();
        string folder = scratch.Path;
        Console.WriteLine("image             preset  from    torchvision/s    ours/s   ratio");
        foreach (string[] line in RunTorchvision(folder))
        {
            double theirs = 1000 / double.Parse(line[3], CultureInfo.InvariantCulture);
            double ours =
                1000
                / Best(
                    File.ReadAllBytes(Path.Combine(folder, line[0])),
                    Enum.Parse<AugmentationPreset>(line[1]),
                    line[2] == "pixels"
                );
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{line[0], -17} {line[1], -7} {line[2], -7} {theirs, 13:0} {ours, 9:0} "
                        + $"{ours / theirs, 6:0.00}x"
                )
            );
        }
        return 0;
    }

    /// <summary>
    /// Milliseconds per image, the best round, which other work on the machine disturbs least; every image is another
    /// draw, so that Strong meets all its operations.
    /// </summary>
    private static double Best(byte[] encoded, AugmentationPreset preset, bool kept)
    {
        using ImageAugmenter augmenter = new(Drawings.Preprocessing, AugmentationOptions.Of(preset));
        float[] tensor = new float[Drawings.Preprocessing.TensorLength];
        RgbImage pixels = augmenter.Decode(encoded);
        int number = 0;
        // Half a second, so that the timed code is the fully compiled one.
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 0.5; )
            One();
        double[] times = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            int images = 0;
            long start = Stopwatch.GetTimestamp();
            for (; images == 0 || Stopwatch.GetElapsedTime(start).TotalMilliseconds < 150; images++)
                One();
            times[round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / images;
        }
        return times.Min();

        void One()
        {
            AugmentationDraw draw = new(1, 0, number++);
            if (kept)
                augmenter.Process(pixels, draw, tensor);
            else
                augmenter.Process(encoded, draw, tensor);
        }
    }

    private static string[][] RunTorchvision(string folder) =>
        [
            .. PythonProgram
                .Output(Script, "python3-torchvision", folder)
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(line => line.Split(' ')),
        ];
}
