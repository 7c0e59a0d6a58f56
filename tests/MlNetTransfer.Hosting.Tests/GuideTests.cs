using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using MlNetTransfer.Samples.AspNetCore;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Hosting.Tests;

/// <summary>
/// The guide's code is code that is compiled and run here or in the sample application; its tables are what the product
/// does.
/// </summary>
[TestClass]
[DoNotParallelize]
public sealed class GuideTests
{
    private const string Guide = "docs/guide/aspnetcore.md",
        Sample = "tests/Samples/AspNetCore/",
        Here = "tests/MlNetTransfer.Hosting.Tests/GuideTests.cs";

    [TestMethod]
    public void Guide_EveryBlockOfCode_IsCodeThatIsRun()
    {
        string[] run =
        [
            .. ((string[])[Sample + "PredictApp.cs", Sample + "HealthJson.cs", Here])
                .SelectMany(f => DocumentedCode.Parts(f, "// guide: ", "// guide end"))
                .Select(DocumentedCode.Normal),
        ];
        string[] shown = [.. DocumentedCode.Blocks(Guide, "csharp").Select(DocumentedCode.Normal)];
        CollectionAssert.AreEquivalent(run, shown);
        // No block in a language that is not checked.
        Assert.HasCount(
            2 * (shown.Length + DocumentedCode.Blocks(Guide, "json").Count + DocumentedCode.Blocks(Guide, "sh").Count),
            Regex.Matches(File.ReadAllText(Repository.At(Guide)), "^```", RegexOptions.Multiline)
        );
    }

    [TestMethod]
    public async Task Guide_CommandLines_AskTheSample()
    {
        if (!OperatingSystem.IsLinux())
            Assert.Inconclusive("The lines are for a Unix shell.");
        using TempFolder folder = new();
        File.Copy(Trained.Model, folder.File("model.onnx"));
        foreach (string image in (string[])["fruit/banana.png", "vehicle/4wd.png"])
            File.Copy(Repository.At($"data-samples/clipart/{image}"), folder.File(System.IO.Path.GetFileName(image)));
        await using WebApplication app = PredictApp.Build([
            "--contentRoot",
            folder.Path,
            "--urls",
            "http://127.0.0.1:0",
            "--Logging:LogLevel:Default",
            "Warning",
        ]);
        await app.StartAsync();
        string[] lines = DocumentedCode.Blocks(Guide, "sh").Single().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        int[] images = [1, 2, 1];
        for (int i = 0; i < lines.Length; i++)
        {
            using var shell = Process.Start(
                new ProcessStartInfo("bash", ["-c", lines[i].Replace("http://localhost:5000", app.Urls.First())])
                {
                    WorkingDirectory = folder.Path,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                }
            )!;
            string answer = await shell.StandardOutput.ReadToEndAsync();
            JsonElement predictions = JsonSerializer.Deserialize<JsonElement>(answer).GetProperty("predictions");
            Assert.AreEqual(images[i], predictions.GetArrayLength(), lines[i]);
            Assert.AreEqual("fruit", predictions[0].GetProperty("label").GetString(), lines[i]);
        }
    }

    [TestMethod]
    public async Task Guide_GenericHost_Predicts()
    {
        using TempFolder folder = new();
        File.Copy(Trained.Model, folder.File("model.onnx"));
        File.Copy(Repository.At("data-samples/clipart/fruit/banana.png"), folder.File("banana.png"));
        TextWriter console = Console.Out;
        using var printed = new StringWriter();
        try
        {
            Console.SetOut(printed);
            await RunAsync(["--contentRoot", folder.Path, "--Logging:LogLevel:Default", "None"]);
        }
        finally
        {
            Console.SetOut(console);
        }

        StringAssert.Matches(
            printed.ToString(),
            new Regex($"^fruit \\(\\d+ ?%\\), said by {LoadedModel.Hash(Trained.Model)[..8]}")
        );
    }

    [TestMethod]
    public void Guide_Configuration_SetsEveryOptionItNames()
    {
        string json = DocumentedCode.Blocks(Guide, "json")[1];
        IConfiguration configuration = new ConfigurationBuilder()
            .AddJsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json)))
            .Build();
        using ServiceProvider services = new ServiceCollection()
            .AddTransferModel("clipart", "model.onnx")
            .Configure<TransferModelOptions>("clipart", configuration.GetSection("Models:clipart"))
            .BuildServiceProvider();
        TransferModelOptions options = services
            .GetRequiredService<IOptionsMonitor<TransferModelOptions>>()
            .Get("clipart");
        Assert.AreEqual(
            ("/models/clipart/model.onnx", 5, 4, 64, 1, true),
            (
                options.Path,
                options.Top,
                options.Workers,
                options.MaxWaiting,
                options.MaxBatchSize,
                options.RequireSameLabels
            )
        );
        Assert.AreEqual(
            (0.002, 0.5, 5.0),
            (options.MaxDelay.TotalSeconds, options.Debounce.TotalSeconds, options.PollInterval.TotalSeconds)
        );
        Assert.AreEqual((10_000_000, 40_000_000), (options.Limits.MaxBytes, options.Limits.MaxPixels));
        foreach (IConfigurationSection option in configuration.GetSection("Models:clipart").GetChildren())
            Assert.IsNotNull(typeof(TransferModelOptions).GetProperty(option.Key), option.Key);
    }

    [TestMethod]
    public async Task Guide_Answer_HasTheShapeOfTheAnswer()
    {
        await using App app = await App.StartAsync();
        using MultipartFormDataContent form = new()
        {
            { PredictAppTests.Body(File.ReadAllBytes(Trained.Images[0])), "images", "banana.png" },
            { PredictAppTests.Body("Hello, world"u8.ToArray()), "images", "notes.txt" },
        };
        using HttpResponseMessage response = await app.Client.PostAsync("/predict", form);
        using JsonDocument answer = JsonDocument.Parse(await response.Content.ReadAsStringAsync()),
            shown = JsonDocument.Parse(DocumentedCode.Blocks(Guide, "json")[0]);
        Assert.AreEqual(Shape(answer.RootElement), Shape(shown.RootElement));
    }

    /// <summary>
    /// The instruments that exist, by the names and units a listener sees, the constants of the API, and the table.
    /// </summary>
    [TestMethod]
    public void Guide_TableOfInstruments_IsComplete()
    {
        List<string> published = [];
        using MeterListener listener = new()
        {
            InstrumentPublished = (i, _) =>
            {
                if (i.Meter.Name == "MlNetTransfer")
                    lock (published)
                        published.Add($"`{i.Name}` | {Kind(i)}, {i.Unit} |");
            },
        };
        using var instruments = new TransferInstruments(null);
        listener.Start();
        string[] rows =
        [
            .. Regex
                .Matches(
                    File.ReadAllText(Repository.At(Guide)),
                    @"^\| (`mlnettransfer\.[a-z.]+` \| [a-z-]+( counter)?, \S+ \|)",
                    RegexOptions.Multiline
                )
                .Select(m => m.Groups[1].Value),
        ];
        lock (published)
            CollectionAssert.AreEquivalent(published.Distinct().ToArray(), rows);
        string[] constants =
        [
            .. typeof(TransferTelemetry)
                .GetFields(BindingFlags.Public | BindingFlags.Static)
                .Select(f => (string)f.GetRawConstantValue()!),
        ];
        foreach (string row in rows)
            CollectionAssert.Contains(constants, row.Split('`')[1]);
    }

    private static string Kind(Instrument instrument) =>
        instrument.GetType().Name.Split('`')[0] switch
        {
            "Counter" => "counter",
            "UpDownCounter" => "up-down counter",
            "Histogram" => "histogram",
            var other => other,
        };

    private static string Shape(JsonElement element) =>
        element.ValueKind switch
        {
            JsonValueKind.Object =>
                $"{{{string.Join(", ", element.EnumerateObject().Where(p => p.Name != "abstained").Select(p => $"{p.Name}: {Member(p)}"))}}}",
            JsonValueKind.Array => $"[{string.Join(", ", element.EnumerateArray().Select(Shape))}]",
            var kind => kind.ToString(),
        };

    /// <summary>
    /// What a model promises depends on its images: whether it may abstain, and how many classes come into question.
    /// </summary>
    private static string Member(JsonProperty member) =>
        member.Name switch
        {
            "predictionSet" when member.Value.EnumerateArray().All(c => c.ValueKind == JsonValueKind.String) =>
                "some texts",
            _ => Shape(member.Value),
        };

    private static async Task RunAsync(string[] args)
    {
        // guide: host
        HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);
        builder.Services.AddTransferModel("clipart", "model.onnx");
        using IHost host = builder.Build();
        await host.StartAsync();

        ITransferPredictor model = host.Services.GetRequiredService<ITransferPredictor>();
        byte[] image = await File.ReadAllBytesAsync(Path.Combine(builder.Environment.ContentRootPath, "banana.png"));
        TransferPrediction found = await model.PredictAsync(image);
        Console.WriteLine($"{found.Label} ({found.Probability:P0}), said by {found.Model.Sha256[..8]}");

        await host.StopAsync();
        // guide end
    }
}
