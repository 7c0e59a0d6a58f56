using System.Globalization;
using System.Text.Json;
using CsvHelper;
using MlNetTransfer.Tests.Shared;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Oracles: what --json says of the same images; CsvHelper and Parquet.Net read what was written.</summary>
[TestClass]
public sealed class ResultFileTests
{
    private static readonly string Fruit = Path.Combine(Cli.Samples, "fruit");

    /// <summary>Oracle: the confusion matrix and the folds' accuracies of the report.</summary>
    [TestMethod]
    public void Train_Predictions_AreThoseThatTheReportCounts()
    {
        JsonElement report = Trained.Result.Json;
        List<string[]> lines = Csv(Path.Combine(Path.GetDirectoryName(Trained.Model)!, "predictions.csv"));
        string[] names =
        [
            .. report.GetProperty("perClass").EnumerateArray().Select(c => c.GetProperty("name").GetString()!),
        ];
        CollectionAssert.AreEqual(
            (string[])["file", "truth", "fold", "prediction", "probability", .. names.Select(n => $"p_{n}"), "error"],
            lines[0]
        );
        var confusion = names.ToDictionary(n => n, _ => new int[names.Length]);
        foreach (string[] row in lines[1..])
        {
            confusion[row[1]][Array.IndexOf(names, row[3])]++;
            float[] probabilities = [.. row[5..^1].Select(p => float.Parse(p, CultureInfo.InvariantCulture))];
            Assert.AreEqual(row[3], names[Array.IndexOf(probabilities, probabilities.Max())], row[0]);
            StringAssert.Contains(row[0], row[1], "The file lies in the folder of its class.");
        }

        int[][] counted = [.. report.GetProperty("confusion").EnumerateArray().Select(r => r.Deserialize<int[]>()!)];
        for (int c = 0; c < names.Length; c++)
            CollectionAssert.AreEqual(counted[c], confusion[names[c]], names[c]);
        double[] folds = report.GetProperty("foldAccuracies").Deserialize<double[]>()!;
        for (int f = 0; f < folds.Length; f++)
        {
            string[][] held = [.. lines[1..].Where(row => row[2] == $"{f}")];
            Assert.AreEqual(folds[f], held.Average(row => row[1] == row[3] ? 1.0 : 0), 1e-9, $"fold {f}");
        }
    }

    [TestMethod]
    public void Predict_Csv_HasARowForEveryImageAndAColumnForEveryClass()
    {
        using TempFolder folder = Images(out string images);
        CliResult result = Cli.Run(
            "predict",
            Trained.Model,
            images,
            "--output",
            folder.File("found.csv"),
            "--top",
            "8",
            "--json"
        );
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        List<string[]> lines = Csv(folder.File("found.csv"));
        List<Dictionary<string, string>> rows =
        [
            .. lines[1..].Select(l => lines[0].Zip(l).ToDictionary(c => c.First, c => c.Second)),
        ];
        JsonElement[] expected = [.. result.Json.GetProperty("predictions").EnumerateArray()];
        Assert.HasCount(expected.Length + 1, rows);
        CollectionAssert.AreEqual(
            new[]
            {
                "file",
                "prediction",
                "probability",
                "p_bird",
                "p_drink",
                "p_flower",
                "p_fruit",
                "p_house",
                "p_insect",
                "p_instrument",
                "p_vehicle",
                "abstained",
                "set",
                "unknown",
                "unknown_score",
                "error",
            },
            rows[0].Keys.ToArray()
        );
        foreach ((Dictionary<string, string> row, JsonElement json) in rows.Zip(expected))
        {
            Assert.AreEqual(json.GetProperty("file").GetString(), row["file"]);
            Assert.AreEqual(json.GetProperty("label").GetString(), row["prediction"]);
            foreach (JsonElement top in json.GetProperty("top").EnumerateArray())
                Assert.AreEqual(
                    top.GetProperty("probability").GetSingle(),
                    float.Parse(row["p_" + top.GetProperty("label").GetString()], CultureInfo.InvariantCulture)
                );
        }

        StringAssert.Contains(rows[^1]["file"], "a \"b\", c.png");
        StringAssert.Contains(rows[^1]["error"], "not an image");
        Assert.AreEqual("", rows[^1]["prediction"]);
    }

    [TestMethod]
    public async Task Predict_JsonLinesAndParquet_SayTheSame()
    {
        using TempFolder folder = Images(out string images);
        Cli.Run("predict", Trained.Model, images, "--output", folder.File("found.jsonl"));
        Cli.Run("predict", Trained.Model, images, "--output", folder.File("found.parquet"));
        JsonElement[] lines =
        [
            .. File.ReadAllLines(folder.File("found.jsonl")).Select(l => JsonDocument.Parse(l).RootElement),
        ];
        using FileStream stream = File.OpenRead(folder.File("found.parquet"));
        await using ParquetReader reader = await ParquetReader.CreateAsync(stream);
        CollectionAssert.AreEqual(
            lines[0].EnumerateObject().Select(p => p.Name).ToArray(),
            reader.Schema.DataFields.Select(f => f.Name).ToArray()
        );
        using ParquetRowGroupReader group = reader.OpenRowGroupReader(0);
        Assert.AreEqual(lines.Length, group.RowCount);
        DataField fruit = reader.Schema.DataFields.Single(f => f.Name == "p_fruit");
        var probabilities = new float?[lines.Length];
        await group.ReadAsync<float>(fruit, probabilities.AsMemory());
        CollectionAssert.AreEqual(
            lines
                .Select(l => l.GetProperty("p_fruit"))
                .Select(p => p.ValueKind == JsonValueKind.Null ? null : (float?)p.GetSingle())
                .ToArray(),
            probabilities
        );
        Assert.IsNull(probabilities[^1]);
    }

    [TestMethod]
    public void Evaluate_Csv_HasTheTruthAndWhetherTheImageWasSeen()
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run("evaluate", Trained.Model, Cli.Samples, "--output", folder.File("judged.csv"));
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        string[] lines = File.ReadAllLines(folder.File("judged.csv"));
        Assert.HasCount(158, lines);
        StringAssert.StartsWith(lines[0], "file,truth,seen,prediction,probability,p_bird,");
        Assert.AreEqual(20, lines.Count(l => l.Contains(",fruit,true,", StringComparison.Ordinal)));
    }

    [TestMethod]
    [DataRow("found.xlsx", ".csv, .jsonl or .parquet")]
    [DataRow("no/such/folder/found.csv", "does not exist")]
    public void Output_ThatCannotBe_IsAnErrorBeforeTheWork(string name, string expected)
    {
        using var folder = new TempFolder();
        CliResult result = Cli.Run("predict", Trained.Model, Fruit, "--output", folder.File(name));
        Assert.AreEqual(ExitCode.Usage, result.Code, result.ToString());
        StringAssert.Contains(result.Error, expected);
    }

    [TestMethod]
    public void Output_FailedRun_LeavesTheOldFile()
    {
        using var folder = new TempFolder();
        string output = folder.Write("found.csv", "old"u8.ToArray()),
            bad = folder.Write("bad.png", "no image"u8.ToArray());
        Assert.AreEqual(ExitCode.Failed, Cli.Run("predict", Trained.Model, bad, "--output", output).Code);
        Assert.AreEqual("old", File.ReadAllText(output));
    }

    [TestMethod]
    [DataRow("predict")]
    [DataRow("evaluate")]
    [DataRow("train")]
    public void MaxMegapixels_LargerImage_IsRejected(string command)
    {
        using var folder = new TempFolder();
        for (int c = 0; c < 2; c++)
        for (int i = 0; i < 3; i++)
            ColourNetwork.Image(folder, $"data/{(c == 0 ? "bird" : "fruit")}/{i}.bmp", 200 * c, 10 * i, 50);
        folder.Write("data/bird/huge.png", HugePng.Make(1_200, 1_000));
        string[] args =
            command == "train"
                ? ["train", folder.File("data"), "--output", folder.File("out")]
                : [command, Trained.Model, folder.File("data")];
        CliResult result = Cli.Run([.. args, "--max-megapixels", "1", "--json"]);
        Assert.AreEqual(ExitCode.SomeRejected, result.Code, result.ToString());
        StringAssert.Contains(result.Json.GetProperty("rejected")[0].GetProperty("reason").GetString(), "megapixels");
    }

    private static List<string[]> Csv(string file)
    {
        using FileStream stream = File.OpenRead(file);
        using CsvReader csv = CsvReader.Create(stream, new CsvReaderOptions { HasHeader = false }, leaveOpen: true);
        List<string[]> rows = [];
        while (csv.Read())
            rows.Add([.. Enumerable.Range(0, csv.FieldCount).Select(csv.GetString)]);
        return rows;
    }

    private static TempFolder Images(out string images)
    {
        var folder = new TempFolder();
        images = folder.File("images");
        foreach (string file in Directory.GetFiles(Fruit).Order(StringComparer.Ordinal).Take(4))
            File.Copy(file, folder.Write($"images/{Path.GetFileName(file)}", []), overwrite: true);
        folder.Write("images/a \"b\", c.png", "no image"u8.ToArray());
        return folder;
    }
}
