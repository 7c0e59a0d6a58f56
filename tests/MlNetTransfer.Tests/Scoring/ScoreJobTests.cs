using Microsoft.Data.Sqlite;
using MlNetTransfer.Jobs;
using MlNetTransfer.Scoring;
using static MlNetTransfer.Tests.Scoring.ScoredFile;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>Every input becomes one row, whatever its form, whatever the output, however often a run is ended.</summary>
[TestClass]
public sealed class ScoreJobTests
{
    private static ScoreTask task = null!;
    private static readonly Lazy<string> databaseOfImages = new(() => task.Input(".db"));

    [ClassInitialize]
    public static void Prepare(TestContext _) => task = new ScoreTask();

    [ClassCleanup]
    public static void CleanUp() => task.Dispose();

    [TestMethod]
    [DataRow("")]
    [DataRow(".csv")]
    [DataRow(".jsonl")]
    [DataRow(".txt")]
    [DataRow(".zip")]
    [DataRow(".tar")]
    [DataRow(".tar.gz")]
    [DataRow(".parquet")]
    public void Run_EveryKindOfInput_GivesEachImageWhatPredictSays(string kind)
    {
        string output = task.At($"kind{kind}.csv");
        ScoreSummary summary = new ScoreJob(task.Options(task.Input(kind), output) with { Probabilities = true }).Run();
        Assert.AreEqual((20L, 1L, 0L), (summary.Rows, summary.Rejected, summary.FromBefore));
        PredictionSummary expected = new PredictJob(
            new PredictOptions { Model = task.Model, Images = [task.Folder] }
        ).Run();
        List<Dictionary<string, string>> rows = Csv(output);
        Assert.HasCount(20, rows);
        foreach (Dictionary<string, string> row in rows)
        {
            string name = row["file"].Replace("inputs/", "", StringComparison.Ordinal);
            if (name == "b/broken.bmp")
            {
                StringAssert.Contains(row["error"], "not an image");
                Assert.AreEqual("", row["prediction"]);
                continue;
            }

            Prediction prediction = expected.Predictions.Single(p =>
                $"/{p.File}".EndsWith($"/{name}", StringComparison.Ordinal)
            );
            Assert.AreEqual(prediction.Label, row["prediction"], name);
            Assert.AreEqual(prediction.Probability, Number(row["probability"]), name);
            Assert.AreEqual(prediction.Probabilities.Span[1], Number(row["p_chequer"]), name);
            Assert.AreEqual(prediction.UnknownScore, Number(row["unknown_score"]), name);
            Assert.AreEqual(string.Join('|', prediction.Set!), row["set"], name);
            Assert.AreEqual(prediction.Abstained?.ToString().ToLowerInvariant() ?? "", row["abstained"], name);
            Assert.AreEqual("", row["error"], name);
        }

        if (kind is ".csv" or ".jsonl")
            CollectionAssert.AreEqual(
                Enumerable.Range(0, 20).Select(i => $"c, {i}").ToArray(),
                rows.Select(row => row["camera"]).ToArray(),
                "other columns go along, in order"
            );
    }

    [TestMethod]
    [DataRow(null)]
    [DataRow("content")]
    public void Run_QueryOfADatabase_OrdersByItsKey(string? bytes)
    {
        string output = task.At($"query{bytes}.csv"),
            input = task.At($"query{bytes}.db");
        File.Copy(databaseOfImages.Value, input);
        ScoreOptions options = task.Options(input, output) with
        {
            Query = "SELECT id, path, content, camera FROM images WHERE id > 2",
            BytesColumn = bytes,
        };
        ScoreSummary summary = new ScoreJob(options).Run();
        Assert.AreEqual((19L, 1L), (summary.Rows, summary.Rejected));
        List<Dictionary<string, string>> rows = Csv(output);
        CollectionAssert.AreEqual(
            Enumerable.Range(1, 19).Select(i => $"{7 * i + 2}").ToArray(),
            rows.Select(row => row["file"]).ToArray()
        );
        Assert.IsTrue(rows.All(row => row["camera"] == "c"));
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() =>
                    new ScoreJob(options with { KeyColumn = "number", Output = task.At("other.csv") }).Run()
                )
                .Message,
            "no column 'number'; it has id, path, content, camera"
        );
        byte[] before = File.ReadAllBytes(input);
        new ScoreJob(options with { Output = task.At($"again{bytes}.csv") }).Run();
        CollectionAssert.AreEqual(before, File.ReadAllBytes(input), "a database that is read stays as it was");
        Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options with { Input = task.At("none.db") }).Run());
        Assert.IsFalse(File.Exists(task.At("none.db")), "nor is one made");
    }

    [TestMethod]
    public void Run_EveryKindOfOutput_HasTheSameRows()
    {
        List<Dictionary<string, string>> csv = Scored("same.csv", o => o with { Top = 2 }, Csv);
        List<Dictionary<string, string>> json = Scored("same.jsonl", o => o with { Top = 2 }, JsonLines);
        List<Dictionary<string, string>> parquet = Scored("same.parquet", o => o with { Top = 2 }, ParquetRows);
        List<Dictionary<string, string>> sqlite = Scored("same.db", o => o with { Top = 2, Table = "answers" }, Sqlite);
        CollectionAssert.AreEqual(
            new[]
            {
                "file",
                "prediction",
                "probability",
                "prediction_2",
                "probability_2",
                "abstained",
                "set",
                "unknown",
            },
            csv[0].Keys.Take(8).ToArray()
        );
        foreach (List<Dictionary<string, string>> other in new[] { json, parquet, sqlite })
        {
            Assert.HasCount(csv.Count, other);
            for (int i = 0; i < csv.Count; i++)
            {
                CollectionAssert.AreEqual(csv[i].Keys, other[i].Keys);
                CollectionAssert.AreEqual(csv[i].Values, other[i].Values, csv[i]["file"]);
            }
        }
    }

    [TestMethod]
    [DataRow("resumed.csv")]
    [DataRow("resumed.jsonl")]
    [DataRow("resumed.parquet")]
    [DataRow("resumed.db")]
    public void Run_CancelledAgainAndAgain_EndsInTheRowsOfOneRun(string name)
    {
        Func<string, List<Dictionary<string, string>>> read = Path.GetExtension(name) switch
        {
            ".csv" => Csv,
            ".jsonl" => JsonLines,
            ".parquet" => ParquetRows,
            _ => Sqlite,
        };
        List<Dictionary<string, string>> whole = Scored(
            "whole-" + name,
            o => o with { RateLimit = 2000, Table = "answers" },
            read
        );
        ScoreOptions options = task.Options(task.Folder, task.At(name)) with { RateLimit = 3, Table = "answers" };
        int interrupted = 0;
        for (int after = 1; after < 8; after++)
        {
            using var cancellation = new CancellationTokenSource();
            int seen = 0,
                last = after;
            var progress = new Told(_ =>
            {
                if (++seen >= last + 3)
                    cancellation.Cancel();
            });
            try
            {
                new ScoreJob(options with { RateLimit = 3000 - after }).Run(progress, cancellation.Token);
                break;
            }
            catch (OperationCanceledException)
            {
                interrupted++;
            }
        }

        Assert.IsGreaterThan(0, interrupted);
        ScoreSummary ended = new ScoreJob(options with { RateLimit = null }).Run();
        Assert.AreEqual((20L, 1L), (ended.Rows, ended.Rejected));
        List<Dictionary<string, string>> found = read(task.At(name));
        CollectionAssert.AreEqual(
            whole.Select(row => string.Join(',', row.Values)).ToArray(),
            found.Select(row => string.Join(',', row.Values)).ToArray()
        );
        ScoreSummary again = new ScoreJob(options with { RateLimit = null }).Run();
        Assert.IsTrue(again.WasComplete);
        Assert.AreEqual(20, again.Rows);
    }

    [TestMethod]
    public void Open_WhatAKillLeftBehindTheLastSegment_IsCutOff()
    {
        string output = task.At("cut.csv");
        ScoreOptions options = task.Options(task.Folder, output);
        Cancelled(options with { RateLimit = 5 }, after: 6);
        string work = output + ".scoring";
        Assert.IsGreaterThan(0, File.ReadAllLines(Path.Combine(work, "ledger.jsonl")).Length, "a segment is committed");
        File.AppendAllText(Path.Combine(work, "rows"), "half a row, and no end");
        File.AppendAllText(Path.Combine(work, "ledger.jsonl"), """{"Items":99,"Rej""");
        ScoreSummary summary = new ScoreJob(options).Run();
        Assert.IsGreaterThan(0, summary.FromBefore);
        CollectionAssert.AreEqual(task.Names.ToArray(), Csv(output).Select(row => row["file"]).ToArray());
        Assert.IsFalse(Directory.Exists(work));
    }

    [TestMethod]
    public void Run_FolderThatGrewSince_ScoresWhatWasThereAtTheStart()
    {
        using var own = new ScoreTask(10);
        ScoreOptions options = own.Options(own.Folder, own.At("grown.csv"));
        Cancelled(options with { RateLimit = 3 }, after: 4);
        File.Copy(Path.Combine(own.Folder, "000.bmp"), Path.Combine(own.Folder, "0.bmp"));
        File.Delete(Path.Combine(own.Folder, own.Names[8]));
        ScoreSummary summary = new ScoreJob(options).Run();
        Assert.AreEqual((10L, 2L), (summary.Rows, summary.Rejected), "the one that is gone has its row too");
        CollectionAssert.AreEqual(own.Names.ToArray(), Csv(own.At("grown.csv")).Select(r => r["file"]).ToArray());
    }

    [TestMethod]
    public void Run_AnotherBatchAtTheSameOutput_IsRefusedAndNothingIsTouched()
    {
        string output = task.At("taken.csv");
        new ScoreJob(task.Options(task.Folder, output)).Run();
        byte[] before = File.ReadAllBytes(output);
        StringAssert.Contains(Refused(o => o with { Top = 2 }), "columns 'prediction_2, probability_2' instead of ''");
        StringAssert.Contains(Refused(o => o with { Input = task.Input(".txt") }), "input 'list");
        StringAssert.Contains(Refused(o => o with { Limit = 3 }), "part 'all first 3' instead of 'all'");
        CollectionAssert.AreEqual(before, File.ReadAllBytes(output));
        Assert.IsFalse(Directory.Exists(output + ".scoring"));
        ScoreSummary anew = new ScoreJob(task.Options(task.Folder, output) with { Limit = 3, Restart = true }).Run();
        Assert.AreEqual(3, anew.Rows);
        Assert.HasCount(3, Csv(output));

        string foreign = task.At("foreign.csv");
        File.WriteAllText(foreign, "mine\n");
        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => new ScoreJob(task.Options(task.Folder, foreign)).Run())
                .Message,
            "is there already"
        );
        Assert.AreEqual("mine\n", File.ReadAllText(foreign));

        string Refused(Func<ScoreOptions, ScoreOptions> other) =>
            Assert
                .ThrowsExactly<TransferException>(() => new ScoreJob(other(task.Options(task.Folder, output))).Run())
                .Message;
    }

    [TestMethod]
    public void Run_ListThatChangedSince_IsRefused()
    {
        string list = task.At("changing.txt");
        File.WriteAllLines(list, task.Names.Select(name => $"inputs/{name}"));
        ScoreOptions options = task.Options(list, task.At("changing.csv"));
        Cancelled(options with { RateLimit = 5 }, after: 6);
        File.WriteAllLines(list, task.Names.Skip(1).Select(name => $"inputs/{name}"));
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options).Run()).Message,
            "has changed: its first"
        );
    }

    [TestMethod]
    public void Run_Shards_HaveEveryInputOnce()
    {
        List<string> files = [];
        for (int i = 1; i <= 3; i++)
        {
            string output = task.At($"shard{i}.csv");
            new ScoreJob(task.Options(task.Folder, output) with { Shard = new Shard(i, 3) }).Run();
            files.AddRange(Csv(output).Select(row => row["file"]));
            new ScoreJob(task.Options(task.Folder, task.At("shards.db")) with { Shard = new Shard(i, 3) }).Run();
        }

        CollectionAssert.AreEquivalent(task.Names.ToArray(), files);
        using var connection = new SqliteConnection($"Data Source={task.At("shards.db")};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT COUNT(*), COUNT(DISTINCT file) FROM predictions";
        using SqliteDataReader reader = command.ExecuteReader();
        Assert.IsTrue(reader.Read());
        Assert.AreEqual((20L, 20L), (reader.GetInt64(0), reader.GetInt64(1)));
    }

    [TestMethod]
    public void Run_StandardInput_ScoresEachPath()
    {
        string output = task.At("piped.csv");
        using var input = new StringReader(
            string.Join("\n", task.Names.Take(4).Select(n => Path.Combine(task.Folder, n)))
        );
        ScoreSummary summary = new ScoreJob(task.Options("-", output), standardInput: input).Run();
        Assert.AreEqual(4, summary.Rows);
        Assert.AreEqual(Path.Combine(task.Folder, task.Names[0]), Csv(output)[0]["file"]);
    }

    [TestMethod]
    public void Run_MoreErrorsThanAllowed_EndsAndKeepsWhatItHas()
    {
        string list = task.At("missing.txt");
        File.WriteAllLines(list, [.. Enumerable.Range(0, 30).Select(i => $"gone-{i}.bmp"), "inputs/000.bmp"]);
        ScoreOptions options = task.Options(list, task.At("missing.csv")) with { MaxErrors = 5 };
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options).Run()).Message,
            "30 of 31 inputs were rejected, and --max-errors allows 5; the first: gone-0.bmp"
        );
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options).Run()).Message,
            "30 of 31 inputs were rejected",
            "to run again is no way around the limit"
        );
        ScoreSummary more = new ScoreJob(options with { MaxErrors = 30 }).Run();
        Assert.AreEqual((31L, 30L, 31L), (more.Rows, more.Rejected, more.FromBefore));
    }

    /// <summary>The rows of a complete output are those of an input that is another one now.</summary>
    [TestMethod]
    public void Run_CompleteAndTheInputChanged_IsRefusedAndTheRowsStay()
    {
        string list = task.At("grows.txt"),
            output = task.At("grows.csv");
        string[] names = [.. task.Names.Select(name => $"inputs/{name}")];
        ScoreOptions options = task.Options(list, output);
        Scored(names[..4]);
        byte[] rows = File.ReadAllBytes(output);
        Assert.IsTrue(Scored(names[..4]).WasComplete);
        Refused(names[..6], "has more inputs than the 4 whose rows are complete in the output; the next is");
        Refused([names[5], .. names[1..4]], "has changed: its first 4 entries are not those that were scored");
        Refused(names[..3], "has changed: it ends after 3 of the 4 entries that were scored");
        CollectionAssert.AreEqual(rows, File.ReadAllBytes(output));

        // Standard input and folders are compared by what they have now.
        ScoreOptions typed = task.Options("-", task.At("typed.csv"));
        Typed(names[..3]);
        Assert.IsTrue(Typed(names[..3]).WasComplete);
        StringAssert.Contains(
            Assert.ThrowsExactly<TransferException>(() => Typed(names[3..6])).Message,
            "has changed: its first 3 entries"
        );
        Assert.IsFalse(Directory.Exists(task.At("typed.csv.scoring")), "nothing is left behind");
        Assert.IsTrue(Typed(names[..3]).WasComplete);

        ScoreSummary Scored(string[] lines)
        {
            File.WriteAllLines(list, lines);
            return new ScoreJob(options).Run();
        }

        ScoreSummary Typed(string[] lines) =>
            new ScoreJob(
                typed,
                standardInput: new StringReader(string.Join('\n', lines.Select(line => task.At(line))))
            ).Run();

        void Refused(string[] lines, string said) =>
            StringAssert.Contains(Assert.ThrowsExactly<TransferException>(() => Scored(lines)).Message, said);
    }

    [TestMethod]
    public void Run_EmptyTableOfSomebodyElse_IsRefusedWithItsColumns()
    {
        string file = task.At("foreign.db");
        using (var connection = new SqliteConnection($"Data Source={file};Pooling=False"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "CREATE TABLE predictions (id INTEGER)";
            command.ExecuteNonQuery();
        }

        StringAssert.Contains(
            Assert
                .ThrowsExactly<TransferException>(() => new ScoreJob(task.Options(task.Folder, $"sqlite:{file}")).Run())
                .Message,
            "has the columns id; expected file, prediction, probability, "
        );
    }

    [TestMethod]
    public void Run_OptionsWithoutEffect_AreRefused()
    {
        foreach (
            (ScoreOptions options, string said) in new[]
            {
                (task.Options(task.Folder, task.At("x.csv")) with { PathColumn = "a" }, "--path-column has no effect"),
                (task.Options(task.Folder, task.At("x.csv")) with { Query = "a" }, "--query has no effect"),
                (task.Options(task.At("list.db2"), task.At("x.csv")), "There is no input"),
                (task.Options(task.Folder, task.At("x.txt")), "expected a .csv, .jsonl or .parquet file"),
                (task.Options(task.Folder, task.At("none/x.csv")), "does not exist. Make it first"),
                (
                    task.Options("postgres://nobody:x@127.0.0.1:1/none", task.At("x.csv")),
                    "say what to read with --query"
                ),
            }
        )
            StringAssert.Contains(
                Assert.ThrowsExactly<TransferException>(() => new ScoreJob(options).Run()).Message,
                said
            );
        Assert.ThrowsExactly<ArgumentException>(() => task.Options("a", "b") with { Table = "a; DROP" });
        Assert.ThrowsExactly<FormatException>(() => Shard.Parse("0/5"));
        Assert.AreEqual(new Shard(5, 5), Shard.Parse("5/5"));
    }

    private static List<Dictionary<string, string>> Scored(
        string name,
        Func<ScoreOptions, ScoreOptions> edit,
        Func<string, List<Dictionary<string, string>>> read
    )
    {
        new ScoreJob(edit(task.Options(task.Folder, task.At(name)))).Run();
        return read(task.At(name));
    }

    /// <summary>Ends a run once it has told of some images.</summary>
    private static void Cancelled(ScoreOptions options, int after)
    {
        using var cancellation = new CancellationTokenSource();
        int seen = 0;
        var progress = new Told(value =>
        {
            if (value.Stage == "Scoring" && ++seen > after)
                cancellation.Cancel();
        });
        Assert.Throws<OperationCanceledException>(() => new ScoreJob(options).Run(progress, cancellation.Token));
    }

    private sealed class Told(Action<JobProgress> told) : IProgress<JobProgress>
    {
        public void Report(JobProgress value) => told(value);
    }
}
