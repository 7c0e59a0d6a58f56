using System.Net;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests.Studio;

/// <summary>Who is answered, and what may be looked at.</summary>
[TestClass]
public sealed class StudioGateTests
{
    private static StudioProcess studio = null!;
    private static HttpClient inside = null!;
    private static readonly TempFolder Folder = new();

    [ClassInitialize]
    public static async Task Start(TestContext _)
    {
        Directory.CreateDirectory(Folder.File("photos/cat"));
        Directory.CreateDirectory(Folder.File("outside"));
        File.WriteAllBytes(Folder.File("photos/cat/one.bmp"), Bmp.Plain(200, 10, 10));
        File.WriteAllBytes(Folder.File("outside/secret.bmp"), Bmp.Plain(1, 2, 3));
        File.CreateSymbolicLink(Folder.File("photos/cat/link.bmp"), Folder.File("outside/secret.bmp"));
        Directory.CreateSymbolicLink(Folder.File("photos/out"), Folder.File("outside"));
        studio = await StudioProcess.StartAsync(Folder.File("photos"));
        inside = studio.Client();
        using HttpResponseMessage entered = await inside.GetAsync(studio.Entry.PathAndQuery);
        Assert.AreEqual(HttpStatusCode.Redirect, entered.StatusCode);
    }

    [ClassCleanup]
    public static async Task End()
    {
        inside.Dispose();
        await studio.DisposeAsync();
        Folder.Dispose();
    }

    [TestMethod]
    public async Task Ask_WithoutCookie_IsRefusedEverywhere()
    {
        using HttpClient stranger = studio.Client();
        foreach (
            string path in (string[])
                ["/", "/runs", "/thumbnail?path=x", "/report/x", "/_blazor", "/_framework/blazor.web.js"]
        )
        {
            using HttpResponseMessage response = await stranger.GetAsync(path);
            Assert.AreEqual(HttpStatusCode.Unauthorized, response.StatusCode, path);
        }
    }

    [TestMethod]
    public async Task Enter_WithAWrongOrUsedToken_IsRefused()
    {
        using HttpClient stranger = studio.Client();
        using HttpResponseMessage wrong = await stranger.GetAsync("/?token=0123"),
            used = await stranger.GetAsync(studio.Entry.PathAndQuery);
        Assert.AreEqual(HttpStatusCode.Unauthorized, wrong.StatusCode);
        Assert.AreEqual(HttpStatusCode.Unauthorized, used.StatusCode);
        StringAssert.Contains(await used.Content.ReadAsStringAsync(), "has been used");
        using HttpResponseMessage again = await inside.GetAsync(studio.Entry.PathAndQuery);
        Assert.AreEqual(HttpStatusCode.Redirect, again.StatusCode, "the browser that has entered comes back in");
    }

    [TestMethod]
    [DataRow("Origin", "http://evil.example")]
    [DataRow("Origin", "null")]
    [DataRow("Sec-Fetch-Site", "cross-site")]
    [DataRow("Sec-Fetch-Site", "same-site", DisplayName = "another port of this machine")]
    public async Task Ask_ForAnotherSite_IsRefused(string header, string value)
    {
        foreach (string path in (string[])["/", "/_blazor/negotiate?negotiateVersion=1", "/thumbnail?path=x"])
        {
            using HttpRequestMessage request = new(path.Contains("negotiate") ? HttpMethod.Post : HttpMethod.Get, path);
            request.Headers.Add(header, value);
            using HttpResponseMessage response = await inside.SendAsync(request);
            Assert.AreEqual(HttpStatusCode.Forbidden, response.StatusCode, path);
        }
    }

    /// <summary>A site whose own name was made to point here, so that its pages have the same origin.</summary>
    [TestMethod]
    public async Task Ask_ByAnotherName_IsRefused()
    {
        using HttpRequestMessage request = new(HttpMethod.Get, "/");
        request.Headers.Host = $"evil.example:{studio.Address.Port}";
        using HttpResponseMessage response = await inside.SendAsync(request);
        Assert.AreEqual(HttpStatusCode.BadRequest, response.StatusCode);
    }

    [TestMethod]
    [DataRow("photos/cat/one.bmp", HttpStatusCode.OK)]
    [DataRow("outside/secret.bmp", HttpStatusCode.NotFound)]
    [DataRow("photos/../outside/secret.bmp", HttpStatusCode.NotFound)]
    [DataRow("photos/cat/link.bmp", HttpStatusCode.NotFound, DisplayName = "a link out of the folder")]
    [DataRow("photos/out/secret.bmp", HttpStatusCode.NotFound, DisplayName = "below a linked folder")]
    [DataRow("photos", HttpStatusCode.NotFound)]
    public async Task Thumbnail_OfAPath_IsOfTheFoldersOnly(string path, HttpStatusCode expected)
    {
        using HttpResponseMessage response = await inside.GetAsync(
            $"/thumbnail?path={Uri.EscapeDataString(Path.Combine(Folder.Path, path))}"
        );
        Assert.AreEqual(expected, response.StatusCode);
    }

    [TestMethod]
    [DataRow("cat/one.bmp", DisplayName = "a path that is not full")]
    [DataRow("")]
    [DataRow("/etc/passwd")]
    [DataRow("/photos\0/x")]
    public async Task Thumbnail_OfNoImageInside_IsNotFound(string path)
    {
        using HttpResponseMessage response = await inside.GetAsync($"/thumbnail?path={Uri.EscapeDataString(path)}");
        Assert.AreEqual(HttpStatusCode.NotFound, response.StatusCode);
    }

    [TestMethod]
    [DataRow("..%2F..%2Fetc")]
    [DataRow(".corrections")]
    [DataRow("no-such-run")]
    public async Task Report_OfNoRun_IsNotFound(string name)
    {
        using HttpResponseMessage response = await inside.GetAsync($"/report/{name}");
        Assert.AreEqual(HttpStatusCode.NotFound, response.StatusCode);
    }

    [TestMethod]
    public async Task Pages_HaveHeadersThatShutThemIn()
    {
        using HttpResponseMessage response = await inside.GetAsync("/");
        string policy = response.Headers.GetValues("Content-Security-Policy").Single();
        StringAssert.Contains(policy, "default-src 'self'");
        StringAssert.Contains(policy, "frame-ancestors 'none'");
        Assert.AreEqual("nosniff", response.Headers.GetValues("X-Content-Type-Options").Single());
        using HttpClient stranger = studio.Client();
        Assert.IsFalse((await stranger.GetAsync("/")).Headers.Contains("Set-Cookie"));
    }
}
