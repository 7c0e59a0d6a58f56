using Microsoft.Playwright;
using MlNetTransfer.Reports;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Reports;

/// <summary>The pages in Debian's chromium, driven by Playwright, which downloads no browser of its own here.</summary>
[TestClass]
public sealed class BrowserTests
{
    private const string Chromium = "/usr/bin/chromium";
    private const int Phone = 390;

    private static IPlaywright? playwright;
    private static IBrowser? browser;

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        if (!File.Exists(Chromium))
            return;
        playwright = await Playwright.CreateAsync();
        browser = await playwright.Chromium.LaunchAsync(
            new BrowserTypeLaunchOptions { ExecutablePath = Chromium, Args = ["--no-sandbox"] }
        );
    }

    [ClassCleanup]
    public static async Task End()
    {
        if (browser is not null)
            await browser.CloseAsync();
        playwright?.Dispose();
    }

    [TestMethod]
    public async Task Page_Opened_LoadsNothingAndHasNoErrorAsync()
    {
        IPage page = await NewPageAsync(1280);
        List<string> requests = [],
            errors = [];
        page.Request += (_, request) => requests.Add(request.Url);
        page.Console += (_, message) => errors.Add(message.Text);
        page.PageError += (_, error) => errors.Add(error);
        await OpenAsync(page, Report);
        // What is in the page itself is no request to anyone.
        CollectionAssert.AreEqual(
            new[] { Address(Report) },
            requests.Where(r => !r.StartsWith("data:", StringComparison.Ordinal)).ToArray()
        );
        Assert.IsEmpty(errors, string.Join('\n', errors));
        Assert.AreEqual(0, await page.EvaluateAsync<int>("[...document.images].filter(i => !i.alt).length"));
        Assert.AreEqual(0, await page.EvaluateAsync<int>("document.querySelectorAll('th:not([scope])').length"));
        string levels = await page.EvaluateAsync<string>(
            "[...document.querySelectorAll('h1,h2,h3,h4')].map(h => h.tagName[1]).join('')"
        );
        Assert.AreEqual('1', levels[0]);
        for (int i = 1; i < levels.Length; i++)
            Assert.IsLessThanOrEqualTo(levels[i - 1] + 1, levels[i], $"a level of headings is left out: {levels}");
    }

    [TestMethod]
    public async Task Cell_Enter_OpensItsImagesAsync()
    {
        IPage page = await NewPageAsync(1280);
        await OpenAsync(page, Report);
        ILocator cell = page.Locator("table.matrix a[data-opens]").First;
        string id = (await cell.GetAttributeAsync("data-opens"))!;
        ILocator image = page.Locator($"#{id} img").First;
        Assert.IsFalse(await image.IsVisibleAsync());
        await cell.FocusAsync();
        await page.Keyboard.PressAsync("Enter");
        await image.WaitForAsync();
        Assert.IsGreaterThan(0, await image.EvaluateAsync<int>("i => i.naturalWidth"));
        Assert.AreEqual("SUMMARY", await page.EvaluateAsync<string>("document.activeElement.tagName"));
        await page.Keyboard.PressAsync("Enter");
        Assert.IsFalse(await image.IsVisibleAsync(), "Enter on the box's title closes it again");
    }

    /// <summary>Where scripts are forbidden, as in some mail programs, the browser opens the box of a link's target.</summary>
    [TestMethod]
    public async Task Cell_WithoutScript_OpensItsImagesAsync()
    {
        IPage page = await NewPageAsync(1280, scripts: false);
        await OpenAsync(page, Report);
        ILocator cell = page.Locator("table.matrix a[data-opens]").First;
        string id = (await cell.GetAttributeAsync("data-opens"))!;
        await cell.ClickAsync();
        await page.Locator($"#{id} img").First.WaitForAsync();
    }

    [TestMethod]
    [DataRow(Phone)]
    [DataRow(1280)]
    public async Task Page_AnyWidthAndNames_DoesNotOverflowAsync(int width)
    {
        using var folder = new TempFolder();
        string[] names =
        [
            new string('W', 300),
            .. Enumerable.Range(0, 29).Select(i => $"a_class_with_a_long_name_{i}"),
        ];
        FinishedRun long1 = MadeRun.Write(folder, "one", names, 20, 5, (c, i) => $"{new string('x', 300)}{c}-{i}.png"),
            long2 = MadeRun.Write(folder, "two", names, 20, 4, (c, i) => $"{new string('x', 300)}{c}-{i}.png");
        HtmlReport.Write(long1, folder.File("long.html"));
        ComparisonReport.Write([long1, long2], folder.File("comparison.html"));
        IPage page = await NewPageAsync(width);
        foreach (string file in (string[])[Report, folder.File("long.html"), folder.File("comparison.html")])
        {
            await OpenAsync(page, file);
            await page.EvaluateAsync("document.querySelectorAll('details').forEach(d => d.open = true)");
            int found = await page.EvaluateAsync<int>("document.documentElement.scrollWidth");
            Assert.IsLessThanOrEqualTo(width, found, Path.GetFileName(file));
        }
    }

    /// <summary>WCAG 2.2, 1.4.3: 4.5 to 1, for the text of every cell of the heat map too.</summary>
    [TestMethod]
    [DataRow(ColorScheme.Light)]
    [DataRow(ColorScheme.Dark)]
    public async Task Text_OnItsGround_HasContrastAsync(ColorScheme scheme)
    {
        IPage page = await NewPageAsync(1280, scheme: scheme);
        await OpenAsync(page, Report);
        double least = await page.EvaluateAsync<double>(
            """
            () => {
              const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
              const light = (colour) => {
                canvas.fillStyle = colour;
                canvas.fillRect(0, 0, 1, 1);
                const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((v) => v / 255)
                  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const ground = (e) => {
                const colour = getComputedStyle(e).backgroundColor;
                return colour !== "rgba(0, 0, 0, 0)" || !e.parentElement ? colour : ground(e.parentElement);
              };
              let least = 21;
              for (const e of document.querySelectorAll("h1, h2, p, td, th, td a, li, dt, dd, summary, .soft, nav a"))
                if (!e.closest("svg") && e.textContent.trim()) {
                  const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
                  least = Math.min(least, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05));
                }
              return least;
            }
            """
        );
        Assert.IsGreaterThanOrEqualTo(4.5, least);
    }

    private static string Report => Path.Combine(Path.GetDirectoryName(Trained.Report)!, HtmlReport.FileName);

    private static string Address(string file) => new Uri(file).AbsoluteUri;

    private static async Task<IPage> NewPageAsync(
        int width,
        bool scripts = true,
        ColorScheme scheme = ColorScheme.Light
    )
    {
        if (browser is null)
            Python.Missing($"Needs {Chromium}: Debian's package chromium.");
        IBrowserContext context = await browser!.NewContextAsync(
            new BrowserNewContextOptions
            {
                ViewportSize = new ViewportSize { Width = width, Height = 844 },
                JavaScriptEnabled = scripts,
                ColorScheme = scheme,
            }
        );
        return await context.NewPageAsync();
    }

    private static async Task OpenAsync(IPage page, string file) => await page.GotoAsync(Address(file));
}
