using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using MlNetTransfer.AspNetCore;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>The sample application of docs/guide/aspnetcore.md, through its own HTTP door, with a real model.</summary>
[TestClass]
public sealed class PredictAppTests
{
    [TestMethod]
    [DataRow(1)]
    [DataRow(8)]
    public async Task Predict_BodyAndForm_AnswerAsTheLibraryDoes(int batch)
    {
        await using App app = await App.StartAsync(
            "--Models:clipart:MaxBatchSize",
            $"{batch}",
            "--Models:clipart:MaxDelay",
            "00:00:00.050",
            "--Models:clipart:Top",
            "8"
        );
        (IReadOnlyList<string> labels, float[][] rows) = Trained.Predict(Trained.Model);
        ImagePrediction[] answers = await Task.WhenAll(
            Trained.Images.Select(
                async (image, i) =>
                {
                    using HttpContent content =
                        i % 2 == 0 ? Body(File.ReadAllBytes(image)) : Form(File.ReadAllBytes(image));
                    using HttpResponseMessage response = await app.Client.PostAsync("/predict", content);
                    Assert.AreEqual(HttpStatusCode.OK, response.StatusCode, await response.Content.ReadAsStringAsync());
                    return (await response.Content.ReadFromJsonAsync<PredictResponse>())!.Predictions.Single();
                }
            )
        );
        for (int i = 0; i < answers.Length; i++)
        {
            Assert.AreEqual(labels[Array.IndexOf(rows[i], rows[i].Max())], answers[i].Label);
            Assert.HasCount(8, answers[i].Top!);
            foreach (Jobs.LabelProbability p in answers[i].Top!)
                Assert.AreEqual(
                    rows[i][labels.ToList().IndexOf(p.Label)],
                    p.Probability,
                    1e-6,
                    "a batch may add in another order, in float32"
                );
            Assert.AreEqual(LoadedModel.Hash(Trained.Model), answers[i].Model!.Sha256);
        }
    }

    [TestMethod]
    public async Task Predict_WhatCannotBeUsed_IsProblemDetailsOfTheRightStatus()
    {
        await using App app = await App.StartAsync("--Models:clipart:Limits:MaxBytes", "100000");
        JsonElement notAnImage = await ProblemAsync(
            app,
            Body("hello, world"u8.ToArray()),
            HttpStatusCode.UnprocessableEntity
        );
        StringAssert.Contains(notAnImage.GetProperty("detail").GetString(), "not an image");
        JsonElement tooLarge = await ProblemAsync(app, Body(new byte[100_001]), HttpStatusCode.RequestEntityTooLarge);
        StringAssert.Contains(tooLarge.GetProperty("detail").GetString(), "the limit is 100000 bytes");
        using HttpResponseMessage after = await app.Client.PostAsync("/predict", Body(Bmp.Plain(200, 100, 50)));
        Assert.AreEqual(HttpStatusCode.OK, after.StatusCode);
    }

    [TestMethod]
    public async Task Predict_Busy_Is503WithRetryAfter()
    {
        await using App app = await App.StartAsync("--Models:clipart:Workers", "1", "--Models:clipart:MaxWaiting", "1");
        ITransferPredictor predictor = app.Services.GetRequiredService<ITransferPredictor>();
        using GatedImage gated = new(Bmp.Plain(200, 100, 50));
        Task<TransferPrediction> inHand = predictor.PredictAsync(gated.Memory);
        await gated.Reached;
        Task<TransferPrediction> waiting = predictor.PredictAsync(Bmp.Plain(1, 2, 3));
        using HttpResponseMessage busy = await app.Client.PostAsync("/predict", Body(Bmp.Plain(9, 9, 9)));
        Assert.AreEqual(HttpStatusCode.ServiceUnavailable, busy.StatusCode);
        Assert.AreEqual(TimeSpan.FromSeconds(1), busy.Headers.RetryAfter!.Delta);
        gated.Release();
        await Task.WhenAll(inHand, waiting);
        using HttpResponseMessage after = await app.Client.PostAsync("/predict", Body(Bmp.Plain(9, 9, 9)));
        Assert.AreEqual(HttpStatusCode.OK, after.StatusCode);
    }

    [TestMethod]
    public async Task Health_OfAServedModel_IsJsonWithItsData()
    {
        await using App app = await App.StartAsync();
        JsonElement health = await app.Client.GetFromJsonAsync<JsonElement>("/health");
        Assert.AreEqual("Healthy", health.GetProperty("status").GetString());
        JsonElement data = health.GetProperty("checks").GetProperty("model-clipart").GetProperty("data");
        Assert.AreEqual(app.ModelPath, data.GetProperty("path").GetString());
        Assert.AreEqual(LoadedModel.Hash(app.ModelPath), data.GetProperty("sha256").GetString());
        Assert.AreEqual(8, data.GetProperty("labels").GetInt32());
        Assert.IsLessThan(
            TimeSpan.FromMinutes(5),
            DateTimeOffset.UtcNow
                - DateTimeOffset.Parse(
                    data.GetProperty("loadedAt").GetString()!,
                    System.Globalization.CultureInfo.InvariantCulture
                )
        );
    }

    [TestMethod]
    public async Task Reload_BetweenConcurrentRequests_NoneFailsAndAllAreOfOneOfTheModels()
    {
        await using App app = await App.StartAsync(
            "--Models:clipart:Debounce",
            "00:00:00.020",
            "--Models:clipart:Top",
            "8"
        );
        byte[] image = File.ReadAllBytes(Trained.Images[0]);
        string[] versions = [LoadedModel.Hash(Trained.Model), LoadedModel.Hash(Trained.OtherModel)];
        float[][] expected = [Trained.Predict(Trained.Model).Rows[0], Trained.Predict(Trained.OtherModel).Rows[0]];
        Assert.AreNotEqual(versions[0], versions[1]);
        int[] answered = [0, 0];
        Task[] callers =
        [
            .. Enumerable
                .Range(0, 6)
                .Select(async _ =>
                {
                    for (int after = 0; after < 10; )
                    {
                        using HttpResponseMessage response = await app.Client.PostAsync("/predict", Body(image));
                        Assert.AreEqual(
                            HttpStatusCode.OK,
                            response.StatusCode,
                            await response.Content.ReadAsStringAsync()
                        );
                        ImagePrediction found = (
                            await response.Content.ReadFromJsonAsync<PredictResponse>()
                        )!.Predictions.Single();
                        int model = Array.IndexOf(versions, found.Model!.Sha256);
                        Assert.AreEqual(expected[model].Max(), found.Probability!.Value, 1e-6);
                        Interlocked.Increment(ref answered[model]);
                        after += model;
                    }
                }),
        ];
        await Hosted.Until(
            () => Volatile.Read(ref answered[0]) >= 10 || callers.Any(c => c.IsCompleted),
            "the first model has answered"
        );
        TinyModel.Put(app.ModelPath, File.ReadAllBytes(Trained.OtherModel));
        await Task.WhenAll(callers).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.IsGreaterThanOrEqualTo(10, answered[0]);
        Assert.IsGreaterThanOrEqualTo(60, answered[1]);
    }

    internal static ByteArrayContent Body(byte[] image) =>
        new(image) { Headers = { ContentType = new("application/octet-stream") } };

    private static MultipartFormDataContent Form(byte[] image) => new() { { Body(image), "image", "image.png" } };

    private static async Task<JsonElement> ProblemAsync(App app, HttpContent content, HttpStatusCode status)
    {
        using HttpResponseMessage response = await app.Client.PostAsync("/predict", content);
        Assert.AreEqual(status, response.StatusCode);
        Assert.AreEqual("application/problem+json", response.Content.Headers.ContentType!.MediaType);
        JsonElement problem = await response.Content.ReadFromJsonAsync<JsonElement>();
        Assert.AreEqual((int)status, problem.GetProperty("status").GetInt32());
        return problem;
    }
}
