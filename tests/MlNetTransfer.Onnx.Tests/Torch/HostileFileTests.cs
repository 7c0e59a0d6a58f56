using System.IO.Compression;
using System.Text;
using MlNetTransfer.Onnx.Torch;
using MlNetTransfer.Onnx.Torch.Import;

namespace MlNetTransfer.Onnx.Tests.Torch;

/// <summary>
/// Files made to harm: each ends in a <see cref="GraphException"/> that says what is wrong, and nothing of them is
/// executed.
/// </summary>
[TestClass]
public sealed class HostileFileTests
{
    private const string Weight = "X\u0001\0\0\0w",
        Tensor =
            "ctorch._utils\n_rebuild_tensor_v2\n((X\a\0\0\0storagectorch\nFloatStorage\nX\u0001\0\0\00X\u0003\0\0\0cpuK\u0004tQK\0(K\u0004t(K\u0001t\u0089ccollections\nOrderedDict\n)RtR";

    [TestMethod]
    public void Read_WholeArchive_GivesItsTensor() =>
        CollectionAssert.AreEqual(
            new[] { 0f, 0, 0, 0 },
            Read($"}}{Weight}{Tensor}s.", new byte[16]).Tensors["w"].ToFloats()
        );

    [TestMethod]
    [DataRow("cos\nsystem\nX\u0004\0\0\0true\u0085R.", "refers to 'os.system'")]
    [DataRow("c__builtin__\neval\nX\u0001\0\0\01\u0085R.", "refers to '__builtin__.eval'")]
    [DataRow("ctorch\nload\n)R.", "refers to 'torch.load'")]
    [DataRow("c__torch__\nNet\n)\u0081.", "refers to '__torch__.Net'")]
    [DataRow("ctorch.jit._pickle\nrestore_type_tag\n)R.", "refers to 'torch.jit._pickle.restore_type_tag'")]
    [DataRow("(i", "opcode 0x69")]
    [DataRow("}.", "no tensors")]
    [DataRow("K\u0001.", "neither a module")]
    [DataRow("}q\0X\u0001\0\0\0ah\0s.", "in a circle")]
    [DataRow("0.", "opcode 0x30")]
    [DataRow("t.", "a mark that was not set")]
    [DataRow("}}a.", "no list")]
    [DataRow("h\u0007.", "entry 7")]
    [DataRow("X\u00ff\u00ff\u00ff\u00ffabc", "ends within")]
    [DataRow("}", "ends within")]
    public void Read_PickleOfSomethingElse_IsRefused(string pickle, string reason) =>
        StringAssert.Contains(Assert.ThrowsExactly<GraphException>(() => Read(pickle, new byte[16])).Message, reason);

    [TestMethod]
    public void Read_BitFlippedInAnEntry_IsRefused()
    {
        byte[] zip = Zip(
            ("a/data.pkl", Bytes($"\u0080\u0002}}{Weight}{Tensor}s.")),
            ("a/data/0", [1, 2, 3, 4, .. new byte[12]])
        );
        zip[zip.AsSpan().IndexOf((ReadOnlySpan<byte>)[1, 2, 3, 4])] ^= 0x40;
        StringAssert.Contains(Fails(zip), "'a/data/0' is not what the archive's checksum says");
    }

    [TestMethod]
    public void Read_NamesOfAMegabyte_AreRefusedBeforeTheyAreJoined()
    {
        const int nested = 40,
            length = 1 << 20;
        byte[] key =
        [
            (byte)'X',
            .. BitConverter.GetBytes(length),
            .. Enumerable.Repeat((byte)'n', length),
            (byte)'q',
            0,
        ];
        byte[] rest = [.. Enumerable.Repeat((byte[])[(byte)'}', (byte)'h', 0], nested).SelectMany(b => b)];
        byte[] pickle =
        [
            0x80,
            2,
            (byte)'}',
            .. key,
            .. rest,
            (byte)'}',
            .. Bytes(Weight + Tensor + "s"),
            .. Enumerable.Repeat((byte)'s', nested + 1),
            (byte)'.',
        ];
        long before = GC.GetAllocatedBytesForCurrentThread();
        StringAssert.Contains(Fails(Zip(("a/data.pkl", pickle), ("a/data/0", new byte[16]))), "10,000 characters");
        Assert.IsLessThan(100L << 20, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [TestMethod]
    public void Read_EntryThatInflatesManyTimes_IsRefused()
    {
        using MemoryStream bytes = new();
        using (ZipArchive zip = new(bytes, ZipArchiveMode.Create, leaveOpen: true))
        {
            using (Stream entry = zip.CreateEntry("a/data.pkl").Open())
                entry.Write(Bytes($"\u0080\u0002}}{Weight}{Tensor}s."));
            using Stream zeros = zip.CreateEntry("a/data/0", CompressionLevel.Optimal).Open();
            zeros.Write(new byte[8 << 20]);
        }

        StringAssert.Contains(Fails(bytes.ToArray()), "would inflate from");
    }

    [TestMethod]
    public void Read_TensorThatDoesNotFit_IsRefused()
    {
        Refused($"}}{Weight}{Tensor}s.", new byte[15], "has 15 bytes; 4 elements of F32 need 16");
        Refused(
            $"}}{Weight}{Tensor.Replace("(K\u0004t(K\u0001t", "(K\u0005t(K\u0001t", StringComparison.Ordinal)}s.",
            new byte[16],
            "outside its storage"
        );
        Refused(
            $"}}{Weight}{Tensor.Replace("tQK\0", "tQK\u0001", StringComparison.Ordinal)}s.",
            new byte[16],
            "outside its storage"
        );
        Refused(
            $"}}{Weight}{Tensor.Replace("(K\u0004t(K\u0001t", "(J\u00ff\u00ff\u00ff\u007fJ\u00ff\u00ff\u00ff\u007ft(K\0K\0t", StringComparison.Ordinal)}s.",
            new byte[16],
            "more bytes than are read"
        );
        Refused($"}}{Weight}{Tensor}s{Weight}{Tensor}s.", new byte[16], "'w' is there twice");
        Refused(
            $"}}{Weight}{Tensor.Replace("FloatStorage", "QInt8Storage", StringComparison.Ordinal)}s.",
            new byte[16],
            "refers to 'torch.QInt8Storage'"
        );
    }

    [TestMethod]
    public void Read_ArchiveThatIsNone_IsRefused()
    {
        StringAssert.Contains(Fails(Zip(("a/readme", [1]))), "0 folders with a data.pkl");
        StringAssert.Contains(Fails(Zip(("a/data.pkl", [46]), ("b/data.pkl", [46]))), "2 folders with a data.pkl");
        StringAssert.Contains(Fails(Zip(("a/data.pkl", [46]), ("a/data.pkl", [46]))), "'a/data.pkl' is there twice");
        StringAssert.Contains(Fails(Zip(("a/data.pkl", [46]), ("a/byteorder", "big"u8.ToArray()))), "big-endian");
        StringAssert.Contains(
            Fails(Zip(("a/data.pkl", new byte[100_000])), new TorchLimits { MaxDescription = 1000 }),
            "100,000 bytes; at most 1,000"
        );
        StringAssert.Contains(Fails([.. Enumerable.Repeat((byte)0xFF, 50)]), "above 2^63");
        StringAssert.Contains(
            Fails([1, 1, (byte)'a', 6, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F]),
            "are left"
        );
        StringAssert.Contains(Fails([1, 1, (byte)'a', 9, 0]), "element type 9");
        StringAssert.Contains(Fails([2, 1, (byte)'a', 0, 0, 7, 1, (byte)'a', 0, 0, 7]), "'a' is there twice");
        StringAssert.Contains(Fails([1, 1, (byte)'a', 0, 0, 7, 7]), "1 bytes follow");
        StringAssert.Contains(Fails([]), "no whole file");
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(2)]
    [DataRow(3)]
    public void Read_DamagedFiles_NeverFailOtherwise(int seed)
    {
        using MemoryStream written = new();
        if (seed == 1)
            TorchScript.Write(TorchImportTests.Tiny(), written);
        else if (seed == 2)
            TorchSharpExport.WriteState(TorchImportTests.Tiny(), written);
        byte[] intact =
            seed == 3
                ? Zip(("a/data.pkl", Bytes($"\u0080\u0002}}{Weight}{Tensor}s.")), ("a/data/0", new byte[16]))
                : written.ToArray();
        Random random = new(seed);
        int read = 0;
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = [.. intact];
            for (int flips = random.Next(1, 4); flips > 0; flips--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (random.Next(4) == 0)
                bytes = bytes[..random.Next(bytes.Length)];
            try
            {
                TorchWeights.Read(new MemoryStream(bytes), "damaged", new TorchLimits { MaxBytes = 1 << 20 });
                read++;
            }
            catch (GraphException)
            {
                // The expected outcome for most of them.
            }
        }

        Assert.IsGreaterThan(
            50,
            read,
            "some damaged files are still read, or nothing behind the first check was tried"
        );
    }

    /// <summary>A message that quoted such a name would write to the terminal what the file wants.</summary>
    [TestMethod]
    public void Dat_NameWithControlCharacters_IsNotQuoted()
    {
        string message = Fails([1, 3, (byte)'a', 0x1B, (byte)'[', 101]);
        StringAssert.Contains(message, "control characters");
        Assert.DoesNotContain("\u001b", message);
    }

    [TestMethod]
    public void Safetensors_CutShort_IsCalledOne() =>
        StringAssert.Contains(Fails([200, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'"']), "safetensors");

    /// <summary>Not only whole files: the parser alone, on pickles damaged behind any zip checksum.</summary>
    [TestMethod]
    public void PickleReader_DamagedPickles_NeverFailOtherwise()
    {
        byte[] intact = Bytes(
            $"\u0080\u0002}}q\0(X\u0001\0\0\0a{Tensor}q\u0001X\u0001\0\0\0bh\u0001X\u0001\0\0\0c](K\u0001K\u0002eu."
        );
        Random random = new(7);
        for (int i = 0; i < 100_000; i++)
        {
            byte[] bytes = [.. intact];
            for (int flips = random.Next(1, 5); flips > 0; flips--)
                bytes[random.Next(bytes.Length)] =
                    random.Next(3) == 0 ? intact[random.Next(intact.Length)] : (byte)random.Next(256);
            try
            {
                PickleReader reader = new(bytes, new PickleRules(isScript: i % 2 == 0));
                TensorNames.Of(reader.Read(), 100);
            }
            catch (FormatException)
            {
                // The expected outcome.
            }
        }
    }

    private static void Refused(string pickle, byte[] storage, string reason) =>
        StringAssert.Contains(Assert.ThrowsExactly<GraphException>(() => Read(pickle, storage)).Message, reason);

    private static string Fails(byte[] file, TorchLimits? limits = null) =>
        Assert.ThrowsExactly<GraphException>(() => TorchWeights.Read(new MemoryStream(file), "file", limits)).Message;

    private static NamedTensors Read(string pickle, byte[] storage) =>
        TorchWeights.Read(
            new MemoryStream(Zip(("a/data.pkl", Bytes("\u0080\u0002" + pickle)), ("a/data/0", storage))),
            "file"
        );

    private static byte[] Bytes(string latin) => Encoding.Latin1.GetBytes(latin);

    private static byte[] Zip(params (string Name, byte[] Content)[] entries)
    {
        using MemoryStream bytes = new();
        using (ZipArchive zip = new(bytes, ZipArchiveMode.Create, leaveOpen: true))
            foreach ((string name, byte[] content) in entries)
            {
                using Stream entry = zip.CreateEntry(name, CompressionLevel.NoCompression).Open();
                entry.Write(content);
            }

        return bytes.ToArray();
    }
}
