using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Benchmarks.Measuring;
using MlNetTransfer.Benchmarks.Setup;
using MlNetTransfer.Imaging;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Benchmarks.Rivals;

/// <summary>
/// Encoded image → float CHW 224 x 224 on one thread, against Pillow doing the same in the same run. Images of 1/f
/// noise, as photographs have it.
/// </summary>
internal static class PillowDecoding
{
    private const int Rounds = 15;

    /// <summary>Makes the images, then times open + RGB + resize + float CHW + normalise.</summary>
    private const string Script = """
        import sys, time, random
        import numpy as np
        from PIL import Image
        folder = sys.argv[1]
        random.seed(1)
        def scene(w, h, mode='RGB'):
            total = np.zeros((h, w, len(mode)), np.float32)
            side = 4
            while side < max(w, h):
                small = Image.frombytes(mode, (side, side), random.randbytes(side * side * len(mode)))
                total += (np.asarray(small.resize((w, h), Image.BICUBIC), np.float32) - 128) * (2.0 / side ** 0.7)
                side *= 2
            return Image.fromarray(np.clip(total + 128, 0, 255).astype(np.uint8), mode)
        scene(500, 375).save(f'{folder}/jpeg-500x375.jpg', quality=90)
        scene(4000, 3000).save(f'{folder}/jpeg-12mp.jpg', quality=90)
        scene(4000, 3000).resize((890, 890)).save(f'{folder}/jpeg-890x890-no-shrink.jpg', quality=90)
        art = scene(256, 256).quantize(64).convert('RGBA')
        ramp = Image.linear_gradient('L')
        art.putalpha(ramp)
        art.save(f'{folder}/png-alpha-256.png')
        mean, std = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])
        def one(name):
            image = Image.open(name)
            if image.mode == 'RGBA':
                white = Image.new('RGB', image.size, 'white')
                white.paste(image, mask=image.getchannel('A'))
                image = white
            pixels = np.asarray(image.convert('RGB').resize((224, 224), Image.BILINEAR), np.float32) / np.float32(255)
            return np.ascontiguousarray(((pixels - mean) / std).transpose(2, 0, 1))
        import glob, os
        for name in sorted(glob.glob(f'{folder}/*.*')):
            times = []
            for _ in range(15):
                n = 1 if '12mp' in name else 20
                start = time.perf_counter()
                for _ in range(n): one(name)
                times.append((time.perf_counter() - start) / n * 1000)
            print(os.path.basename(name), sorted(times)[7])
        """;

    public static int Run(string[] args)
    {
        if (args.Length > 0)
            throw new UsageException("decode takes no arguments.");
        using Scratch scratch = new();
        string folder = scratch.Path;
        Dictionary<string, double> pillow = RunPillow(folder);
        Console.WriteLine("image                          bytes   Pillow ms   ours ms   ratio");
        foreach (string file in Directory.EnumerateFiles(folder).Order(StringComparer.Ordinal))
        {
            double ours = Median(File.ReadAllBytes(file)),
                theirs = pillow[Path.GetFileName(file)];
            Console.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"{Path.GetFileName(file), -28} {new FileInfo(file).Length, 8} {theirs, 9:0.00} "
                        + $"{ours, 9:0.00} {theirs / ours, 7:0.00}x"
                )
            );
        }
        return 0;
    }

    private static double Median(byte[] encoded)
    {
        using ImagePreprocessor preprocessor = new(Drawings.Preprocessing);
        float[] tensor = new float[Drawings.Preprocessing.TensorLength];
        // Half a second, so that the timed code is the fully compiled one.
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < 0.5; )
            preprocessor.Process(encoded, tensor);
        double[] times = new double[Rounds];
        for (int round = 0; round < Rounds; round++)
        {
            int images = 0;
            long start = Stopwatch.GetTimestamp();
            for (; images == 0 || Stopwatch.GetElapsedTime(start).TotalMilliseconds < 40; images++)
                preprocessor.Process(encoded, tensor);
            times[round] = Stopwatch.GetElapsedTime(start).TotalMilliseconds / images;
        }
        Array.Sort(times);
        return times[Rounds / 2];
    }

    private static Dictionary<string, double> RunPillow(string folder) =>
        PythonProgram
            .Output(Script, "python3-pil python3-numpy", folder)
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => line.Split(' '))
            .ToDictionary(parts => parts[0], parts => double.Parse(parts[1], CultureInfo.InvariantCulture));
}
