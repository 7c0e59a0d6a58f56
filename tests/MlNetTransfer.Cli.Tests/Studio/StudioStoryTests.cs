using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Studio;

/// <summary>
/// From images to a model in Debian's chromium. Pictures of the pages go to the folder that MLNETTRANSFER_PICTURES
/// names.
/// </summary>
[TestClass]
public sealed class StudioStoryTests : IDisposable
{
    private const string Chromium = "/usr/bin/chromium";

    private const string FirstRowIsShown =
        "[...document.querySelectorAll('.gallery img')].slice(0, 6).every(i => i.complete && i.naturalWidth > 0)";

    private static readonly string? Pictures = Environment.GetEnvironmentVariable("MLNETTRANSFER_PICTURES");

    private readonly TempFolder unlabelled = new();
    private IPlaywright? playwright;
    private IBrowser? browser;
    private IPage page = null!;
    private StudioProcess studio = null!;

    [TestInitialize]
    public async Task Start()
    {
        if (!File.Exists(Chromium))
            Assert.Inconclusive("Debian's chromium is not here.");
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox"] }
        );
        Directory.CreateDirectory(unlabelled.File("new"));
        foreach (string image in (string[])["fruit/banana.png", "fruit/an_apple_01.png"])
            File.Copy(Path.Combine(Cli.Samples, image), unlabelled.File($"new/{Path.GetFileName(image)}"));
        studio = await StudioProcess.StartAsync(Repository.At("data-samples"), unlabelled.Path);
        page = await browser.NewPageAsync(
            new()
            {
                ViewportSize = new() { Width = 1280, Height = 900 },
            }
        );
        page.SetDefaultTimeout(60_000);
        page.Console += (_, message) => Console.WriteLine($"{message.Type}: {message.Text}");
        page.PageError += (_, error) => Console.WriteLine($"error: {error}");
    }

    [TestCleanup]
    public async Task End()
    {
        if (Pictures is not null && page is not null)
            await page.ScreenshotAsync(new() { Path = Path.Combine(Pictures, "end.png") });
        if (browser is not null)
            await browser.CloseAsync();
        playwright?.Dispose();
        Console.WriteLine(studio?.Said);
        if (studio is not null)
            await studio.DisposeAsync();
    }

    public void Dispose() => unlabelled.Dispose();

    [TestMethod]
    public async Task Story_FromImagesToAModelThatIsTried()
    {
        List<string> elsewhere = [],
            errors = [];
        page.Request += (_, request) =>
        {
            if (!request.Url.StartsWith(studio.Address.ToString(), StringComparison.Ordinal) && !IsInside(request.Url))
                elsewhere.Add(request.Url);
        };
        page.PageError += (_, error) => errors.Add(error);

        await page.GotoAsync(studio.Entry.ToString());
        await page.GetByLabel("Folder", new() { Exact = true }).FillAsync(Cli.Samples);
        await page.GetByRole(AriaRole.Button, new() { Name = "Open" }).ClickAsync();
        await page.GetByText("157 images of 8 classes").WaitForAsync();
        await page.Locator(".gallery img").Nth(5).WaitForAsync();
        for (int i = 0; !await page.EvaluateAsync<bool>(FirstRowIsShown); i++)
        {
            Assert.IsLessThan(200, i, "thumbnails are shown");
            await page.WaitForTimeoutAsync(50);
        }

        await LookAsync("data");

        await page.GetByRole(AriaRole.Button, new() { Name = "fruit 20" }).ClickAsync();
        ILocator banana = page.GetByLabel("Class of fruit/banana.png");
        await banana.SelectOptionAsync("drink");
        await page.GetByText("1 corrected by hand").WaitForAsync();
        await banana.SelectOptionAsync("fruit");
        await page.GetByText("1 corrected by hand").WaitForAsync(new() { State = WaitForSelectorState.Hidden });
        await page.GetByLabel("Class of fruit/an_apple_01.png").SelectOptionAsync("(left out)");
        await page.GetByText("1 corrected by hand").WaitForAsync();

        await page.GetByRole(AriaRole.Link, new() { Name = "Train on these" }).ClickAsync();
        await page.GetByLabel("Name of the run").FillAsync("story");
        await LookAsync("train");
        await page.GetByRole(AriaRole.Button, new() { Name = "Start" }).ClickAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Look at it" }).WaitForAsync(new() { Timeout = 240_000 });
        Assert.IsTrue(File.Exists(Path.Combine(studio.Output, "story/model.onnx")));
        Assert.HasCount(
            157,
            File.ReadAllLines(Directory.GetFiles(Path.Combine(studio.Output, ".corrections"), "*.csv").Single()),
            "a header, and all but the image that was left out"
        );
        await page.GetByRole(AriaRole.Link, new() { Name = "Look at it" }).ClickAsync();
        await page.GetByTestId("verdict").GetByText("right").WaitForAsync();
        await page.GetByLabel("Choose, drop or paste images")
            .SetInputFilesAsync([
                Path.Combine(Cli.Samples, "fruit/banana.png"),
                Repository.At("README.md"),
                OfManyPixels(),
            ]);
        await page.GetByTestId("tried").GetByRole(AriaRole.Img).WaitForAsync();
        Assert.AreEqual("fruit", await page.GetByTestId("tried").Locator("strong").First.InnerTextAsync());
        await page.GetByText("README.md: not an image").WaitForAsync();
        await page.EvaluateAsync(
            "async (bytes) => { const held = new DataTransfer(); "
                + "held.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], 'pasted.png', { type: 'image/png' })); "
                + "document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: held })); }",
            Convert.ToBase64String(await File.ReadAllBytesAsync(Path.Combine(Cli.Samples, "fruit/banana.png")))
        );
        await page.GetByTestId("tried").GetByText("pasted.png").WaitForAsync();
        await page.GetByText("huge.bmp: truncated BMP: 13000 x 13000").WaitForAsync();
        await page.FrameLocator("iframe").Locator("h1").WaitForAsync();
        await EvaluateAsync();
        await LookAsync("run");
        await ExportAsync();
        await LabelAsync();
        await CompareAsync();
        Assert.IsEmpty(elsewhere, "nobody else is asked");
        Assert.IsEmpty(errors);
    }

    /// <summary>An image that says it has 169 million pixels.</summary>
    private string OfManyPixels()
    {
        byte[] bytes = Bmp.Plain(1, 2, 3);
        foreach (int at in (int[])[18, 22])
            System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at), 13_000);
        File.WriteAllBytes(unlabelled.File("huge.bmp"), bytes);
        return unlabelled.File("huge.bmp");
    }

    /// <summary>What a threshold would give, what is taken for what, where the model looks.</summary>
    private async Task EvaluateAsync()
    {
        ILocator coverage = page.GetByTestId("coverage");
        await coverage.GetByText("156 of 156 images are answered").WaitForAsync();
        await page.GetByLabel("Answer where it is sure").FillAsync("90");
        await Assertions.Expect(page.GetByText("sure by at least 90 %")).ToBeVisibleAsync();
        await Assertions.Expect(coverage).Not.ToContainTextAsync("156 of 156");
        await page.GetByTestId("confusion").GetByRole(AriaRole.Button).First.ClickAsync();
        ILocator shown = page.GetByTestId("judged").GetByRole(AriaRole.Figure);
        await shown.First.WaitForAsync();
        await page.GetByTestId("judged").GetByText("Where it looks").First.ClickAsync();
        await page.GetByTestId("judged").Locator("img[src^='data:image/png']").WaitForAsync();
    }

    /// <summary>The model in another form, as a project, and as a program.</summary>
    private async Task ExportAsync()
    {
        await page.GetByRole(AriaRole.Button, new() { Name = "fp16" }).ClickAsync();
        await page.GetByTestId("files").GetByText("model.fp16.onnx").WaitForAsync();
        IDownload model = await page.RunAndWaitForDownloadAsync(() =>
            page.GetByTestId("files").GetByText("model.fp16.onnx").ClickAsync()
        );
        Assert.AreEqual("story-model.fp16.onnx", model.SuggestedFilename);
        Assert.HasCount(
            (int)new FileInfo(Path.Combine(studio.Output, "story/model.fp16.onnx")).Length,
            await File.ReadAllBytesAsync(await model.PathAsync())
        );
        IDownload project = await page.RunAndWaitForDownloadAsync(() =>
            page.GetByRole(AriaRole.Link, new() { Name = "webapi" }).ClickAsync()
        );
        using var zip = System.IO.Compression.ZipFile.OpenRead(await project.PathAsync());
        Assert.IsTrue(zip.Entries.Any(e => e.FullName == "story_WebApi/Program.cs"));
    }

    /// <summary>An image without a label joins the data set by a key.</summary>
    private async Task LabelAsync()
    {
        await page.GetByRole(AriaRole.Link, new() { Name = "Label", Exact = true }).ClickAsync();
        await page.GetByLabel("Images without labels").FillAsync(unlabelled.File("new"));
        await page.GetByRole(AriaRole.Button, new() { Name = "Ask the model" }).ClickAsync();
        await page.GetByTestId("left").GetByText("2 to look at, 0 labelled here").WaitForAsync();
        await page.GetByTestId("label-one").Locator("img").WaitForAsync();
        await LookAsync("label");
        await page.GetByTestId("label-one").FocusAsync();
        await page.Keyboard.PressAsync("1");
        await page.GetByTestId("left").GetByText("1 to look at, 1 labelled here").WaitForAsync();
        await page.Keyboard.PressAsync("u");
        await page.GetByTestId("left").GetByText("2 to look at, 0 labelled here").WaitForAsync();
        await page.Keyboard.PressAsync("1");
        await page.GetByTestId("left").GetByText("1 to look at, 1 labelled here").WaitForAsync();
    }

    /// <summary>A second run, of a job file that was mended by hand, beside the first.</summary>
    private async Task CompareAsync()
    {
        await page.GetByRole(AriaRole.Link, new() { Name = "Train", Exact = true }).ClickAsync();
        await page.GetByText("1 labelled here").WaitForAsync();
        await page.GetByLabel("Name of the run").FillAsync("second");
        await page.GetByRole(AriaRole.Button, new() { Name = "As a job file" }).ClickAsync();
        ILocator yaml = page.GetByLabel("Job file");
        string text = await yaml.InputValueAsync();
        await yaml.FillAsync(text.Replace("strategy", "strategie", StringComparison.Ordinal));
        await page.GetByRole(AriaRole.Button, new() { Name = "Start" }).ClickAsync();
        await page.GetByText("second.yaml(5): 'train.strategie'").WaitForAsync();
        await yaml.FillAsync("version: 1\ntrain:\n  folder: /etc\n");
        await page.GetByRole(AriaRole.Button, new() { Name = "Start" }).ClickAsync();
        await page.GetByText("'/etc' is not within the folders").WaitForAsync();
        await yaml.FillAsync(text + "  head: ridge\n");
        await page.GetByRole(AriaRole.Button, new() { Name = "Start" }).ClickAsync();
        await page.GetByTestId("work").Locator("a[href='runs/second']").WaitForAsync(new() { Timeout = 240_000 });
        StringAssert.Contains(
            File.ReadAllText(Path.Combine(studio.Output, "second/job.yaml")),
            "ridge",
            "the run has the job file that was written"
        );
        await page.GetByRole(AriaRole.Link, new() { Name = "Runs", Exact = true }).ClickAsync();
        await page.GetByTestId("runs").GetByText("story").WaitForAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Compare" }).ClickAsync();
        await page.FrameLocator("iframe").GetByText("shared image").First.WaitForAsync();
        await LookAsync("runs");
    }

    [TestMethod]
    public async Task Upload_ZipThenAdvice_InKorean()
    {
        string zip = unlabelled.File("my photos.zip");
        await using (
            var archive = await System.IO.Compression.ZipFile.OpenAsync(
                zip,
                System.IO.Compression.ZipArchiveMode.Create
            )
        )
            foreach (string name in (string[])["fruit", "drink"])
            foreach (string file in Directory.GetFiles(Path.Combine(Cli.Samples, name)).Take(12))
                await System.IO.Compression.ZipFileExtensions.CreateEntryFromFileAsync(
                    archive,
                    file,
                    $"photos/{name}/{Path.GetFileName(file)}"
                );
        await page.GotoAsync(studio.Entry.ToString());
        await page.GetByRole(AriaRole.Link, new() { Name = "한국어" }).ClickAsync();
        await page.GetByRole(AriaRole.Heading, new() { Name = "데이터" }).WaitForAsync();
        Assert.AreEqual("ko", await page.Locator("html").GetAttributeAsync("lang"));
        // Dropped, as by a hand that holds a file.
        IJSHandle dropped = await page.EvaluateHandleAsync(
            "async (bytes) => { const held = new DataTransfer(); "
                + "held.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], 'my photos.zip')); "
                + "return held; }",
            Convert.ToBase64String(await File.ReadAllBytesAsync(zip))
        );
        await page.GetByTestId("upload").DispatchEventAsync("drop", new { dataTransfer = dropped });
        await page.GetByText("클래스 2개, 이미지 24장").WaitForAsync();
        Assert.IsTrue(Directory.Exists(Path.Combine(studio.Output, ".uploads/my-photos/photos/fruit")));
        await LookAsync("data-korean");
        await page.GetByRole(AriaRole.Link, new() { Name = "조언" }).ClickAsync();
        await page.GetByLabel("네트워크 학습을 시험해 볼 시간(분)").FillAsync("0");
        await page.GetByRole(AriaRole.Button, new() { Name = "측정" }).ClickAsync();
        await page.GetByTestId("advice").WaitForAsync(new() { Timeout = 240_000 });
        await LookAsync("advice-korean");
        await page.GetByRole(AriaRole.Link, new() { Name = "이 방법으로 학습" }).First.ClickAsync();
        await page.GetByRole(AriaRole.Heading, new() { Name = "학습" }).First.WaitForAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "English" }).ClickAsync();
        await page.GetByRole(AriaRole.Heading, new() { Name = "Data" }).WaitForAsync();
    }

    [TestMethod]
    public async Task Train_NameThatIsNoFolders_SaysSo()
    {
        await page.GotoAsync(studio.Entry.ToString());
        await page.GetByLabel("Folder", new() { Exact = true }).FillAsync("/etc");
        await page.GetByRole(AriaRole.Button, new() { Name = "Open" }).ClickAsync();
        await page.GetByText("'/etc' is no folder that the studio may look at").WaitForAsync();
        await page.GetByLabel("Folder", new() { Exact = true }).FillAsync(Cli.Samples);
        await page.GetByRole(AriaRole.Button, new() { Name = "Open" }).ClickAsync();
        await page.GetByText("157 images of 8 classes").WaitForAsync();
        await page.GetByRole(AriaRole.Link, new() { Name = "Train on these" }).ClickAsync();
        await page.GetByLabel("Name of the run").FillAsync("../elsewhere");
        await page.GetByRole(AriaRole.Button, new() { Name = "Start" }).ClickAsync();
        await page.GetByText("'../elsewhere' cannot be the name of a run").WaitForAsync();
    }

    /// <summary>A whole folder by the browser's own choice of one, with places within it.</summary>
    [TestMethod]
    public async Task Upload_AFolder_IsOpenedWithItsClasses()
    {
        foreach (string name in (string[])["red", "blue"])
        foreach (int i in (int[])[1, 2, 3])
            unlabelled.Write($"colours/{name}/{i}.bmp", Bmp.Plain((byte)(name == "red" ? 200 : 0), 0, 90));
        await page.GotoAsync(studio.Entry.ToString());
        await page.GetByLabel("Choose a folder").SetInputFilesAsync(unlabelled.File("colours"));
        await page.GetByText("6 images of 2 classes").WaitForAsync();
        Assert.IsTrue(File.Exists(Path.Combine(studio.Output, ".uploads/colours/colours/red/3.bmp")));
    }

    /// <summary>Names of classes and files are text, whatever they look like.</summary>
    [TestMethod]
    public async Task Open_NamesThatAreMarkupOrTurnedAround_AreText()
    {
        if (OperatingSystem.IsWindows())
            Assert.Inconclusive("Windows has no such names.");
        const string markup = "<img src=x onerror=document.title='owned'>",
            turned = "\u202Egnp.exe";
        foreach (string name in (string[])[markup, turned])
            unlabelled.Write($"odd/{name}/{markup}.bmp", Bmp.Plain(1, 2, 3));
        await page.GotoAsync(studio.Entry.ToString());
        await page.GetByLabel("Folder", new() { Exact = true }).FillAsync(unlabelled.File("odd"));
        await page.GetByRole(AriaRole.Button, new() { Name = "Open" }).ClickAsync();
        await page.GetByText("2 images of 2 classes").WaitForAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = $"{markup} 1" }).WaitForAsync();
        Assert.AreEqual("Data, MlNetTransfer studio", await page.TitleAsync());
        Assert.AreEqual(0, await page.Locator("img[src='x']").CountAsync());
        Assert.AreEqual(
            "isolate",
            await page.Locator(".file").First.EvaluateAsync<string>("e => getComputedStyle(e).unicodeBidi")
        );
    }

    private static bool IsInside(string url) =>
        url.StartsWith("data:", StringComparison.Ordinal) || url.StartsWith("blob:", StringComparison.Ordinal);

    /// <summary>Nothing that axe finds, in both schemes and on a phone; and pictures of them.</summary>
    private async Task LookAsync(string name)
    {
        foreach (
            (string scheme, ColorScheme colours) in ((string, ColorScheme)[])
                [("light", ColorScheme.Light), ("dark", ColorScheme.Dark)]
        )
        {
            await page.EmulateMediaAsync(new() { ColorScheme = colours });
            await page.WaitForTimeoutAsync(500);
            AxeResult found = await page.RunAxe(
                new AxeRunOptions
                {
                    Iframes = false,
                    RunOnly = new RunOnlyOptions
                    {
                        Type = "tag",
                        Values = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"],
                    },
                }
            );
            Assert.IsEmpty(
                found.Violations,
                $"{name}, {scheme}: "
                    + string.Join(
                        '\n',
                        found.Violations.Select(v =>
                            $"{v.Id}: {v.Help} {string.Join(' ', v.Nodes.Select(n => n.Html))}"
                        )
                    )
            );
            if (Pictures is not null)
                await page.ScreenshotAsync(new() { Path = Path.Combine(Pictures, $"{name}-{scheme}.png") });
        }

        await page.EmulateMediaAsync(new() { ColorScheme = ColorScheme.Light });
        await page.SetViewportSizeAsync(390, 844);
        Assert.IsFalse(
            await page.EvaluateAsync<bool>("document.documentElement.scrollWidth > window.innerWidth"),
            $"{name} fits a phone's width"
        );
        if (Pictures is not null)
            await page.ScreenshotAsync(new() { Path = Path.Combine(Pictures, $"{name}-phone.png") });
        await page.SetViewportSizeAsync(1280, 900);
    }
}
