using System.Collections.Concurrent;
using MlNetTransfer.Datasets;
using MlNetTransfer.Imaging;
using MlNetTransfer.Scoring;
using MlNetTransfer.Scoring.Remote;
using static MlNetTransfer.Tests.Scoring.ScoredFile;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>Images by web address: from named hosts alone, whatever a server does.</summary>
[TestClass]
public sealed class RemoteImagesTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromMilliseconds(5);

    [TestMethod]
    public void Run_ListOfAddresses_ScoresWhatTheServerHas()
    {
        using var task = new ScoreTask();
        using LoopbackServer server = Server(path => File.ReadAllBytes(Path.Combine(task.Folder, path)));
        string list = task.At("addresses.csv");
        File.WriteAllLines(
            list,
            task.Names.Select((name, i) => i % 2 == 0 ? $"{server.Address}/{name}" : $"inputs/{name}").Prepend("path")
        );
        ScoreOptions options = task.Options(list, task.At("web.csv")) with { Hosts = [server.Address] };
        ScoreSummary summary = new ScoreJob(options).Run();
        Assert.AreEqual((20L, 1L), (summary.Rows, summary.Rejected), "the damaged one");
        new ScoreJob(task.Options(task.Folder, task.At("files.csv"))).Run();
        CollectionAssert.AreEqual(
            Csv(task.At("files.csv")).Select(row => row["probability"]).ToArray(),
            Csv(task.At("web.csv")).Select(row => row["probability"]).ToArray()
        );
        ScoreSummary none = new ScoreJob(options with { Hosts = [], Output = task.At("none.csv") }).Run();
        Assert.AreEqual(10 + (task.Names.ToList().IndexOf("b/broken.bmp") % 2), none.Rejected);
        StringAssert.Contains(none.FirstRejected[0].Reason, "not among the hosts that images may be fetched from");
        StringAssert.Contains(none.FirstRejected[0].Reason, "name it with --hosts");
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new ScoreJob(options with { Input = task.Folder, Output = task.At("none2.csv") }).Run()
                )
                .Message,
            "--hosts has no effect here"
        );
    }

    [TestMethod]
    public void Fetch_WhatServersDo_IsSaidOfEachImage()
    {
        var tries = new ConcurrentDictionary<string, int>();
        using LoopbackServer server = Server(
            path =>
                path switch
                {
                    "long" => new byte[2000],
                    "redirect" or "elsewhere" or "loop" => null,
                    "busy" => tries.AddOrUpdate(path, 1, (_, n) => n + 1) < 3 ? throw new IOException() : [7],
                    "gone" => throw new FileNotFoundException(),
                    _ => [1, 2],
                },
            path =>
                path switch
                {
                    "redirect" => "/fine",
                    "loop" => "/loop",
                    _ => "http://169.254.169.254/secret",
                }
        );
        using var remote = new RemoteImages([server.Address], new ImageLimits { MaxBytes = 1000 }, Soon);
        IReadOnlyList<ScoreInput> found = remote.Fetch(
            [
                .. ((string[])["fine", "redirect", "busy", "gone", "long", "loop", "elsewhere"]).Select(path =>
                    Input($"{server.Address}/{path}")
                ),
                Input("https://example.com/secret"),
                new ScoreInput("file", new FileLocation("file"), []),
            ],
            default
        );
        CollectionAssert.AreEqual(new byte[] { 1, 2 }, Bytes(found[0]));
        CollectionAssert.AreEqual(new byte[] { 1, 2 }, Bytes(found[1]), "on the same host");
        CollectionAssert.AreEqual(new byte[] { 7 }, Bytes(found[2]), "the third try");
        Assert.AreEqual("the server answers 404 (Not Found)", found[3].Fault);
        Assert.AreEqual("has 2,000 bytes; at most 1,000 are read", found[4].Fault);
        Assert.AreEqual("leads to another address more than 5 times", found[5].Fault);
        StringAssert.StartsWith(found[6].Fault, "leads to another address: '169.254.169.254' is not among the hosts");
        StringAssert.StartsWith(found[7].Fault, "'example.com' is not among the hosts");
        Assert.IsNotNull(found[8].Location);
        Assert.IsTrue(found.Take(8).All(input => input.Location is null == input.Fault is not null));
    }

    [TestMethod]
    public void Fetch_NoServerAnswers_EndsTheRunAndBlamesNoImage()
    {
        using LoopbackServer server = Server(_ => [1]);
        string host = FormattableString.Invariant($"http://127.0.0.1:{LoopbackServer.FreePort()}");
        using var remote = new RemoteImages([host, server.Address], new ImageLimits(), Soon);
        Assert.HasCount(
            7,
            Away(7).Where(input => input.Fault!.StartsWith("cannot be reached", StringComparison.Ordinal))
        );
        remote.Fetch([Input($"{server.Address}/a")], default);
        Assert.HasCount(4, Away(4), "an image that was had in between says that the network is there");
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Away(4)).Message,
            "Of 8 images nobody says anything, the last one http://127.0.0.1"
        );

        IReadOnlyList<ScoreInput> Away(int count) =>
            remote.Fetch([.. Enumerable.Range(0, count).Select(i => Input($"{host}/{i}"))], default);
    }

    [TestMethod]
    public void Fetch_MoreBytesThanAreHeld_AreFetchedAgainWhenTheyAreRead()
    {
        byte[] large = new byte[20 << 20];
        large[^1] = 7;
        using LoopbackServer server = Server(_ => large);
        using var remote = new RemoteImages([server.Address], new ImageLimits(), Soon);
        IReadOnlyList<ScoreInput> found = remote.Fetch(
            [.. Enumerable.Range(0, 5).Select(i => Input($"{server.Address}/{i}"))],
            default
        );
        Assert.HasCount(3, found.Where(input => input.Location is MemoryLocation));
        var again = (StreamLocation)found.First(input => input.Location is StreamLocation).Location!;
        using Stream stream = again.Open();
        using var bytes = new MemoryStream();
        stream.CopyTo(bytes);
        Assert.AreEqual(7, bytes.ToArray()[^1]);
    }

    [TestMethod]
    public void Run_AddressesOnStandardInput_AreFetchedOrHaveTheirError()
    {
        using var task = new ScoreTask();
        using LoopbackServer server = Server(path => File.ReadAllBytes(Path.Combine(task.Folder, path)));
        string lines = $"{server.Address}/{task.Names[0]}\nhttps://\u2100.example.com/x.png\n";
        foreach (
            string[] hosts in (string[][])
                [
                    [server.Address, "*.example.com"],
                    [],
                ]
        )
        {
            string output = task.At($"piped{hosts.Length}.csv");
            new ScoreJob(
                task.Options("-", output) with
                {
                    Hosts = hosts,
                },
                standardInput: new StringReader(lines)
            ).Run();
            List<Dictionary<string, string>> rows = Csv(output);
            Assert.AreEqual(hosts.Length == 0, rows[0]["error"].Contains("--hosts", StringComparison.Ordinal));
            Assert.AreNotEqual("", rows[1]["error"]);
        }
    }

    [TestMethod]
    [DataRow("images.example.com", "https://images.example.com/a.png", true)]
    [DataRow("images.example.com", "https://IMAGES.example.com:443/a.png", true)]
    [DataRow("images.example.com", "http://images.example.com/a.png", false)]
    [DataRow("images.example.com", "https://images.example.com:8443/a.png", false)]
    [DataRow("images.example.com", "https://images.example.com.evil.org/a.png", false)]
    [DataRow("images.example.com", "https://images.example.com@evil.org/a.png", false)]
    [DataRow("http://images.example.com", "http://images.example.com/a.png", true)]
    [DataRow("http://images.example.com", "https://images.example.com/a.png", true)]
    [DataRow("*.example.com", "https://a.b.example.com/a.png", true)]
    [DataRow("*.example.com", "https://example.com/a.png", false)]
    [DataRow("*.example.com", "https://evilexample.com/a.png", false)]
    [DataRow("example.com:8443", "https://example.com:8443/a.png", true)]
    public void Has_Address_IsOfThatHostAlone(string host, string address, bool expected) =>
        Assert.AreEqual(expected, AllowedHost.Of(host).Has(new Uri(address)));

    [TestMethod]
    [DataRow("")]
    [DataRow("*")]
    [DataRow("a/b")]
    [DataRow("user@host")]
    [DataRow("a b")]
    [DataRow("ftp://host")]
    public void Of_WhatIsNoHost_IsRefused(string text) =>
        Assert.ThrowsExactly<ArgumentException>(() => AllowedHost.Of(text));

    [TestMethod]
    public void Run_ObjectStorage_ScoresWhatIsBelowThePrefixAndGoesOn()
    {
        using var task = new ScoreTask();
        using var store = new Objects(task.Folder, ["folder/", .. task.Names, "z/denied", "z/gone"]);
        ObjectStores.Add("test", _ => store);
        ScoreOptions options = task.Options("test://bucket/prefix", task.At("objects.csv"));
        using var cancellation = new CancellationTokenSource();
        store.Cancel = (12, cancellation);
        Assert.Throws<OperationCanceledException>(() =>
            new ScoreJob(options with { RateLimit = 4 }).Run(null, cancellation.Token)
        );
        store.Cancel = null;
        ScoreSummary summary = new ScoreJob(options with { RateLimit = null }).Run();
        Assert.AreEqual((22L, 3L), (summary.Rows, summary.Rejected));
        Assert.IsTrue(summary.FromBefore > 0 && store.Begun is not null, "the listing goes on behind the last key");
        List<Dictionary<string, string>> rows = Csv(task.At("objects.csv"));
        CollectionAssert.AreEqual(
            task.Names.Append("z/denied").Append("z/gone").ToArray(),
            rows.Select(row => row["file"]).ToArray()
        );
        Assert.AreEqual("may not be read", rows[20]["error"]);
        Assert.AreEqual("is not there", rows[21]["error"]);
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new ScoreJob(options with { Input = "gs://bucket", Output = task.At("none.csv") }).Run()
                )
                .Message,
            "nothing here knows what 'gs://' is"
        );
    }

    [TestMethod]
    public void Run_AnotherBatchWhereNothingWasWritten_Begins()
    {
        using var task = new ScoreTask();
        string output = task.At("begun.csv");
        ObjectStores.Add("failing", _ => new Objects(task.Folder, []) { Fails = true });
        Assert.ThrowsExactly<TransferException>(() => new ScoreJob(task.Options("failing://x", output)).Run());
        Assert.IsTrue(Directory.Exists(output + ".scoring"));
        Assert.AreEqual(20, new ScoreJob(task.Options(task.Folder, output)).Run().Rows);
    }

    private static ScoreInput Input(string address) => new(address, null, []) { Address = new Uri(address) };

    private static byte[] Bytes(ScoreInput input) => ((MemoryLocation)input.Location!).Bytes.ToArray();

    /// <summary>Files as objects, by the keys given.</summary>
    private sealed class Objects(string folder, string[] keys) : IObjectStore
    {
        private int opened;

        public string Name => "test://bucket/prefix";

        public string? Begun { get; private set; }

        public bool Fails { get; init; }

        public (int After, CancellationTokenSource Source)? Cancel { get; set; }

        public async IAsyncEnumerable<string> ListAsync(
            string? after,
            [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation
        )
        {
            Begun = after;
            await Task.Yield();
            if (Fails)
                throw new TransferException("There is no such bucket.");
            foreach (string key in after is null ? keys : keys.Skip(Array.IndexOf(keys, after) + 1))
                yield return key;
        }

        public Task<Stream> OpenAsync(string key, CancellationToken cancellation)
        {
            if (Interlocked.Increment(ref opened) == Cancel?.After)
                Cancel?.Source.Cancel();
            return key switch
            {
                "z/denied" => throw new UnauthorizedAccessException("may not be read"),
                "z/gone" => throw new FileNotFoundException("is not there"),
                _ => Task.FromResult<Stream>(File.OpenRead(Path.Combine(folder, key))),
            };
        }

        public void Dispose() { }
    }

    /// <summary>
    /// Answers with bytes by path; where they are null, with another address; a missing file is 404, any other error
    /// 503.
    /// </summary>
    private static LoopbackServer Server(Func<string, byte[]?> content, Func<string, string>? elsewhere = null) =>
        new(
            (path, context) =>
            {
                try
                {
                    if (content(path) is { } bytes)
                        LoopbackServer.Send(context, 200, bytes);
                    else
                        (context.Response.StatusCode, context.Response.RedirectLocation) = (302, elsewhere!(path));
                }
                catch (FileNotFoundException)
                {
                    context.Response.StatusCode = 404;
                }
                catch (IOException)
                {
                    context.Response.StatusCode = 503;
                }
            }
        );
}
