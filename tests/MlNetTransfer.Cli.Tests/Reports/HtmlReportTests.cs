using System.Text.RegularExpressions;
using MlNetTransfer.Evaluation;
using MlNetTransfer.Jobs;
using MlNetTransfer.Reports;
using MlNetTransfer.Reports.Charts;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Reports;

[TestClass]
public sealed partial class HtmlReportTests
{
    private static string Page => File.ReadAllText(Path.Combine(Path.GetDirectoryName(Trained.Report)!, "report.html"));

    /// <summary>
    /// The first has the higher accuracy, of other images; where both judged, the second is better, and that is said.
    /// </summary>
    [TestMethod]
    public void Compare_RunsOfDifferentImages_AreJudgedByThoseTheyShare()
    {
        using var folder = new TempFolder();
        string[] classes = ["a", "b"];
        // Images 0 to 29 of each class are shared; of the first 60 the first run has 20 wrong, those 20 among them.
        FinishedRun first = MadeRun.Write(folder, "first", classes, 200, 20),
            second = MadeRun.Write(folder, "second", classes, 30, 4);
        ComparisonReport.Write([first, second], folder.File("page.html"));
        string page = File.ReadAllText(folder.File("page.html"));
        Assert.DoesNotContain("has the highest accuracy", page);
        StringAssert.Contains(page, "The runs judged different images");
        StringAssert.Contains(page, $"{second.Folder} is better than {first.Folder}.");

        FinishedRun third = MadeRun.Write(folder, "third", classes, 30, 1);
        ComparisonReport.Write([second, third], folder.File("same.html"));
        StringAssert.Contains(File.ReadAllText(folder.File("same.html")), "has the highest accuracy");
    }

    [TestMethod]
    public void Train_SampleImages_WritesAPageThatStandsAlone()
    {
        string page = Page;
        StringAssert.Contains(page, "default-src &#39;none&#39;");
        foreach (string outside in (string[])["http://", "https://", "//cdn", "@import", "url("])
            Assert.IsFalse(page.Contains(outside, StringComparison.OrdinalIgnoreCase), outside);
        Assert.IsLessThan(2_000_000, page.Length, "157 images");
        Assert.IsGreaterThan(30, Thumbnail().Count(page));
        StringAssert.Contains(page, "mlnet-transfer train ");
        StringAssert.Contains(page, "Model card");
    }

    [TestMethod]
    public void Train_SampleImages_TheTableIsThatOfTheReport()
    {
        string page = Page;
        MatchCollection cells = Cell().Matches(page);
        System.Text.Json.JsonElement confusion = Trained.Result.Json.GetProperty("confusion");
        int classes = confusion.GetArrayLength();
        int[] expected =
        [
            .. Enumerable
                .Range(0, classes * classes)
                .Select(i => confusion[i / classes][i % classes].GetInt32())
                .Where(count => count > 0),
        ];
        CollectionAssert.AreEqual(expected, cells.Select(c => int.Parse(c.Groups[2].Value, null)).ToArray());
        foreach (Match cell in cells)
            StringAssert.Contains(page, $"<div id=\"{cell.Groups[1].Value}\">");
    }

    /// <summary>What 'train' writes from memory, 'report' writes again from the files.</summary>
    [TestMethod]
    public void Report_OfAFinishedRun_IsTheSamePage()
    {
        string folder = Path.GetDirectoryName(Trained.Report)!;
        using var other = new TempFolder();
        CliResult result = Cli.Run("report", folder, "--output", other.File("again.html"), "--json");
        Assert.AreEqual(0, result.Code, result.Error);
        // Which images have an overlay depends on the time that there was.
        Assert.AreEqual(Overlay().Replace(Page, ""), Overlay().Replace(File.ReadAllText(other.File("again.html")), ""));
    }

    [TestMethod]
    public void Write_NamesThatAreMarkup_AreText()
    {
        using var folder = new TempFolder();
        string evil = "<script>alert('x')</script>",
            longName = new('x', 300);
        FinishedRun run = MadeRun.Write(
            folder,
            "run",
            [evil, longName, "\" onload=\"y"],
            images: 30,
            wrong: 3,
            (c, i) => $"{evil}/{longName}/{c}-{i}.png"
        );
        HtmlReport.Write(run, folder.File("report.html"));
        string page = File.ReadAllText(folder.File("report.html"));
        Assert.AreEqual(1, Script().Count(page), "the page's own script alone");
        Assert.IsFalse(
            page.Contains(" onload=", StringComparison.Ordinal)
                && !page.Contains("&quot; onload=", StringComparison.Ordinal)
        );
        Assert.IsFalse(page.Contains("\" onload=", StringComparison.Ordinal));
        Assert.IsFalse(page.Contains("<b>.png", StringComparison.Ordinal));
        Assert.IsFalse(page.Contains("<i>markup", StringComparison.Ordinal));
        StringAssert.Contains(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
        StringAssert.Contains(page, longName);
        StringAssert.Contains(page, "id=\"roc-chart\"");
        StringAssert.Contains(page, "id=\"precision-chart\"");
    }

    [TestMethod]
    public void Write_Findings_SaysFirstWhatToLookAt()
    {
        using var folder = new TempFolder();
        HtmlReport.Write(MadeRun.Write(folder, "run", ["a", "b"], images: 30, wrong: 3), folder.File("report.html"));
        string page = File.ReadAllText(folder.File("report.html"));
        StringAssert.Contains(page, "3 images may carry the wrong label: look at them first.");
        StringAssert.Contains(page, "<b>labelled a</b><span>the model says <strong>b</strong> at 90\u00A0%, a at 10");
        StringAssert.Contains(page, "<span>a and b</span>");
        StringAssert.Contains(page, "2 more findings are counted here");
        StringAssert.Contains(page, "mlnet-transfer check FOLDER --apply cleaned.csv");
    }

    [TestMethod]
    public void Train_SampleImages_FindingsAreThoseOfTheReport()
    {
        System.Text.Json.JsonElement report = Trained.Result.Json;
        int counted = report.GetProperty("findingCounts").EnumerateObject().Sum(kind => kind.Value.GetInt32()),
            listed = report.GetProperty("findings").GetArrayLength();
        Assert.AreEqual(counted, listed + report.GetProperty("findingsLeftOut").GetInt32());
        StringAssert.Contains(Page, "id=\"checks\"");
        Assert.IsFalse(Page.Contains("id=\"seen\"", StringComparison.Ordinal), "no network was trained");
    }

    /// <summary>The page names what it leaves out and stays small, whatever the run.</summary>
    [TestMethod]
    public void Write_ManyImagesAndClasses_StaysSmallAndSaysWhatIsLeftOut()
    {
        using var folder = new TempFolder();
        FinishedRun run = MadeRun.Write(
            folder,
            "run",
            [.. Enumerable.Range(0, 400).Select(c => $"class number {c}")],
            images: 50,
            wrong: 10
        );
        HtmlReportSummary written = HtmlReport.Write(run, folder.File("report.html"));
        string page = File.ReadAllText(folder.File("report.html"));
        Assert.IsLessThan(2_000_000, written.Bytes);
        StringAssert.Contains(page, "The 25 classes with the most mistakes, of 400");
        StringAssert.Contains(page, "The 200 classes that are found least, of 400");
        StringAssert.Contains(page, "The 24 of 4,000 mistakes");
    }

    [TestMethod]
    public void Report_WithoutItsFiles_SaysWhichAndTheFix()
    {
        using var folder = new TempFolder();
        CliResult none = Cli.Run("report", folder.Path);
        Assert.AreEqual(1, none.Code);
        StringAssert.Contains(none.Error, "report.json");
        folder.Write("report.json", "{\"images\": 3}"u8.ToArray());
        StringAssert.Contains(Cli.Run("report", folder.Path).Error, "is no report.json of a training run");
        MadeRun.Write(folder, "run", ["a", "b"], 5, 1);
        File.WriteAllText(folder.File("run/predictions.csv"), "file,truth,fold,p_a,p_b,error\nx,a,1,0.5,0.5,\n");
        StringAssert.Contains(Cli.Run("report", folder.File("run")).Error, "has 1 evaluated images");
        File.WriteAllText(folder.File("run/predictions.csv"), "file,truth,fold,p_a,error\n");
        StringAssert.Contains(Cli.Run("report", folder.File("run")).Error, "no column 'p_b'");
        File.WriteAllText(folder.File("run/predictions.csv"), "file,truth,fold,p_a,p_b,error\nx,c,1,0.5,0.5,\n");
        StringAssert.Contains(Cli.Run("report", folder.File("run")).Error, "truth 'c'");
    }

    /// <summary>The paired difference is that of the images which both judged: the second has two more right.</summary>
    [TestMethod]
    public void Report_SeveralRuns_ComparesThemOnSharedImages()
    {
        using var folder = new TempFolder();
        FinishedRun first = MadeRun.Write(folder, "one", ["a", "b"], images: 100, wrong: 40),
            second = MadeRun.Write(folder, "two", ["a", "b"], images: 90, wrong: 20);
        PairOfRuns pair = PairOfRuns.Of(first, second);
        // Of every class 90 images are shared: images 20 to 39 are those that only the second has right.
        Assert.AreEqual(new PairedDifference(40, 0, 180), pair.Difference);
        Assert.IsTrue(pair.Says(second));
        CliResult result = Cli.Run("report", folder.File("one"), folder.File("two"), "--output", folder.File("c.html"));
        Assert.AreEqual(0, result.Code, result.Error);
        string page = File.ReadAllText(folder.File("c.html"));
        StringAssert.Contains(page, "two is better.");
        StringAssert.Contains(page, "On 180 shared images");
        StringAssert.Contains(page, "+22.2 points");
    }

    [TestMethod]
    public void Train_NoReport_LeavesThePageOutAndTakesAnOldOneAway()
    {
        using var folder = new TempFolder();
        folder.Write("report.html", "of an earlier model"u8.ToArray());
        CliResult result = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--no-report", "--head", "ridge");
        Assert.AreEqual(0, result.Code, result.Error);
        Assert.IsFalse(File.Exists(folder.File("report.html")));
        Assert.IsTrue(File.Exists(folder.File("report.json")));
    }

    /// <summary>A folder that has the page's name cannot be replaced by it.</summary>
    [TestMethod]
    public void Train_PageCannotBeWritten_IsANoteAndNoFailure()
    {
        using var folder = new TempFolder();
        folder.Write("report.html/in-the-way", [1]);
        CliResult result = Cli.Run("train", Cli.Samples, "--output", folder.Path, "--head", "ridge");
        Assert.AreEqual(0, result.Code, result.Error);
        Assert.IsTrue(File.Exists(folder.File("model.onnx")));
        StringAssert.Contains(result.Error, "was not written");
    }

    [TestMethod]
    public void Of_Reliability_CountsEachImageInItsBin()
    {
        IReadOnlyList<ReliabilityBin> bins = ReliabilityBin.Of([(0.1, true), (0.11, false), (0.95, true), (1, false)]);
        Assert.AreEqual(new ReliabilityBin(0, 0.1, 1, 1, 0.1), bins[0]);
        Assert.AreEqual(new ReliabilityBin(0.1, 0.2, 1, 0, 0.11), bins[1]);
        Assert.AreEqual(new ReliabilityBin(0.9, 1, 2, 0.5, 0.975), bins[9]);
        Assert.AreEqual(4, bins.Sum(b => b.Images));
    }

    [TestMethod]
    public void Readme_OfThePackage_IsWhatIsCompiledHere()
    {
        string here = DocumentedCode
            .Parts("tests/MlNetTransfer.Cli.Tests/Reports/HtmlReportTests.cs", "// README begins", "// README ends")
            .Single();
        Assert.AreEqual(
            DocumentedCode.Normal(here),
            DocumentedCode.Normal(DocumentedCode.Blocks("src/MlNetTransfer.Reports/README.md", "csharp").Single())
        );
    }

    internal static void Readme(TrainOptions options)
    {
        // README begins
        TrainSummary summary = new TrainJob(options).Run();
        HtmlReport.Write(FinishedRun.Of(summary), "out/report.html");
        // Later, from report.json and predictions.csv:
        HtmlReport.Write(FinishedRun.Load("out"), "out/report.html");
        // README ends
    }

    [GeneratedRegex("data:image/webp;base64,")]
    private static partial Regex Thumbnail();

    [GeneratedRegex("data-opens=\"(cell-[0-9]+-[0-9]+)\" aria-label=\"[^\"]*\">([0-9]+)<")]
    private static partial Regex Cell();

    [GeneratedRegex("<script")]
    private static partial Regex Script();

    [GeneratedRegex("<img [^>]*alt=\"The same[^>]*>| For time, [0-9]+ are without.")]
    private static partial Regex Overlay();
}
