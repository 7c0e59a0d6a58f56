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
public sealed class StudioStoryTests
{
    private const string Chromium = "/usr/bin/chromium";

    private const string FirstRowIsShown =
        "[...document.querySelectorAll('.gallery img')].slice(0, 6).every(i => i.complete && i.naturalWidth > 0)";

    private static readonly string? Pictures = Environment.GetEnvironmentVariable("MLNETTRANSFER_PICTURES");

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
        studio = await StudioProcess.StartAsync(Repository.At("data-samples"));
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
        page.PageError += (_, error) =>
        {
            // An event of what a new drawing has just replaced: the browser says so, and nothing is lost.
            if (!error.Contains("DispatchEventAsync", StringComparison.Ordinal))
                errors.Add(error);
        };

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
            File.ReadAllLines(Path.Combine(studio.Output, ".corrections/story.csv")),
            "a header, and all but the image that was left out"
        );
        await page.GetByRole(AriaRole.Link, new() { Name = "Look at it" }).ClickAsync();
        await page.GetByTestId("verdict").GetByText("right").WaitForAsync();
        await page.GetByLabel("Choose or drop images")
            .SetInputFilesAsync([Path.Combine(Cli.Samples, "fruit/banana.png"), Repository.At("README.md")]);
        await page.GetByTestId("tried").GetByRole(AriaRole.Img).WaitForAsync();
        Assert.AreEqual("fruit", await page.GetByTestId("tried").Locator("strong").First.InnerTextAsync());
        await page.GetByText("README.md: not an image").WaitForAsync();
        await page.FrameLocator("iframe").Locator("h1").WaitForAsync();
        await LookAsync("run");

        await page.GetByRole(AriaRole.Link, new() { Name = "Runs", Exact = true }).ClickAsync();
        await page.GetByTestId("runs").GetByText("story").WaitForAsync();
        await LookAsync("runs");
        Assert.IsEmpty(elsewhere, "nobody else is asked");
        Assert.IsEmpty(errors);
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
