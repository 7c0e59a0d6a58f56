using System.Runtime.Versioning;
using System.Text.Json;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Tests.Shared;
using Spectre.Console;

namespace MlNetTransfer.Cli.Tests;

[TestClass]
public sealed class VerdictTests
{
    private static string Banana => Path.Combine(Cli.Samples, "fruit", "banana.png");

    /// <summary>
    /// Of 20 a and 10 b, 18 and 4 are right: 22/30 = 73 %, Wilson 56 to 86; always a gets 67 %, chance is 50 %.
    /// </summary>
    [TestMethod]
    public void Verdict_KnownCounts_SaysThemInWords()
    {
        string verdict = VerdictLine.Of(
            Summary(
                ["a", "b"],
                [
                    [18, 2],
                    [6, 4],
                ]
            ),
            "images it has not seen"
        );
        Assert.AreEqual(
            "73 % (56 to 86) right on images it has not seen; guessing the most common class gets 67 %, chance 50 "
                + "%. That is not shown "
                + "to be better than guessing. Weakest: b (40 %); most often taken for a. Add images of b, or look "
                + "at those confused.",
            verdict
        );
    }

    [TestMethod]
    public void Verdict_NothingWrong_SaysSo() =>
        StringAssert.EndsWith(
            VerdictLine.Of(
                Summary(
                    ["a", "b"],
                    [
                        [50, 0],
                        [0, 50],
                    ]
                ),
                "images"
            ),
            "No image was taken for another class."
        );

    [TestMethod]
    public void Confusion_ElevenClassesOrNarrowTerminal_BecomesPairs()
    {
        string[] eleven = [.. Enumerable.Range(0, 11).Select(c => $"class {c}")];
        int[][] counts =
        [
            .. eleven.Select(
                (_, i) =>
                    eleven
                        .Select(
                            (_, j) =>
                                i == j ? 10
                                : i == 3 && j == 7 ? 4
                                : 0
                        )
                        .ToArray()
            ),
        ];
        string many = Printed(Summary(eleven, counts), 160),
            few = Printed(Summary(eleven[..3], [.. counts[..3].Select(r => r[..3])]), 160);
        StringAssert.Contains(many, "Most confused pairs");
        StringAssert.Contains(many, "29 %");
        StringAssert.Contains(few, "Confusion: rows");
        int[][] ten = [.. counts[..10].Select(r => r[..10])];
        StringAssert.Contains(Printed(Summary(eleven[..10], ten), 160), "Confusion: rows");
        StringAssert.Contains(Printed(Summary(eleven[..10], ten), 60), "Most confused pairs");
    }

    [TestMethod]
    public void Train_Samples_ReportsChanceAndMajority()
    {
        JsonElement json = Trained.Result.Json;
        Assert.AreEqual(1.0 / 8, json.GetProperty("chance").GetDouble());
        Assert.AreEqual(20.0 / 157, json.GetProperty("majorityShare").GetDouble(), 1e-12);
        Assert.IsGreaterThan(0, json.GetProperty("logLossUncalibrated").GetDouble());
        Assert.AreEqual(JsonValueKind.Null, json.GetProperty("previous").ValueKind);
    }

    [TestMethod]
    public void Train_IntoAFolderWithAModel_SaysWhatChanged()
    {
        using var folder = new TempFolder();
        CliResult first = Cli.Run(
            "train",
            Cli.Samples,
            "--output",
            folder.Path,
            "--tap",
            "map14_1",
            "--head",
            "ridge",
            "--json"
        );
        CliResult second = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--tap", "map7_3", "--head", "ridge");
        string accuracy = FormattableString.Invariant($"{100 * first.Json.GetProperty("accuracy").GetDouble():f1} %");
        StringAssert.Contains(second.Output, $"The model that was here: {accuracy} (");
        using JsonDocument report = JsonDocument.Parse(File.ReadAllText(folder.File("report.json")));
        Assert.AreEqual(
            first.Json.GetProperty("accuracy").GetDouble(),
            report.RootElement.GetProperty("previous").GetProperty("accuracy").GetDouble()
        );
        Assert.IsFalse(
            second.Output.Contains("Calibrated", StringComparison.Ordinal),
            "157 images are too few to say so."
        );
        Assert.IsFalse(second.Output.Contains("emperature", StringComparison.Ordinal));
    }

    [TestMethod]
    public void Train_ManyImagesInTwoClasses_NotesThreeNamesAndHowManyMore()
    {
        using var folder = new TempFolder();
        string[] files =
        [
            .. Directory.GetFiles(Path.Combine(Cli.Samples, "bird")).Order(StringComparer.Ordinal).Take(10),
        ];
        for (int i = 0; i < files.Length; i++)
            File.Copy(files[i], folder.Write($"data/bird/{i}.png", []), overwrite: true);
        foreach (int i in Enumerable.Range(0, 5))
            File.Copy(files[i], folder.Write($"data/fruit/{i}.png", []), overwrite: true);
        foreach (int i in Enumerable.Range(0, 3))
            File.Copy(Banana, folder.Write($"data/fruit/b{i}.png", []), overwrite: true);
        CliResult result = Cli.Run(
            "train",
            folder.File("data"),
            "--output",
            folder.File("out"),
            "--folds",
            "2",
            "--json"
        );
        Assert.AreEqual(ExitCode.Done, result.Code, result.ToString());
        string note = result.Json.GetProperty("notes")[0].GetString()!;
        StringAssert.Contains(
            note,
            "bird/0.png = fruit/0.png, bird/1.png = fruit/1.png, bird/2.png = fruit/2.png and 2 more"
        );
    }

    [TestMethod]
    public void Train_OutputThatIsAFile_FailsBeforeTheWork()
    {
        using var folder = new TempFolder();
        string file = folder.Write("taken", [1]);
        CliResult result = Cli.Run("train", Cli.Samples, "--output", file);
        Assert.AreEqual(ExitCode.Failed, result.Code);
        StringAssert.Contains(result.Error, "is a file");
        Assert.IsFalse(result.Error.Contains("Extracting", StringComparison.Ordinal));
    }

    [TestMethod]
    [OSCondition(ConditionMode.Exclude, OperatingSystems.Windows)]
    [UnsupportedOSPlatform("windows")]
    public void Train_OutputThatCannotBeWritten_FailsBeforeTheWork()
    {
        using var folder = new TempFolder();
        string locked = Directory.CreateDirectory(folder.File("locked")).FullName;
        File.SetUnixFileMode(locked, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        string[] command = ["train", Cli.Samples, "--output", Path.Combine(locked, "deep", "out")];
        // Root may write everywhere, so root gives up that right first.
        CliResult result =
            Environment.UserName == "root"
                ? Cli.RunBelow("setpriv", ["--bounding-set=-dac_override"], command)
                : Cli.Run(command);
        Assert.AreEqual(ExitCode.Failed, result.Code, result.ToString());
        StringAssert.Contains(result.Error, "cannot be written to");
        Assert.IsFalse(result.Error.Contains("Extracting", StringComparison.Ordinal));
    }

    private static EvaluationFigures Summary(string[] classes, int[][] counts)
    {
        List<int> labels = [];
        List<float> probabilities = [];
        for (int i = 0; i < counts.Length; i++)
        for (int j = 0; j < counts.Length; j++)
        for (int n = 0; n < counts[i][j]; n++)
        {
            labels.Add(i);
            probabilities.AddRange(classes.Select((_, c) => c == j ? 1f : 0f));
        }

        return EvaluationFigures.Of(ClassificationReport.Of(classes, [.. labels], [.. probabilities]));
    }

    private static string Printed(EvaluationFigures summary, int width)
    {
        using var writer = new StringWriter();
        IAnsiConsole console = AnsiConsole.Create(
            new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer), Ansi = AnsiSupport.No }
        );
        console.Profile.Width = width;
        EvaluationTables.Print(console, summary);
        return writer.ToString();
    }
}
