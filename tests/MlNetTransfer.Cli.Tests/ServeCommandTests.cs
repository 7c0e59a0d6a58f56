using System.Diagnostics;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.RegularExpressions;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>serve, asked over HTTP.</summary>
[TestClass]
public sealed class ServeCommandTests
{
    private const string Key = "0123456789abcdef0123456789abcdef";

    private static readonly byte[] Banana = File.ReadAllBytes(Path.Combine(Cli.Samples, "fruit/banana.png"));

    [TestMethod]
    public async Task Serve_AModel_AnswersAndShowsItselfAndEndsWhole()
    {
        await using Served server = await Served.StartAsync($"clip={Trained.Model}");
        using HttpResponseMessage answer = await server.Client.PostAsync(
            "/v1/models/clip/predict?top=2",
            new ByteArrayContent(Banana)
        );
        JsonElement found = (await answer.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("predictions")[0];
        Assert.AreEqual("fruit", found.GetProperty("label").GetString());
        Assert.AreEqual(2, found.GetProperty("top").GetArrayLength());
        Assert.AreEqual("Healthy", await server.Client.GetStringAsync("/health/live"));
        JsonElement ready = await server.Client.GetFromJsonAsync<JsonElement>("/health/ready");
        Assert.AreEqual("Healthy", ready.GetProperty("checks").GetProperty("model-clip").GetString());
        string metrics = await server.Client.GetStringAsync("/metrics");
        StringAssert.Matches(
            metrics,
            new Regex(
                "mlnettransfer_requests_total\\{[^}]*mlnettransfer_model=\"clip\",mlnettransfer_outcome=\"ok\"\\} 1 ?"
            )
        );
        StringAssert.Contains(metrics, "mlnettransfer_unknown_score_bucket");
        StringAssert.Contains(metrics, "http_server_request_duration_seconds");
        string said = await server.EndAsync();
        StringAssert.Contains(said, "Serving clip on http://127.0.0.1:");
        StringAssert.Contains(said, "curl --data-binary @photo.jpg http://127.0.0.1:");
        StringAssert.EndsWith(said.TrimEnd(), "Ended.");
    }

    [TestMethod]
    public async Task Serve_Documents_SayWhatABodyMayBeAndAskNobodyElse()
    {
        await using Served server = await Served.StartAsync($"clip={Trained.Model}");
        JsonElement document = await server.Client.GetFromJsonAsync<JsonElement>("/openapi/v1.json");
        JsonElement predict = document
            .GetProperty("paths")
            .GetProperty("/v1/models/{name}/predict")
            .GetProperty("post");
        CollectionAssert.AreEquivalent(
            (string[])["application/octet-stream", "multipart/form-data", "application/json"],
            predict.GetProperty("requestBody").GetProperty("content").EnumerateObject().Select(p => p.Name).ToArray()
        );
        CollectionAssert.AreEquivalent(
            (string[])["name", "top", "threshold"],
            predict.GetProperty("parameters").EnumerateArray().Select(p => p.GetProperty("name").GetString()!).ToArray()
        );
        CollectionAssert.AreEquivalent(
            (string[])["200", "400", "404", "408", "413", "422", "503"],
            predict.GetProperty("responses").EnumerateObject().Select(p => p.Name).ToArray()
        );
        using HttpResponseMessage page = await server.Client.GetAsync("/docs/");
        Assert.AreEqual(HttpStatusCode.OK, page.StatusCode);
        StringAssert.StartsWith(page.Headers.GetValues("Content-Security-Policy").Single(), "default-src 'self'");
        string html = await page.Content.ReadAsStringAsync();
        Assert.DoesNotContain("https://", html);
    }

    [TestMethod]
    public async Task Serve_WithKeys_AnswersThoseWhoHaveOne()
    {
        using TempFolder folder = new();
        string digest = Convert.ToHexStringLower(
            System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(new string('b', 20)))
        );
        File.WriteAllText(folder.File("keys"), $"# shops\nalpha = {Key}\n\nbeta=SHA256:{digest}\n");
        await using Served server = await Served.StartAsync($"clip={Trained.Model}", "--api-keys", folder.File("keys"));
        Assert.AreEqual(HttpStatusCode.Unauthorized, await StatusAsync(null, null));
        Assert.AreEqual(HttpStatusCode.Unauthorized, await StatusAsync("X-Api-Key", Key + "0"));
        Assert.AreEqual(HttpStatusCode.OK, await StatusAsync("X-Api-Key", Key));
        Assert.AreEqual(HttpStatusCode.OK, await StatusAsync("Authorization", $"Bearer {new string('b', 20)}"));
        Assert.AreEqual("Healthy", await server.Client.GetStringAsync("/health/live"), "probes have no key");

        async Task<HttpStatusCode> StatusAsync(string? header, string? value)
        {
            using HttpRequestMessage request = new(HttpMethod.Get, "/v1/models");
            if (header is not null)
                request.Headers.Add(header, value);
            using HttpResponseMessage response = await server.Client.SendAsync(request);
            return response.StatusCode;
        }
    }

    [TestMethod]
    public async Task Serve_WithARateLimit_Answers429BeyondIt()
    {
        await using Served server = await Served.StartAsync($"clip={Trained.Model}", "--rate-limit", "0.1");
        using HttpResponseMessage first = await server.Client.GetAsync("/v1/models"),
            second = await server.Client.GetAsync("/v1/models");
        Assert.AreEqual((HttpStatusCode.OK, HttpStatusCode.TooManyRequests), (first.StatusCode, second.StatusCode));
        Assert.AreEqual(TimeSpan.FromSeconds(10), second.Headers.RetryAfter!.Delta);
        StringAssert.Contains(await second.Content.ReadAsStringAsync(), "More than 0.1 requests per second");
    }

    [TestMethod]
    public async Task Serve_Draining_IsNotReadyButAnswers()
    {
        await using Served server = await Served.StartAsync($"clip={Trained.Model}", "--drain", "3s");
        Task<string> ending = server.EndAsync();
        using HttpResponseMessage ready = await server.Client.GetAsync("/health/ready");
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, ready.StatusCode);
        using HttpResponseMessage answer = await server.Client.PostAsync(
            "/v1/models/clip/predict",
            new ByteArrayContent(Banana)
        );
        Assert.AreEqual(HttpStatusCode.OK, answer.StatusCode);
        await ending;
    }

    [TestMethod]
    public async Task Serve_Shadow_IsCompared()
    {
        await using Served server = await Served.StartAsync($"clip={Trained.Model}", "--shadow", Trained.Model);
        using HttpResponseMessage answer = await server.Client.PostAsync(
            "/v1/models/clip/predict",
            new ByteArrayContent(Banana)
        );
        Assert.AreEqual(HttpStatusCode.OK, answer.StatusCode);
        string said = await server.EndAsync(async () =>
        {
            JsonElement model = await server.Client.GetFromJsonAsync<JsonElement>("/v1/models/clip");
            return model.GetProperty("candidate").GetProperty("images").GetInt32() == 1;
        });
        StringAssert.Contains(said, "Candidate 'candidate' beside 'clip' on 1 images: the same class for 100.0 %");
    }

    [TestMethod]
    [DataRow("--listen: 'nowhere'", "--listen", "nowhere")]
    [DataRow("--share is that of", "--share", "0.5")]
    [DataRow("Give one of them", "--shadow", "a.onnx", "--canary", "b.onnx")]
    [DataRow("--drain is '2h'; it must be 0s to 10m", "--drain", "2h")]
    [DataRow("Write NAME=KEY", "--api-keys", "no-such-file")]
    [DataRow("--max-images is 0", "--max-images", "0")]
    [DataRow("--max-memory-mb is 100; at least three times", "--max-memory-mb", "100")]
    [DataRow("--listen: '1:8080' is no address", "--listen", "1:8080")]
    [DataRow("cannot listen on 192.0.2.1:8123", "--listen", "192.0.2.1:8123")]
    [DataRow("would both be called 'clip'", "--shadow", "clip=other.onnx")]
    public void Serve_WrongOption_SaysWhatIsRight(string message, params string[] options)
    {
        CliResult result = Cli.Run(["serve", $"clip={Trained.Model}", .. options]);
        Assert.AreNotEqual(0, result.Code);
        StringAssert.Contains(result.Error, message);
    }

    [TestMethod]
    public void Serve_WrongModels_AreNamed()
    {
        CliResult none = Cli.Run("serve"),
            missing = Cli.Run("serve", "no/model.onnx", "--listen", "127.0.0.1:0"),
            twice = Cli.Run("serve", $"a={Trained.Model}", $"a={Trained.Model}"),
            unfit = Cli.Run("serve", $"a b={Trained.Model}");
        Assert.AreEqual((2, 1, 1, 2), (none.Code, missing.Code, twice.Code, unfit.Code));
        StringAssert.Contains(missing.Error, "model.onnx' does not exist");
        StringAssert.Contains(twice.Error, "would both be served as 'a'");
        StringAssert.Contains(unfit.Error, "'a b'");
        StringAssert.Contains(unfit.Error, "cannot stand in an address");
    }

    [TestMethod]
    public async Task Serve_AddressThatIsTaken_SaysSo()
    {
        await using Served server = await Served.StartAsync($"clip={Trained.Model}");
        CliResult second = Cli.Run("serve", Trained.Model, "--listen", server.Client.BaseAddress!.Authority);
        Assert.AreEqual(1, second.Code);
        StringAssert.Contains(second.Error, "Choose another address with --listen");
    }

    /// <summary>The container's folder: it serves, and has no weights but those of the runtime.</summary>
    [TestMethod]
    public async Task Publish_ForAContainer_HasNoPretrainedWeightsAndServes()
    {
        using TempFolder folder = new();
        string file = File.ReadAllText(Repository.At("docs/deploy/serve.Dockerfile"));
        const string Published = "dotnet publish src/MlNetTransfer.Cli -c Release -p:WithBackbones=false -o ";
        StringAssert.Contains(file, Published);
        using Process publish = Process.Start(
            new ProcessStartInfo("dotnet", [.. Published.Split(' ')[1..^2], "-o", folder.File("app"), "--no-build"])
            {
                WorkingDirectory = Repository.At("."),
                RedirectStandardOutput = true,
            }
        )!;
        string output = await publish.StandardOutput.ReadToEndAsync();
        await publish.WaitForExitAsync();
        Assert.AreEqual(0, publish.ExitCode, output);
        Assert.IsEmpty(Directory.GetFiles(folder.File("app"), "*.onnx", SearchOption.AllDirectories));
        using Process server = Process.Start(
            new ProcessStartInfo(
                "dotnet",
                [folder.File("app/mlnet-transfer.dll"), "serve", $"clip={Trained.Model}", "--listen", "127.0.0.1:0"]
            )
            {
                RedirectStandardError = true,
            }
        )!;
        try
        {
            string? line;
            do line = await server.StandardError.ReadLineAsync().WaitAsync(TimeSpan.FromMinutes(1));
            while (line is not null && !line.StartsWith("Serving ", StringComparison.Ordinal));
            using HttpClient client = new() { BaseAddress = Served.AddressIn(line!) };
            using HttpResponseMessage answer = await client.PostAsync(
                "/v1/models/clip/predict",
                new ByteArrayContent(Banana)
            );
            StringAssert.Contains(await answer.Content.ReadAsStringAsync(), "\"label\":\"fruit\"");
        }
        finally
        {
            server.Kill(entireProcessTree: true);
        }
    }

    /// <summary>A server in this process.</summary>
    private sealed class Served : IAsyncDisposable
    {
        private readonly CancellationTokenSource end = new();
        private readonly StringWriter error = new();
        private readonly TextWriter said;
        private readonly Task<int> run;

        private Served(string[] args)
        {
            said = TextWriter.Synchronized(error);
            run = Task.Run(() =>
                CommandLine.Run(["serve", "--listen", "127.0.0.1:0", .. args], TextWriter.Null, said, end.Token)
            );
        }

        public HttpClient Client { get; private set; } = null!;

        public static async Task<Served> StartAsync(params string[] args)
        {
            Served served = new(args);
            await Until(() =>
                Task.FromResult(served.Said.Contains("Serving ", StringComparison.Ordinal) || served.run.IsCompleted)
            );
            Assert.IsFalse(served.run.IsCompleted, served.Said);
            served.Client = new HttpClient { BaseAddress = AddressIn(served.Said) };
            return served;
        }

        public static Uri AddressIn(string said) => new(Regex.Match(said, @"on (http://\S+) until").Groups[1].Value);

        /// <summary>Ends it as Ctrl-C does, once something is so; what it has written.</summary>
        public async Task<string> EndAsync(Func<Task<bool>>? once = null)
        {
            if (once is not null)
                await Until(once);
            await end.CancelAsync();
            Assert.AreEqual(0, await run.WaitAsync(TimeSpan.FromMinutes(1)));
            return Said;
        }

        public async ValueTask DisposeAsync()
        {
            await end.CancelAsync();
            await run;
            Client.Dispose();
            end.Dispose();
        }

        private string Said
        {
            get
            {
                lock (said)
                    return error.ToString();
            }
        }

        private static async Task Until(Func<Task<bool>> condition)
        {
            for (int i = 0; !await condition(); i++)
            {
                Assert.IsLessThan(3000, i, "not so after 60 s");
                await Task.Delay(20);
            }
        }
    }
}
