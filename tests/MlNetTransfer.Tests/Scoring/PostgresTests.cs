using MlNetTransfer.Scoring;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>A real server: rows by COPY, input by a query, one run per part.</summary>
[TestClass]
public sealed class PostgresTests
{
    private static ScoreTask task = null!;
    private static PostgresServer server = null!;

    [ClassInitialize]
    public static void Prepare(TestContext _) =>
        (server, task) = (PostgresServer.Begin(Assert.Inconclusive), new ScoreTask());

    [ClassCleanup]
    public static void CleanUp()
    {
        task?.Dispose();
        server?.Dispose();
    }

    [TestMethod]
    public void Run_IntoATableAndOutOfOne_KeepsEveryRow()
    {
        new ScoreJob(task.Options(task.Folder, server.Address) with { Table = "first", Top = 2 }).Run();
        Assert.AreEqual(20L, server.Scalar("SELECT COUNT(*) FROM first"));
        Assert.AreEqual(19L, server.Scalar("SELECT COUNT(*) FROM first WHERE probability + probability_2 > 0.3"));
        ScoreJob second = new(
            task.Options(server.Address, task.At("out-of-a-table.csv")) with
            {
                Query = "SELECT file AS name, '" + task.Folder + "/' || file AS path, prediction AS said FROM first",
                KeyColumn = "name",
            }
        );
        Assert.AreEqual(20, second.Run().Rows);
        StringAssert.StartsWith(
            File.ReadLines(task.At("out-of-a-table.csv")).First(),
            "file,path,said,prediction,probability,abstained"
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new ScoreJob(task.Options(task.Folder, server.Address) with { Table = "first" }).Run()
                )
                .Message,
            "is of another batch"
        );
    }

    [TestMethod]
    public void Commit_ASecondRunOfTheSamePart_IsRefusedBeforeItDoublesARow()
    {
        var identity = new ScoreIdentity("0123456789abcdef0", "input", "file", "all");
        ScoreColumn[] columns = [new("file", ColumnType.Text)];
        using ScoreSink one = Sink(),
            other = Sink();
        Assert.AreEqual(ScoreState.Nothing, one.Open(identity, columns, restart: false).State);
        Assert.AreEqual(ScoreState.Nothing, other.Open(identity, columns, restart: false).State);
        ScoreState after = ScoreState.Nothing with { Items = 1, Last = "a", Keys = new string('1', 64) };
        one.Commit(
            [
                ["a"],
            ],
            after,
            default
        );
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    other.Commit(
                        [
                            ["b"],
                        ],
                        after with
                        {
                            Last = "b",
                        },
                        default
                    )
                )
                .Message,
            "Another run is writing part 1/1"
        );
        Assert.AreEqual(1L, server.Scalar("SELECT COUNT(*) FROM doubled"));

        ScoreSink Sink() =>
            ScoreSink.Of(
                task.Options(task.Folder, server.Address) with
                {
                    Table = "doubled",
                },
                new WorkPlace(task.At("doubled")),
                _ => { },
                TimeProvider.System
            );
    }

    [TestMethod]
    public void Parse_EveryForm_ReachesTheServer()
    {
        Assert.IsTrue(DatabaseAddress.TryParse(server.Address + "?sslmode=disable", out DatabaseAddress? address));
        using System.Data.Common.DbConnection connection = address.Open(toWrite: false);
        Assert.AreEqual("postgres", connection.Database);
        StringAssert.DoesNotMatch(
            PostgresAddress.Parse("postgres://me:secret@db.example/a%20b").Name,
            new System.Text.RegularExpressions.Regex("secret|me")
        );
        Assert.AreEqual("postgres://db.example:5432/a b", PostgresAddress.Parse("postgres://db.example/a%20b").Name);
        Assert.ThrowsExactly<TransferException>(() => PostgresAddress.Parse("Host=x;Nonsense=1"));
    }
}

/// <summary>A server of its own that dies: no row is lost, none doubled.</summary>
[TestClass]
public sealed class PostgresDeathTests
{
    private const string Counts =
        "SELECT COUNT(*) || ' ' || COUNT(DISTINCT file) || ' ' || COUNT(error) FROM predictions";

    [TestMethod]
    public void Run_ServerDiesInTheMiddle_WaitsAndLosesNothing()
    {
        using PostgresServer server = PostgresServer.Begin(Assert.Inconclusive);
        using ScoreTask task = new();
        ScoreOptions options = task.Options(task.Folder, server.Address) with { RateLimit = 4 };
        int killed = 0;
        var progress = new Killer(done =>
        {
            if (done is 6 or 13 && Interlocked.Increment(ref killed) <= 2)
            {
                server.Kill();
                _ = Task.Run(() =>
                {
                    Thread.Sleep(1500);
                    server.Start();
                });
            }
        });
        ScoreSummary summary = new ScoreJob(options).Run(progress);
        Assert.IsGreaterThan(0, killed);
        Assert.AreEqual(20, summary.Rows);
        Assert.AreEqual("20 20 1", server.Scalar(Counts));
        Assert.IsTrue(new ScoreJob(options with { RateLimit = null }).Run().WasComplete);
    }

    private sealed class Killer(Action<long> told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => told(value.Done);
    }
}
