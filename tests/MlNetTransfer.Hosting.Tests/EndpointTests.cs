using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using MlNetTransfer.AspNetCore;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>The endpoints of MlNetTransfer.AspNetCore through a real Kestrel.</summary>
[TestClass]
public sealed class EndpointTests
{
    private static readonly byte[] Red = Bmp.Plain(200, 100, 50);

    private static readonly byte[] Blue = Bmp.Plain(10, 20, 220);

    private static readonly float ProbabilityOfRed = (float)TinyModel.Expected(200, 100, 50)[0];

    [TestMethod]
    [DataRow("image/bmp")]
    [DataRow("application/octet-stream")]
    [DataRow("application/x-www-form-urlencoded", DisplayName = "what curl --data-binary says")]
    [DataRow(null)]
    public async Task Predict_Body_IsTheImageWhateverItsType(string? type)
    {
        await using Web web = await Web.StartAsync();
        using ByteArrayContent body = new(Red);
        body.Headers.ContentType = type is null ? null : new MediaTypeHeaderValue(type);
        ImagePrediction found = (await AnswerAsync(web, "/predict", body)).Predictions.Single();
        Assert.AreEqual("red", found.Label);
        Assert.AreEqual(ProbabilityOfRed, found.Probability!.Value, 1e-5);
        Assert.HasCount(3, found.Top!);
        Assert.IsNull(found.Error);
    }

    [TestMethod]
    public async Task Predict_FormOfSeveral_AnswersEachInItsPlace()
    {
        await using Web web = await Web.StartAsync();
        using MultipartFormDataContent form = new()
        {
            { new ByteArrayContent(Red), "images", "first.bmp" },
            { new ByteArrayContent("hello, world"u8.ToArray()), "images", "second.txt" },
            { new StringContent("1"), "top" },
            { new ByteArrayContent(Blue), "a field without a file name" },
        };
        IReadOnlyList<ImagePrediction> found = (await AnswerAsync(web, "/v1/models/tiny/predict", form)).Predictions;
        Assert.HasCount(3, found);
        Assert.AreEqual(("first.bmp", "red"), (found[0].Name, found[0].Label));
        Assert.HasCount(1, found[0].Top!);
        Assert.AreEqual(("second.txt", 422), (found[1].Name, found[1].Error!.Status));
        StringAssert.Contains(found[1].Error!.Detail, "not an image");
        Assert.AreEqual(((string?)null, "blue"), (found[2].Name, found[2].Label));
    }

    [TestMethod]
    public async Task Predict_Json_TakesBase64AndDataAddressesAndWishes()
    {
        await using Web web = await Web.StartAsync();
        string red = Convert.ToBase64String(Red);
        string json =
            $$"""{"images": ["{{red}}", "data:image/bmp;base64,{{red}}", "{{red.Replace("/", "\\/")}}"], "top": 2, "threshold": 0.99}""";
        IReadOnlyList<ImagePrediction> found = (
            await AnswerAsync(web, "/predict", new StringContent(json, Encoding.UTF8, "application/json"))
        ).Predictions;
        Assert.HasCount(3, found);
        foreach (ImagePrediction one in found)
        {
            Assert.AreEqual("red", one.Label);
            Assert.HasCount(2, one.Top!);
            Assert.IsTrue(one.Abstained, "0.57 is below the threshold");
        }
    }

    [TestMethod]
    public async Task Predict_Threshold_SaysWhetherTheAnswerIsBelow()
    {
        await using Web web = await Web.StartAsync();
        Assert.IsTrue(await AbstainedAsync(web, "/predict?threshold=0.9"));
        Assert.IsFalse(await AbstainedAsync(web, "/predict?threshold=0.1&top=1"));
        Assert.IsNull(await AbstainedAsync(web, "/predict"), "the file promises nothing");
    }

    [TestMethod]
    [DataRow("/predict?top=0", "'top' is '0'; a whole number from 1 to 1000 was expected")]
    [DataRow("/predict?top=many", "'top' is 'many'")]
    [DataRow("/predict?threshold=2", "'threshold' is '2'; a number from 0 to 1 was expected")]
    [DataRow("/predict?threshold=NaN", "'threshold' is 'NaN'")]
    [DataRow("/predict?tpo=3", "The address has 'tpo'; top and threshold are known")]
    public async Task Predict_WrongWish_Is400(string address, string message)
    {
        await using Web web = await Web.StartAsync();
        await ProblemAsync(web, address, new ByteArrayContent(Red), HttpStatusCode.BadRequest, message);
    }

    [TestMethod]
    [DataRow("""{"images": [""", "cannot be read")]
    [DataRow("""[1, 2]""", "no object")]
    [DataRow("""{"image": "AAAA"}""", "a member 'image'")]
    [DataRow("""{"images": []}""", "empty")]
    [DataRow("""{"images": "AAAA"}""", "no array")]
    [DataRow("""{"images": [7]}""", "Image 0 of \"images\" is no string")]
    [DataRow("""{"images": ["AAAA", "?"]}""", "Image 1 of \"images\" is no base64")]
    [DataRow("""{"images": ["AAAA"], "top": "x"}""", "'top' is 'x'")]
    [DataRow("""{"images": ["AAAA"], "top": [1]}""", "an array or object where a number was expected")]
    [DataRow("""{"images": ["\ud800"]}""", "cannot be read")]
    [DataRow("""{"\ud800": 1}""", "cannot be read")]
    [DataRow("""{"images": ["AAAA"]} trailing""", "cannot be read")]
    [DataRow("""{"top": 1}""", "no array")]
    public async Task Predict_WrongJson_Is400(string json, string message)
    {
        await using Web web = await Web.StartAsync();
        using StringContent content = new(json, Encoding.UTF8, "application/json");
        await ProblemAsync(web, "/predict", content, HttpStatusCode.BadRequest, message);
        Assert.AreEqual(0, web.Buffered);
    }

    [TestMethod]
    public async Task Predict_WrongForm_Is400()
    {
        await using Web web = await Web.StartAsync();
        using ByteArrayContent unbounded = new(Red),
            broken = new(Encoding.ASCII.GetBytes("--x\r\nContent-Disposition: form-data; name=a\r\n\r\nno end")),
            noForm = new(Red);
        unbounded.Headers.TryAddWithoutValidation("Content-Type", "multipart/form-data");
        broken.Headers.TryAddWithoutValidation("Content-Type", "multipart/form-data; boundary=x");
        noForm.Headers.TryAddWithoutValidation("Content-Type", "multipart/form-data; boundary=x");
        await ProblemAsync(web, "/predict", unbounded, HttpStatusCode.BadRequest, "has no boundary");
        await ProblemAsync(web, "/predict", broken, HttpStatusCode.BadRequest, "The form cannot be read");
        await ProblemAsync(web, "/predict", noForm, HttpStatusCode.BadRequest, "The form");
        using MultipartFormDataContent empty = new() { { new StringContent("1"), "top" } };
        await ProblemAsync(web, "/predict", empty, HttpStatusCode.BadRequest, "The form has no image");
        await ProblemAsync(web, "/predict", new ByteArrayContent([]), HttpStatusCode.BadRequest, "has no body");
        Assert.AreEqual(0, web.Buffered);
    }

    [TestMethod]
    public async Task Predict_TooLarge_Is413WhateverTheWay()
    {
        await using Web web = await Web.StartAsync(
            o => (o.MaxRequestBytes, o.MaxImages) = (100_000, 2),
            o => o.Limits = new() { MaxBytes = 50_000 }
        );
        byte[] request = new byte[100_001],
            image = new byte[50_001];
        await ProblemAsync(web, "/predict", new ByteArrayContent(request), TooLarge, "100000 bytes");
        using StreamContent chunked = new(new Unseekable(request));
        await ProblemAsync(web, "/predict", chunked, TooLarge, "100000 bytes");
        await ProblemAsync(web, "/predict", new ByteArrayContent(image), TooLarge, "the limit is 50000 bytes");
        using MultipartFormDataContent form = new() { { new ByteArrayContent(request), "image", "large.bmp" } },
            three =
                new()
                {
                    { new ByteArrayContent(Red), "image", "1" },
                    { new ByteArrayContent(Red), "image", "2" },
                    { new ByteArrayContent(Red), "image", "3" },
                };
        await ProblemAsync(web, "/predict", form, TooLarge, "100000 bytes");
        await ProblemAsync(web, "/predict", three, TooLarge, "more than 2 images");
        Assert.AreEqual("red", (await AnswerAsync(web, "/predict", new ByteArrayContent(Red))).Predictions[0].Label);
        Assert.IsEmpty(web.Logs.Lines, "what clients do wrong is no matter for the log");
    }

    /// <summary>A tree of such a body would be many times its size; the first number ends it.</summary>
    [TestMethod]
    public async Task Predict_JsonOfMillionsOfNumbers_IsRefusedAtTheFirst()
    {
        await using Web web = await Web.StartAsync();
        string json = $"{{\"images\": [{string.Join(',', Enumerable.Repeat('1', 10_000_000))}]}}";
        using StringContent content = new(json, Encoding.UTF8, "application/json");
        await ProblemAsync(web, "/predict", content, HttpStatusCode.BadRequest, "Image 0");
        Assert.AreEqual(0, web.Buffered);
    }

    [TestMethod]
    public async Task Predict_JsonWithMarkAndNull_IsRead()
    {
        await using Web web = await Web.StartAsync();
        byte[] json =
        [
            .. Encoding.UTF8.Preamble,
            .. Encoding.UTF8.GetBytes($$"""{"top": null, "images": ["{{Convert.ToBase64String(Red)}}"]}"""),
        ];
        using ByteArrayContent content = new(json);
        content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        Assert.HasCount(3, (await AnswerAsync(web, "/predict", content)).Predictions[0].Top!);
    }

    [TestMethod]
    [DataRow("filename*=utf-7''a")]
    [DataRow("filename=\"=?utf-7?B?YWE=?=\"")]
    public async Task Predict_FormWithAHeaderNobodyReads_Is400(string name)
    {
        await using Web web = await Web.StartAsync();
        using ByteArrayContent form = new(
            Encoding.ASCII.GetBytes($"--x\r\nContent-Disposition: form-data; name=a; {name}\r\n\r\nbody\r\n--x--\r\n")
        );
        form.Headers.TryAddWithoutValidation("Content-Type", "multipart/form-data; boundary=x");
        await ProblemAsync(web, "/predict", form, HttpStatusCode.BadRequest, "The form");
    }

    /// <summary>What is only announced takes next to nothing, so that idle clients keep nobody out.</summary>
    [TestMethod]
    public async Task Predict_ManyIdleClients_TakeLittle()
    {
        await using Web web = await Web.StartAsync(o => o.MaxBufferedBytes = 8_000_000);
        List<NetworkStream> clients = [];
        for (int i = 0; i < 200; i++)
            clients.Add(
                await web.SendAsync("POST /predict HTTP/1.1\nHOST\nContent-Length: 60000000\n\n", new byte[240])
            );
        await Hosted.Until(() => web.Buffered >= 200 * 16_384, "they are there");
        Assert.AreEqual("red", (await AnswerAsync(web, "/predict", new ByteArrayContent(Red))).Predictions[0].Label);
        foreach (NetworkStream client in clients)
            await client.DisposeAsync();
        await Hosted.Until(() => web.Buffered == 0, "the memory is free");
    }

    /// <summary>Kestrel's own limit is 30 MB; the endpoint's holds.</summary>
    [TestMethod]
    public async Task Predict_MoreThanKestrelsDefault_IsRead()
    {
        await using Web web = await Web.StartAsync();
        await ProblemAsync(
            web,
            "/predict",
            new ByteArrayContent(new byte[40_000_000]),
            HttpStatusCode.UnprocessableEntity,
            "not an image"
        );
    }

    [TestMethod]
    public async Task Predict_BodyThatTrickles_Is408AndFreesItsMemory()
    {
        await using Web web = await Web.StartAsync(o => o.ReadTimeout = TimeSpan.FromSeconds(1));
        await using NetworkStream slow = await web.SendAsync(
            "POST /predict HTTP/1.1\nHOST\nContent-Length: 25000000\n\n",
            new byte[2_000_000]
        );
        StringAssert.Contains(await Web.StatusLineAsync(slow), "408");
        await Hosted.Until(() => web.Buffered == 0, "the memory is free");
    }

    /// <summary>
    /// Clients that announce much, send some and wait: the budget holds, others are told to wait, and all is free when
    /// they hang up.
    /// </summary>
    [TestMethod]
    public async Task Predict_ManyUnfinishedBodies_StayWithinTheBudget()
    {
        await using Web web = await Web.StartAsync(o => o.MaxBufferedBytes = 8_000_000);
        List<NetworkStream> clients = [];
        for (int i = 0; i < 12; i++)
            clients.Add(
                await web.SendAsync("POST /predict HTTP/1.1\nHOST\nContent-Length: 25000000\n\n", new byte[1_000_000])
            );
        await Hosted.Until(() => web.Buffered > 6_000_000, "the bodies are there");
        Assert.IsLessThanOrEqualTo(8_000_000, web.Buffered);
        using HttpResponseMessage busy = await web.Client.PostAsync(
            "/predict",
            new ByteArrayContent(new byte[3_000_000])
        );
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, busy.StatusCode);
        Assert.AreEqual(TimeSpan.FromSeconds(1), busy.Headers.RetryAfter!.Delta);
        foreach (NetworkStream client in clients)
            await client.DisposeAsync();
        await Hosted.Until(() => web.Buffered == 0, "the memory is free");
        Assert.AreEqual("red", (await AnswerAsync(web, "/predict", new ByteArrayContent(Red))).Predictions[0].Label);
    }

    [TestMethod]
    public async Task Predict_BodyThatBreaksOff_LeavesNothing()
    {
        await using Web web = await Web.StartAsync();
        await using NetworkStream chunks = await web.SendAsync(
            "POST /predict HTTP/1.1\nHOST\nTransfer-Encoding: chunked\n\nzz\n"
        );
        StringAssert.Contains(await Web.StatusLineAsync(chunks), "400");
        NetworkStream shorter = await web.SendAsync(
            "POST /predict HTTP/1.1\nHOST\nContent-Length: 100000\n\n",
            new byte[50_000]
        );
        await shorter.DisposeAsync();
        await Hosted.Until(() => web.Buffered == 0, "the memory is free");
        Assert.AreEqual("red", (await AnswerAsync(web, "/predict", new ByteArrayContent(Red))).Predictions[0].Label);
    }

    [TestMethod]
    public async Task Predict_ClientThatGoes_FreesItsPlace()
    {
        await using Web web = await Web.StartAsync(serve: o => (o.Workers, o.MaxWaiting) = (1, 1));
        ITransferPredictor model = web.Services.GetRequiredService<ITransferPredictor>();
        using GatedImage gated = new(Red);
        Task<TransferPrediction> inHand = model.PredictAsync(gated.Memory);
        await gated.Reached;
        using CancellationTokenSource leave = new();
        Task<HttpResponseMessage> waiting = web.Client.PostAsync("/predict", new ByteArrayContent(Red), leave.Token);
        await Hosted.Until(() => ((HostedModel)model).Load.Waiting == 1, "the request waits");
        using HttpResponseMessage busy = await web.Client.PostAsync("/predict", new ByteArrayContent(Red));
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, busy.StatusCode);
        await leave.CancelAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => waiting);
        await Hosted.Until(() => ((HostedModel)model).Load.Waiting == 0, "its place is free");
        gated.Release();
        await inHand;
        Assert.AreEqual("red", (await AnswerAsync(web, "/predict", new ByteArrayContent(Red))).Predictions[0].Label);
    }

    [TestMethod]
    public async Task Predict_FailureOfTheModel_Is500WithoutItsReasonAndLogged()
    {
        await using Web web = await Web.StartAsync();
        TinyModel.Put(
            web.Services.GetRequiredService<ITransferModels>()["tiny"].Status.Path,
            TinyModel.Bytes(fragile: true)
        );
        await web.Services.GetRequiredService<ITransferModels>().ReloadAsync("tiny");
        JsonElement problem = await ProblemAsync(
            web,
            "/predict",
            new ByteArrayContent(Bmp.Plain(255, 1, 1)),
            HttpStatusCode.InternalServerError,
            null
        );
        Assert.IsFalse(
            problem.TryGetProperty("detail", out JsonElement detail) && detail.ValueKind != JsonValueKind.Null
        );
        Assert.IsTrue(web.Logs.Lines.Any(l => l.StartsWith("Error: /predict failed", StringComparison.Ordinal)));
    }

    [TestMethod]
    public async Task Models_OfSeveral_AreListedAndAskedByName()
    {
        await using Web web = await Web.StartAsync(models: ["one", "two"]);
        ServedModels all = (await web.Client.GetFromJsonAsync<ServedModels>("/v1/models"))!;
        CollectionAssert.AreEqual((string[])["one", "two"], all.Models.Select(m => m.Name).ToArray());
        ServedModel two = (await web.Client.GetFromJsonAsync<ServedModel>("/v1/models/two"))!;
        Assert.AreEqual("Serving", two.State);
        CollectionAssert.AreEqual(TinyModel.Labels, two.Labels.ToArray());
        using HttpResponseMessage none = await web.Client.GetAsync("/v1/models/three");
        Assert.AreEqual(HttpStatusCode.NotFound, none.StatusCode);
        await ProblemAsync(
            web,
            "/v1/models/three/predict",
            new ByteArrayContent(Red),
            HttpStatusCode.NotFound,
            "There is no model 'three'; there are: one, two."
        );
        Assert.AreEqual(
            "red",
            (await AnswerAsync(web, "/v1/models/two/predict", new ByteArrayContent(Red))).Predictions[0].Label
        );
    }

    private const HttpStatusCode TooLarge = HttpStatusCode.RequestEntityTooLarge;

    private static async Task<bool?> AbstainedAsync(Web web, string address) =>
        (await AnswerAsync(web, address, new ByteArrayContent(Red))).Predictions[0].Abstained;

    private static async Task<PredictResponse> AnswerAsync(Web web, string address, HttpContent content)
    {
        using HttpResponseMessage response = await web.Client.PostAsync(address, content);
        Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
        return (await response.Content.ReadFromJsonAsync<PredictResponse>())!;
    }

    private static async Task<JsonElement> ProblemAsync(
        Web web,
        string address,
        HttpContent content,
        HttpStatusCode status,
        string? message
    )
    {
        using HttpResponseMessage response = await web.Client.PostAsync(address, content);
        string text = await response.Content.ReadAsStringAsync();
        Assert.AreEqual(status, response.StatusCode, text);
        Assert.AreEqual("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        JsonElement problem = JsonSerializer.Deserialize<JsonElement>(text);
        Assert.AreEqual((int)status, problem.GetProperty("status").GetInt32());
        if (message is not null)
            StringAssert.Contains(problem.GetProperty("detail").GetString(), message);
        return problem;
    }

    /// <summary>A stream whose length is not known, so that it is sent in chunks.</summary>
    private sealed class Unseekable(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }
}
