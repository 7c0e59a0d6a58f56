using System.Diagnostics;
using System.Globalization;
using Microsoft.Playwright;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Studio;

/// <summary>
/// How long the pages take, in Debian's chromium. Not a test: MLNETTRANSFER_TIMINGS=studio runs it, on a machine that
/// does nothing else.
/// </summary>
[TestClass]
public sealed class StudioTimings
{
    private const int Images = 10_000,
        Classes = 10;

    /// <summary>Scrolls through the gallery for three seconds; the milliseconds between frames.</summary>
    private const string Scroll = """
        async () => {
          const gallery = document.querySelector(".gallery"), times = [];
          const end = performance.now() + 3000;
          let last = performance.now();
          while (last < end) {
            gallery.scrollTop += 60;
            await new Promise(requestAnimationFrame);
            const now = performance.now();
            times.push(now - last);
            last = now;
          }
          times.sort((a, b) => a - b);
          return [times[times.length >> 1], times[Math.floor(times.length * 0.95)], times[times.length - 1]];
        }
        """;

    private const string AreShown = """
        () => {
          const box = document.querySelector(".gallery").getBoundingClientRect();
          const inside = [...document.querySelectorAll(".gallery img")].filter((i) => {
            const own = i.getBoundingClientRect();
            return own.bottom > box.top && own.top < Math.min(box.bottom, innerHeight);
          });
          return inside.length > 0 && inside.every((i) => i.complete && i.naturalWidth > 0);
        }
        """;

    public TestContext TestContext { get; set; } = null!;

    [TestMethod]
    public async Task Measure_AFolderOfTenThousandImages()
    {
        if (Environment.GetEnvironmentVariable("MLNETTRANSFER_TIMINGS") != "studio")
            Assert.Inconclusive("MLNETTRANSFER_TIMINGS is not 'studio'.");
        using TempFolder folder = new();
        string[] samples = Directory.GetFiles(Cli.Samples, "*.png", SearchOption.AllDirectories);
        for (int c = 0; c < Classes; c++)
            Directory.CreateDirectory(folder.File($"photos/class{c}"));
        for (int i = 0; i < Images; i++)
            File.Copy(samples[i % samples.Length], folder.File($"photos/class{i % Classes}/{i:d5}.png"));
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await playwright.Chromium.LaunchAsync(
            new() { ExecutablePath = "/usr/bin/chromium", Args = ["--no-sandbox"] }
        );
        long started = Stopwatch.GetTimestamp();
        await using StudioProcess studio = await StudioProcess.StartAsync(folder.File("photos"));
        Say("from the command to its address", started);
        IPage page = await browser.NewPageAsync(
            new()
            {
                ViewportSize = new() { Width = 1280, Height = 900 },
            }
        );
        page.SetDefaultTimeout(20_000);
        started = Stopwatch.GetTimestamp();
        await page.GotoAsync(studio.Entry.ToString());
        await page.GetByRole(AriaRole.Heading, new() { Name = "Data" }).WaitForAsync();
        double paint = await page.EvaluateAsync<double>(
            "performance.getEntriesByName('first-contentful-paint')[0].startTime"
        );
        Say(string.Create(CultureInfo.InvariantCulture, $"page drawn (first paint after {paint:f0} ms)"), started);
        started = Stopwatch.GetTimestamp();
        await page.GetByRole(AriaRole.Button, new() { Name = "Open" }).ClickAsync();
        await page.GetByText($"{Images} images of {Classes} classes").WaitForAsync();
        Say($"{Images} images opened", started);
        await page.WaitForFunctionAsync(AreShown);
        Say("and those in view drawn", started);
        foreach (string when in (string[])["at first", "again, back at the top"])
        {
            double[] frames = await page.EvaluateAsync<double[]>(Scroll);
            TestContext.WriteLine(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"scrolling {when}: a frame takes {frames[0]:f0} ms in the median, {frames[1]:f0} at the 95th "
                        + $"percentile, {frames[2]:f0} at most"
                )
            );
            started = Stopwatch.GetTimestamp();
            await page.WaitForFunctionAsync(AreShown);
            Say("images in view drawn after the scrolling ends", started);
            await page.EvaluateAsync("document.querySelector('.gallery').scrollTop = 0");
            await page.WaitForFunctionAsync(AreShown);
        }

        started = Stopwatch.GetTimestamp();
        await page.EvaluateAsync("document.querySelector('.gallery').scrollTop = 1e9");
        await page.WaitForTimeoutAsync(50);
        await page.WaitForFunctionAsync(AreShown);
        Say("jump to the end drawn", started);
        started = Stopwatch.GetTimestamp();
        await page.GetByRole(AriaRole.Button, new() { Name = "class7 1000" }).ClickAsync();
        await page.WaitForFunctionAsync(AreShown);
        Say("one class drawn", started);
    }

    private void Say(string what, long since) =>
        TestContext.WriteLine(
            string.Create(
                CultureInfo.InvariantCulture,
                $"{what}: {Stopwatch.GetElapsedTime(since).TotalMilliseconds:f0} ms"
            )
        );
}
