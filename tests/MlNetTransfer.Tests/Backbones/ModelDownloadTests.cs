using MlNetTransfer.Backbones;
using MlNetTransfer.Tests.Backbones.Onnx;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Backbones;

/// <summary>Against a web server of this machine that behaves and misbehaves.</summary>
[TestClass]
public sealed class ModelDownloadTests
{
    private static readonly byte[] Model = TinyOnnx.Model().ToBytes();
    private static readonly string Sha256 = UserCatalogTests.Hash(Model);

    [TestMethod]
    public void Add_Address_FetchesFollowsRedirectsAndChecksTheHash()
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(path =>
            path == "/start" ? LoopbackServer.Redirect("/m.onnx") : LoopbackServer.Ok(Model)
        );
        List<JobProgress> told = [];
        BackboneCard card = UserCatalogTests
            .Users(folder)
            .Add(
                New($"{server.Address.Replace("//", "//user:secret@", StringComparison.Ordinal)}/start?token=secret"),
                new Told(told)
            )
            .Card;
        StringAssert.Contains(card.Provenance, $"{server.Address}/start, SHA-256 {Sha256}");
        Assert.IsFalse(card.Provenance.Contains("secret", StringComparison.Ordinal));
        Assert.IsTrue(told.Any(t => t.Total == Model.Length && t.Done == Model.Length));
        CollectionAssert.AreEquivalent(
            new[] { "card.json", "model.onnx" },
            Directory.GetFiles(folder.File("home/my_net")).Select(Path.GetFileName).ToArray()
        );
    }

    [TestMethod]
    public void Add_AddressWithoutOrWithWrongHash_IsRefused()
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(_ => LoopbackServer.Ok(Model));
        UserCatalogTests.Refused(folder, New($"{server.Address}/m") with { Sha256 = null }, "--sha256");
        Assert.AreEqual(0, server.Requests, "without a hash nothing is fetched");
        UserCatalogTests.Refused(
            folder,
            New($"{server.Address}/m") with
            {
                Sha256 = new string('a', 64),
            },
            Sha256,
            new string('a', 64),
            "not used"
        );
    }

    [TestMethod]
    [DataRow(5_000_000_000L, "has 5,000,000,000 bytes")]
    [DataRow(-1L, "has more than 1,000 bytes")]
    public void Add_TooLarge_IsRefusedByHeaderOrOnTheWay(long length, string expected)
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(_ => LoopbackServer.Ok(Model, length));
        UserCatalogTests.Refused(
            folder,
            New($"{server.Address}/m") with
            {
                DownloadLimits = new DownloadLimits { MaxBytes = 1000 },
            },
            expected,
            "at most 1,000"
        );
    }

    [TestMethod]
    public void Add_CutShort_IsRefused()
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(_ => LoopbackServer.Ok(Model[..500], Model.Length));
        UserCatalogTests.Refused(folder, New($"{server.Address}/m"), "could not be fetched");
    }

    [TestMethod]
    public void Add_RedirectLoop_Ends()
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(_ => LoopbackServer.Redirect("/again"));
        UserCatalogTests.Refused(folder, New($"{server.Address}/m"), "more than 5 times");
        Assert.AreEqual(6, server.Requests);
    }

    [TestMethod]
    [DataRow("file:///etc/passwd")]
    [DataRow("ftp://127.0.0.1/m")]
    public void Add_RedirectToAnotherScheme_IsRefused(string to)
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(_ => LoopbackServer.Redirect(to));
        UserCatalogTests.Refused(folder, New($"{server.Address}/m"), "which is refused");
    }

    [TestMethod]
    [DataRow("file:///etc/passwd")]
    [DataRow("ftp://127.0.0.1/m.onnx")]
    [DataRow("s3://bucket/m.onnx")]
    public void Add_OtherSchemes_AreRefused(string address)
    {
        using TempFolder folder = new();
        UserCatalogTests.Refused(folder, New(address), "not an http or https address");
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Add_ServerThatStalls_EndsAfterTheLimit(bool beforeTheAnswer)
    {
        using TempFolder folder = new();
        using LoopbackServer server = new(_ => beforeTheAnswer ? null : LoopbackServer.Ok(Model[..500], Model.Length));
        long started = TimeProvider.System.GetTimestamp();
        UserCatalogTests.Refused(
            folder,
            New($"{server.Address}/stall") with
            {
                DownloadLimits = new DownloadLimits { Stall = TimeSpan.FromMilliseconds(300) },
            },
            "0.3 seconds"
        );
        Assert.IsLessThan(
            10,
            TimeProvider.System.GetElapsedTime(started).TotalSeconds,
            "0.3 seconds, and room for a busy machine"
        );
    }

    [TestMethod]
    public void Add_ErrorStatusOrNobodyThere_SaysSo()
    {
        using TempFolder folder = new();
        string gone;
        using (
            LoopbackServer server = new(_ =>
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8.ToArray()
            )
        )
        {
            UserCatalogTests.Refused(folder, New($"{server.Address}/m"), "404");
            gone = server.Address;
        }

        UserCatalogTests.Refused(folder, New($"{gone}/m"), "could not be fetched");
    }

    [TestMethod]
    public void Add_CancelledWhileFetching_StopsAtOnce()
    {
        using TempFolder folder = new();
        using CancellationTokenSource cancel = new(TimeSpan.FromMilliseconds(300));
        using LoopbackServer server = new(_ => null);
        Assert.Throws<OperationCanceledException>(() =>
            UserCatalogTests.Users(folder).Add(New($"{server.Address}/stall"), null, cancel.Token)
        );
        Assert.IsEmpty(Directory.GetFileSystemEntries(folder.File("home")));
    }

    private static NewBackbone New(string address) => UserCatalogTests.New(address) with { Sha256 = Sha256 };

    private sealed class Told(List<JobProgress> told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => told.Add(value);
    }
}
