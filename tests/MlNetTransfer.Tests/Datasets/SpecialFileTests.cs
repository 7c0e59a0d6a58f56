using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.Versioning;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;
using MlNetTransfer.Onnx.Weights;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

/// <summary>What is no regular file is refused, where reading it would block for ever.</summary>
[TestClass]
[UnsupportedOSPlatform("windows")]
[OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
public sealed class SpecialFileTests : IDisposable
{
    private readonly TempFolder folder = new();

    public void Dispose() => folder.Dispose();

    [TestMethod]
    [Timeout(30_000, CooperativeCancellation = true)]
    public async Task Read_PipeSocketDeviceAmongImages_IsRejectedWithTheReason()
    {
        folder.Write("data/cat/1.bmp", Bmp.Plain(1, 2, 3));
        folder.Write("data/dog/1.bmp", Bmp.Plain(3, 2, 1));
        string pipe = Pipe("data/cat/pipe.jpg"),
            link = folder.File("data/cat/link.jpg"),
            device = folder.File("data/cat/device.jpg");
        File.CreateSymbolicLink(link, pipe);
        File.CreateSymbolicLink(device, "/dev/zero");
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder.File("data/dog/socket.jpg")));

        Dataset data = DatasetReader.Read(folder.File("data"));
        Assert.HasCount(6, data.Items, "none is dropped: the ledger names them when they are read");
        string[] refused = await Ends(() =>
            data.Items.Where(i => !i.Name.EndsWith(".bmp", StringComparison.Ordinal)).Select(Reason).ToArray()
        );
        Assert.HasCount(4, refused);
        foreach (string reason in refused)
            StringAssert.Contains(reason, "named pipe");
        using var reader = new ItemReader();
        Assert.AreEqual(1, data.Items.Count(i => i.Name == "cat/1.bmp" && reader.Read(i).Length > 0));
    }

    [TestMethod]
    [Timeout(30_000, CooperativeCancellation = true)]
    [DataRow("x.csv")]
    [DataRow("x.tsv")]
    [DataRow("x.jsonl")]
    [DataRow("x.zip")]
    public async Task Read_SourceThatIsAPipe_IsRefused(string name)
    {
        string pipe = Pipe(name);
        StringAssert.Contains(
            (await Ends(() => Assert.ThrowsExactly<TransferException>(() => DatasetReader.Read(pipe)))).Message,
            "named pipe"
        );
    }

    [TestMethod]
    [Timeout(30_000, CooperativeCancellation = true)]
    public async Task Load_ModelOrWeightsThatAreAPipe_AreRefused()
    {
        string pipe = Pipe("model.onnx");
        foreach (
            Action load in (Action[])
                [() => OnnxModel.Load(pipe), () => TransferModel.Load(pipe), () => SafetensorsFile.Load(pipe)]
        )
            StringAssert.Contains((await Ends(() => Assert.Throws<Exception>(load))).Message, "named pipe");
    }

    /// <summary>A blocked open cannot be cancelled; a thread of its own can be left behind.</summary>
    private static Task<T> Ends<T>(Func<T> work) =>
        Task
            .Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)
            .WaitAsync(TimeSpan.FromSeconds(10));

    private static string Reason(DataItem item)
    {
        using var reader = new ItemReader();
        return Assert
            .ThrowsExactly<ImageRejectedException>(() =>
            {
                reader.Read(item);
            })
            .Reason;
    }

    private string Pipe(string name)
    {
        using Process mkfifo = Process.Start("mkfifo", [folder.File(name)]);
        mkfifo.WaitForExit();
        Assert.AreEqual(0, mkfifo.ExitCode);
        return folder.File(name);
    }
}
