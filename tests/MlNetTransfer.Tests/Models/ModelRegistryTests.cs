using Microsoft.Data.Sqlite;
using MlNetTransfer.Models;
using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Shared;
using MlNetTransfer.Tests.Training.FineTuning;
using MlNetTransfer.Training;

namespace MlNetTransfer.Tests.Models;

/// <summary>Models by name: what a stage has, what it had, and that nothing else can take its place.</summary>
[TestClass]
public sealed class ModelRegistryTests
{
    private static readonly TuneTask Task = new();
    private static readonly Lazy<PostgresServer> Server = new(() => PostgresServer.Begin(Assert.Inconclusive));

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        DatabaseModels.Register();
        for (int seed = 1; seed <= 3; seed++)
            Task.Run(Task.Options($"m{seed}", TrainingStrategy.Head) with { Seed = seed });
    }

    [ClassCleanup]
    public static void Remove()
    {
        Task.Dispose();
        if (Server.IsValueCreated)
            Server.Value.Dispose();
    }

    [TestMethod]
    [DataRow("folder")]
    [DataRow("sqlite")]
    [DataRow("postgres")]
    public void Stages_PromotedAndRolledBack_HaveTheVersionThatIsMeant(string kind)
    {
        using var folder = new TempFolder();
        var registry = new ModelRegistry(Place(kind, folder));
        Assert.IsEmpty(registry.List());
        Contains("It has: none.", () => registry.Find("stripes"));
        string[] versions = new string[3];
        for (int i = 0; i < 3; i++)
        {
            versions[i] = registry.Add("stripes", Model(i + 1), reason: $"seed {i + 1}");
            Assert.AreEqual(versions[i], registry.Promote("stripes"));
        }

        Assert.HasCount(3, versions.Distinct().ToArray());
        CollectionAssert.AreEqual(
            File.ReadAllBytes(Model(3)),
            File.ReadAllBytes(registry.Resolve("registry:stripes@production"))
        );
        Assert.AreEqual(versions[1], registry.RollBack("stripes"));
        Assert.AreEqual(versions[0], registry.RollBack("stripes"), "a second time: one further back");
        Contains("there is none to go back to", () => registry.RollBack("stripes"));
        RegisteredModel model = registry.List().Single();
        Assert.AreEqual(versions[0], model.Stages["production"]);
        Assert.AreEqual(versions[2], model.Stages["candidate"]);
        Assert.HasCount(8, model.Entries);
        Assert.AreEqual("seed 2", model.Entries[2].Reason);
        // After going back, the next promotion counts from there.
        registry.Promote("stripes");
        Assert.AreEqual(versions[0], registry.RollBack("stripes"));
        string byDigest = registry.Resolve($"stripes@{versions[1][..8].ToUpperInvariant()}");
        Assert.AreEqual(versions[1], FileDigest.Of(byDigest));
    }

    [TestMethod]
    public void Resolve_AVersionThatWasChanged_IsRefused()
    {
        using var folder = new TempFolder();
        var registry = new ModelRegistry(folder.Path);
        registry.Add("stripes", Model(1));
        string file = registry.Resolve("stripes@candidate");
        byte[] bytes = File.ReadAllBytes(file);
        bytes[^1] ^= 1;
        File.WriteAllBytes(file, bytes);
        Contains("it was changed", () => registry.Resolve("stripes@candidate"));
        Contains("it was changed", () => registry.Promote("stripes"));
    }

    [TestMethod]
    public void Names_OutOfTheFolderOrUnknown_AreRefused()
    {
        using var folder = new TempFolder();
        var registry = new ModelRegistry(folder.Path);
        registry.Add("stripes", Model(1));
        foreach (string name in new[] { "", "..", "../x", "a/b", ".hidden", "a b", new string('a', 65) })
            Contains("The name of the", () => registry.Add(name, Model(1)));
        Contains("The name of the stage", () => registry.Add("stripes", Model(1), "../../x"));
        Contains("has no model 'spots'. It has: stripes.", () => registry.Resolve("registry:spots@production"));
        Contains("Stages: candidate; versions:", () => registry.Resolve("registry:stripes@production"));
        Contains("is no address", () => registry.Resolve("registry:stripes"));
        folder.Write("no.onnx", "no model"u8.ToArray());
        Assert.Throws<Exception>(() => registry.Add("other", folder.File("no.onnx")));
        Contains("has no model 'spots'", () => registry.Promote("spots"));
        Contains("has no model 'spots'", () => registry.RollBack("spots"));
        Assert.HasCount(1, Directory.GetDirectories(folder.Path));
    }

    /// <summary>A copy on this machine is made again; what the database itself has is refused.</summary>
    [TestMethod]
    public void Resolve_AVersionThatWasChangedInADatabase_IsRefused()
    {
        using var folder = new TempFolder();
        var registry = new ModelRegistry(Place("sqlite", folder));
        string version = registry.Add("stripes", Model(1)),
            copy = registry.Resolve("stripes@candidate");
        File.WriteAllBytes(copy, [1, 2, 3]);
        Assert.AreEqual(copy, registry.Resolve("stripes@candidate"));
        Assert.AreEqual(version, FileDigest.Of(copy));
        Change(folder, "UPDATE mlnet_transfer_versions SET bytes = x'00'");
        Assert.AreEqual(version, FileDigest.Of(registry.Resolve("stripes@candidate")), "the copy is right");
        File.Delete(copy);
        Contains("it was changed", () => registry.Resolve("stripes@candidate"));
        Assert.IsFalse(File.Exists(copy), "what is wrong never has the name");
        Assert.AreEqual(version, registry.Add("stripes", Model(1)), "adding it again mends it");
        Assert.AreEqual(copy, registry.Resolve("stripes@candidate"));
    }

    /// <summary>A version and a stage name files: whoever writes to the database must not choose which.</summary>
    [TestMethod]
    [DataRow("version", "../../../evil")]
    [DataRow("version", "short")]
    [DataRow("stage", "../../../evil")]
    public void Resolve_AnEntryOfSomebodyElse_IsRefused(string column, string value)
    {
        using var folder = new TempFolder();
        var registry = new ModelRegistry(Place("sqlite", folder));
        registry.Add("stripes", Model(1));
        Change(folder, $"UPDATE mlnet_transfer_models SET {column} = '{value}'");
        Assert.ThrowsExactly<TransferException>(() => registry.Resolve("stripes@candidate"));
        Assert.ThrowsExactly<TransferException>(() => registry.Find("stripes"));
        Assert.ThrowsExactly<TransferException>(() => registry.RollBack("stripes", "candidate"));
    }

    private static void Change(TempFolder folder, string text)
    {
        using var connection = new SqliteConnection($"Data Source={folder.File("registry.db")};Pooling=False");
        connection.Open();
        using SqliteCommand change = connection.CreateCommand();
        change.CommandText = text;
        Assert.AreEqual(1, change.ExecuteNonQuery());
    }

    [TestMethod]
    public void Place_OfNoKindOrAway_SaysWhatWasExpected()
    {
        Contains("The registry begins with 'mongo:'", () => _ = new ModelRegistry("mongo://server/models"));
        using var folder = new TempFolder();
        folder.Write("text.db", "no database"u8.ToArray());
        Contains(ModelRegistry.Variable, () => new ModelRegistry($"sqlite:{folder.File("text.db")}").List());
    }

    [TestMethod]
    [DataRow("folder")]
    [DataRow("sqlite")]
    [DataRow("postgres")]
    public void Add_ByEightAtATime_LosesNoEntry(string kind)
    {
        using var folder = new TempFolder();
        string place = Place(kind, folder);
        Parallel.For(
            0,
            8,
            _ =>
            {
                while (true)
                    try
                    {
                        new ModelRegistry(place).Add("stripes-of-eight", Model(1));
                        return;
                    }
                    catch (TransferException e) when (e.Message.Contains("is in use", StringComparison.Ordinal))
                    {
                        Thread.Sleep(10);
                    }
            }
        );
        Assert.HasCount(8, new ModelRegistry(place).Find("stripes-of-eight").Entries);
    }

    /// <summary>A new database, or the folder itself.</summary>
    private static string Place(string kind, TempFolder folder) =>
        kind switch
        {
            "sqlite" => $"sqlite:{folder.File("registry.db")}",
            "postgres" => Server.Value.NewDatabase(),
            _ => folder.Path,
        };

    private static string Model(int seed) => Task.File($"m{seed}/model.onnx");

    private static void Contains(string said, Action act) =>
        StringAssert.Contains(Assert.ThrowsExactly<TransferException>(act).Message, said);
}
