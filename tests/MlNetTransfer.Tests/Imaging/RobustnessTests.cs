using MlNetTransfer.Imaging;
using MlNetTransfer.Imaging.Decoding;

namespace MlNetTransfer.Tests.Imaging;

[TestClass]
public sealed class RobustnessTests
{
    private const int MutationsPerFixture = 12;

    [TestMethod]
    public void Process_MutatedFiles_SucceedOrAreRejected()
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = Fixtures.Size });
        float[] tensor = new float[3 * Fixtures.Size * Fixtures.Size];
        int accepted = 0,
            rejected = 0;
        foreach (string name in Fixtures.Good)
        {
            for (int seed = 0; seed < MutationsPerFixture; seed++)
            {
                try
                {
                    preprocessor.Process(Mutate(Fixtures.Read(name), seed), tensor);
                    accepted++;
                }
                catch (ImageRejectedException)
                {
                    rejected++;
                }
                catch (Exception e)
                {
                    Assert.Fail($"{name}, seed {seed}: {e}");
                }
            }
        }
        Assert.IsGreaterThan(100, rejected);
        Assert.IsGreaterThan(10, accepted);
    }

    [TestMethod]
    public void Process_OnManyThreads_GivesTheSamePixelsAndTheSameReasons()
    {
        string[] names = [.. Fixtures.Good, "truncated.jpg", "truncated.png", "rle.bmp"];
        byte[][] files =
        [
            .. names.Select(Fixtures.Read),
            .. Fixtures.Good.Select((name, i) => Mutate(Fixtures.Read(name), i)),
        ];
        string[] alone = new string[files.Length];
        using (ImagePreprocessor preprocessor = new(new Preprocessing { Size = Fixtures.Size }))
        {
            for (int i = 0; i < files.Length; i++)
                alone[i] = Outcome(preprocessor, files[i]);
        }

        // More threads than cores, each starting elsewhere, so that failures of different formats meet.
        Parallel.For(
            0,
            8,
            new ParallelOptions { MaxDegreeOfParallelism = 8 },
            thread =>
            {
                using ImagePreprocessor preprocessor = new(new Preprocessing { Size = Fixtures.Size });
                for (int i = 0; i < 4 * files.Length; i++)
                {
                    int file = ((i * 7) + (thread * 13)) % files.Length;
                    Assert.AreEqual(alone[file], Outcome(preprocessor, files[file]));
                }
            }
        );
    }

    /// <summary>Not beside other tests: libvips counts for the whole process.</summary>
    [TestMethod]
    [DoNotParallelize]
    public void Process_ManyImagesGoodAndBad_LeavesNothingBehind()
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = Fixtures.Size });
        byte[][] files =
        [
            .. Fixtures.Good.Select(Fixtures.Read),
            Fixtures.Read("truncated.jpg"),
            Fixtures.Read("cmyk.jpg"),
            .. Fixtures.Good.Select((name, i) => Mutate(Fixtures.Read(name), i)),
        ];
        foreach (byte[] file in files)
            Outcome(preprocessor, file);
        (nuint memory, int allocations) = (VipsNative.vips_tracked_get_mem(), VipsNative.vips_tracked_get_allocs());

        for (int round = 0; round < 10; round++)
        {
            foreach (byte[] file in files)
                Outcome(preprocessor, file);
        }

        Assert.AreEqual(memory, VipsNative.vips_tracked_get_mem(), "bytes held by libvips");
        Assert.AreEqual(allocations, VipsNative.vips_tracked_get_allocs(), "allocations held by libvips");
    }

    [TestMethod]
    public void Process_GoodImages_AllocateNextToNothing()
    {
        using ImagePreprocessor preprocessor = new(new Preprocessing { Size = Fixtures.Size });
        float[] tensor = new float[3 * Fixtures.Size * Fixtures.Size];
        byte[][] files = [.. Fixtures.Good.Select(Fixtures.Read)];
        foreach (byte[] file in files)
            preprocessor.Process(file, tensor);

        long before = GC.GetAllocatedBytesForCurrentThread();
        foreach (byte[] file in files)
            preprocessor.Process(file, tensor);
        double perImage = (GC.GetAllocatedBytesForCurrentThread() - before) / (double)files.Length;

        // A million images at 2 KiB are 2 GB of garbage: a bound, not a goal; it is 0 where no size changes.
        Assert.IsLessThan(2048, perImage);
    }

    private static string Outcome(ImagePreprocessor preprocessor, byte[] file)
    {
        byte[] pixels = new byte[3 * Fixtures.Size * Fixtures.Size];
        try
        {
            preprocessor.ProcessToPixels(file, pixels);
            return Convert.ToBase64String(pixels);
        }
        catch (ImageRejectedException e)
        {
            return e.Reason;
        }
    }

    /// <summary>
    /// Flipped bits, a cut, a block of noise or a block of zeros, after the first bytes which name the format.
    /// </summary>
    private static byte[] Mutate(byte[] file, int seed)
    {
        const int kept = 16;
        Random random = new(seed);
        int start = random.Next(kept, file.Length),
            length = Math.Min(random.Next(1, 40), file.Length - start);
        switch (seed % 4)
        {
            case 0:
                for (int i = 0; i <= seed; i++)
                    file[random.Next(kept, file.Length)] ^= (byte)(1 << random.Next(8));
                return file;
            case 1:
                return file[..start];
            case 2:
                random.NextBytes(file.AsSpan(start, length));
                return file;
            default:
                file.AsSpan(start, length).Clear();
                return file;
        }
    }
}
