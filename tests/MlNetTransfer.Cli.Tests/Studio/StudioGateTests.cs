using System.IO.Compression;
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
                [
                    "/",
                    "/runs",
                    "/thumbnail?path=x",
                    "/picture?path=x",
                    "/report/x",
                    "/comparison/x/y",
                    "/file/x/y",
                    "/language?to=ko",
                    "/_blazor",
                    "/_framework/blazor.web.js",
                ]
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
        foreach (string picture in (string[])["thumbnail", "picture"])
        {
            using HttpResponseMessage response = await inside.GetAsync(
                $"/{picture}?path={Uri.EscapeDataString(Path.Combine(Folder.Path, path))}"
            );
            Assert.AreEqual(expected, response.StatusCode, picture);
        }
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
    [DataRow("/file/..%2F..%2Fetc/passwd")]
    [DataRow("/file/.uploads/x.json")]
    [DataRow("/project/no-such-run/webapi")]
    [DataRow("/comparison/a/b")]
    public async Task Ask_ForNoRun_IsNotFound(string path)
    {
        using HttpResponseMessage response = await inside.GetAsync(path);
        Assert.AreEqual(HttpStatusCode.NotFound, response.StatusCode);
    }

    [TestMethod]
    public async Task Upload_FilesOfAFolder_AreOpenedUnderTheirClasses()
    {
        string id = await BeginAsync("My photos! <b>");
        Assert.AreEqual("My-photos-b", id);
        foreach (string path in (string[])["photos/cat/1.bmp", "photos/dog/‮2.bmp", "photos/.hidden/3.bmp"])
            Assert.AreEqual(
                HttpStatusCode.NoContent,
                (await SendAsync($"/upload/{id}?path={Uri.EscapeDataString(path)}", Bmp.Plain(1, 2, 3))).Status,
                path
            );
        Assert.AreEqual(HttpStatusCode.OK, (await SendAsync($"/upload/{id}/end", [])).Status);
        string photos = Path.Combine(studio.Output, ".uploads", id, "photos");
        Assert.IsTrue(File.Exists(Path.Combine(photos, "cat/1.bmp")));
        Assert.IsFalse(Directory.Exists(Path.Combine(photos, ".hidden")));
        using HttpResponseMessage shown = await inside.GetAsync(
            $"/thumbnail?path={Uri.EscapeDataString(Path.Combine(photos, "cat/1.bmp"))}"
        );
        Assert.AreEqual(HttpStatusCode.OK, shown.StatusCode, "what was dropped may be looked at");
        Assert.AreEqual(HttpStatusCode.BadRequest, (await SendAsync($"/upload/{id}/end", [])).Status, "it has ended");
    }

    [TestMethod]
    [DataRow("../../escaped.bmp")]
    [DataRow("/tmp/escaped.bmp")]
    [DataRow("a\\..\\..\\escaped.bmp")]
    [DataRow("C:\\escaped.bmp")]
    [DataRow("a/con.bmp")]
    [DataRow("a/b\n.bmp")]
    [DataRow("a./b.bmp")]
    [DataRow("")]
    public async Task Upload_ToAPlaceThatIsNone_IsRefusedAndLeavesNothing(string path)
    {
        string id = await BeginAsync("places");
        (HttpStatusCode status, string said) = await SendAsync(
            $"/upload/{id}?path={Uri.EscapeDataString(path)}",
            Bmp.Plain(1, 2, 3)
        );
        Assert.AreEqual(HttpStatusCode.BadRequest, status);
        StringAssert.Contains(said, "is no place within a folder");
        Assert.IsFalse(Directory.Exists(Path.Combine(studio.Output, ".uploads", id)));
    }

    /// <summary>70 MB of zeros in an archive of 70 kB: what is too large for an image is left out.</summary>
    [TestMethod]
    public async Task Upload_ArchiveThatUnpacksToFarMore_LeavesThatOut()
    {
        using MemoryStream bomb = new();
        await using (var zip = new ZipArchive(bomb, ZipArchiveMode.Create, leaveOpen: true))
        {
            await using (Stream entry = await zip.CreateEntry("cat/a.bmp").OpenAsync())
                for (int i = 0; i < 70; i++)
                    await entry.WriteAsync(new byte[1_000_000]);
            foreach (string name in (string[])["cat/b.bmp", "dog/c.bmp"])
            {
                await using Stream image = await zip.CreateEntry(name).OpenAsync();
                await image.WriteAsync(Bmp.Plain(1, 2, 3));
            }
        }

        string id = await BeginAsync("bomb.zip"),
            folder = Path.Combine(studio.Output, ".uploads", id);
        Assert.AreEqual(HttpStatusCode.NoContent, (await SendAsync($"/upload/{id}/archive", bomb.ToArray())).Status);
        (HttpStatusCode status, string said) = await SendAsync($"/upload/{id}/end", []);
        Assert.AreEqual(HttpStatusCode.OK, status, said);
        Assert.AreEqual("1", said, "what is left out is counted");
        CollectionAssert.AreEquivalent(
            (string[])["b.bmp", "c.bmp"],
            Directory.GetFiles(folder, "*", SearchOption.AllDirectories).Select(Path.GetFileName).ToArray()
        );
        Assert.IsFalse(File.Exists($"{folder}.zip"));
    }

    /// <summary>What cannot be opened is not kept.</summary>
    [TestMethod]
    public async Task Upload_OfNoClasses_SaysSoAndLeavesNothing()
    {
        string id = await BeginAsync("flat");
        await SendAsync($"/upload/{id}?path=a.bmp", Bmp.Plain(1, 2, 3));
        (HttpStatusCode status, string said) = await SendAsync($"/upload/{id}/end", []);
        Assert.AreEqual(HttpStatusCode.BadRequest, status, said);
        Assert.IsFalse(Directory.Exists(Path.Combine(studio.Output, ".uploads", id)));
    }

    /// <summary>A video among images, larger than other requests may be.</summary>
    [TestMethod]
    public async Task Upload_OfOneFileThatIsFarTooLarge_KeepsTheOthers()
    {
        string id = await BeginAsync("video");
        foreach (string path in (string[])["cat/a.bmp", "dog/b.bmp"])
            await SendAsync($"/upload/{id}?path={path}", Bmp.Plain(1, 2, 3));
        (HttpStatusCode status, string said) = await SendAsync(
            $"/upload/{id}?path=cat/film.mp4",
            new byte[110_000_000]
        );
        Assert.AreEqual(HttpStatusCode.NoContent, status, said);
        Assert.AreEqual((HttpStatusCode.OK, "1"), await SendAsync($"/upload/{id}/end", []));
    }

    /// <summary>A browser sends several files at once.</summary>
    [TestMethod]
    public async Task Upload_RefusedWhileOthersAreSent_LeavesNothing()
    {
        string id = await BeginAsync("many");
        await Task.WhenAll(
            Enumerable
                .Range(0, 40)
                .Select(i => SendAsync($"/upload/{id}?path=cat/{(i == 7 ? "..%2F..%2Fx" : i)}.bmp", Bmp.Plain(1, 2, 3)))
        );
        Assert.IsFalse(Directory.Exists(Path.Combine(studio.Output, ".uploads", id)));
    }

    [TestMethod]
    public async Task Upload_OfNoArchive_SaysSo()
    {
        string id = await BeginAsync("text.zip");
        (HttpStatusCode status, string said) = await SendAsync($"/upload/{id}/archive", "no archive"u8.ToArray());
        Assert.AreEqual(HttpStatusCode.BadRequest, status);
        StringAssert.StartsWith(said, "The archive cannot be read");
    }

    /// <summary>Two would undo each other's labels.</summary>
    [TestMethod]
    public void Start_WhereAnotherStudioWrites_SaysSo()
    {
        CliResult second = Cli.Run("studio", Folder.File("photos"), "--output", studio.Output, "--port", "0");
        Assert.AreEqual(ExitCode.Failed, second.Code, second.ToString());
        StringAssert.Contains(second.Error, ".studio");
        Assert.DoesNotContain("   at ", second.Error);
    }

    [TestMethod]
    public void Start_OnAMachineThatHasNeverSeenIt_LeavesNothingInTheUsersFolder() =>
        Assert.IsEmpty(Directory.GetFileSystemEntries(studio.Home));

    [TestMethod]
    public void Start_OnAPortThatIsTaken_SaysSoInALine()
    {
        CliResult second = Cli.Run(
            "studio",
            Folder.File("photos"),
            "--output",
            Folder.File("other"),
            "--port",
            $"{studio.Address.Port}"
        );
        Assert.AreEqual(ExitCode.Failed, second.Code, second.ToString());
        StringAssert.StartsWith(second.Error, "error: The studio cannot listen");
        Assert.DoesNotContain("   at ", second.Error);
    }

    private static async Task<string> BeginAsync(string name) =>
        (await SendAsync($"/upload?name={Uri.EscapeDataString(name)}", [])).Said;

    private static async Task<(HttpStatusCode Status, string Said)> SendAsync(string path, byte[] body)
    {
        using ByteArrayContent content = new(body);
        using HttpResponseMessage response = await inside.PostAsync(path, content);
        return (response.StatusCode, await response.Content.ReadAsStringAsync());
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
