using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>The cache: what it holds, and that the least recently used goes first.</summary>
[TestClass]
public sealed class CacheCommandTests
{
    private static readonly DateTime Now = new(2026, 11, 29, 12, 0, 0, DateTimeKind.Utc);

    [TestMethod]
    public void Prune_ToASize_RemovesTheLeastRecentlyUsed()
    {
        using var folder = new TempFolder();
        Put(folder, "features/a.features", 400, days: 3);
        Put(folder, "features/b.features", 300, days: 1);
        Put(folder, "features/b.features.lock", 0, days: 1);
        Put(folder, "backbones/net/model.onnx", 500, days: 40);
        Put(folder, "backbones/net/card.json", 10, days: 2);
        Put(folder, "scoring/batch/inputs", 1000, days: 90);
        CollectionAssert.AreEqual(
            new[] { 400L, 300, 510 },
            CacheContents.List(folder.Path).Select(item => item.Bytes).ToArray()
        );
        CachePruned would = CacheContents.Prune(900, folder: folder.Path, pretend: true);
        Assert.AreEqual("a.features", Path.GetFileName(would.Removed.Single().Path));
        Assert.IsTrue(File.Exists(folder.File("features/a.features")));
        CachePruned done = CacheContents.Prune(300, TimeSpan.FromDays(2.5), folder.Path, clock: new Clock());
        CollectionAssert.AreEqual(
            new[] { "a.features", "net" },
            done.Removed.Select(item => Path.GetFileName(item.Path)).ToArray()
        );
        Assert.AreEqual(300, done.KeptBytes);
        Assert.IsFalse(Directory.Exists(folder.File("backbones/net")));
        Assert.IsTrue(File.Exists(folder.File("scoring/batch/inputs")), "what batches remember is no cache");
    }

    [TestMethod]
    [DataRow("--max-size", "5", "expected a number and a unit: B, KB, MB, GB or TB")]
    [DataRow("--max-size", "-1GB", "expected a number and a unit")]
    [DataRow("--unused-for", "3w", "expected a number and a unit: m, h or d")]
    public void Prune_WhatIsNoSizeOrTime_IsRefused(string option, string value, string said)
    {
        CliResult result = Cli.Run("cache", "prune", option, value);
        Assert.AreEqual(ExitCode.Usage, result.Code);
        StringAssert.Contains(result.Error, said);
    }

    [TestMethod]
    public void Cache_OnTheCommandLine_SaysWhatThereIs()
    {
        Assert.AreEqual(ExitCode.Usage, Cli.Run("cache", "prune").Code);
        Assert.IsTrue(File.Exists(Trained.Model));
        StringAssert.Contains(Cli.Run("cache", "show").Output, "features/");
        CliResult would = Cli.Run("cache", "prune", "--max-size", "0B", "--dry-run");
        StringAssert.Contains(would.Output, "would be removed; 0 B stay.");
        Assert.AreEqual(ExitCode.Done, Cli.Run("cache", "show", "--json").Code);
    }

    private static void Put(TempFolder folder, string name, int bytes, double days)
    {
        string path = folder.Write(name, new byte[bytes]);
        File.SetLastWriteTimeUtc(path, Now.AddDays(-days));
        File.SetLastAccessTimeUtc(path, Now.AddDays(-days));
    }

    private sealed class Clock : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => Now;
    }
}
