using System.IO.Compression;
using System.Text.RegularExpressions;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Packages.Tests;

/// <summary>What a developer meets who adds a package to a new project.</summary>
[TestClass]
public sealed class PackageTests
{
    private const string Weights =
        "models/packages/Microsoft.ML.DnnImageFeaturizer.ResNet18/tools/DnnImageModels/ResNet18Onnx/ResNet18.onnx";

    [TestMethod]
    public void Pack_Projects_GivesThePackagesThatAreMeant()
    {
        string[] expected =
        [
            .. new[]
            {
                "MlNetTransfer",
                "MlNetTransfer.AspNetCore",
                "MlNetTransfer.Cluster",
                "MlNetTransfer.Hosting",
                "MlNetTransfer.Imaging",
                "MlNetTransfer.Onnx",
                "MlNetTransfer.Reports",
                "MlNetTransfer.Scoring",
                "MlNetTransfer.Scoring.S3",
                "MlNetTransfer.TorchSharp",
                "mlnet-transfer",
            }
                .SelectMany(p => new[] { $"{p}.{Feed.Version}.nupkg", $"{p}.{Feed.Version}.snupkg" })
                .Order(StringComparer.Ordinal),
        ];
        CollectionAssert.AreEqual(
            expected,
            Directory.GetFiles(Feed.Folder).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal).ToArray()
        );
        foreach (string package in Directory.GetFiles(Feed.Folder, "*.nupkg"))
        {
            using ZipArchive zip = ZipFile.OpenRead(package);
            string[] files = [.. zip.Entries.Select(e => e.FullName)];
            CollectionAssert.IsSubsetOf(
                new[] { "README.md", "icon.png", "LICENSE", "THIRD-PARTY-NOTICES.md" },
                files,
                package
            );
            if (!Path.GetFileName(package).StartsWith("mlnet-transfer", StringComparison.Ordinal))
                Assert.IsTrue(
                    files.Any(f =>
                        f.StartsWith("lib/net10.0/", StringComparison.Ordinal)
                        && f.EndsWith(".xml", StringComparison.Ordinal)
                    ),
                    package
                );
            else
                Assert.IsTrue(
                    files.Any(f => f.Contains("notices/", StringComparison.Ordinal)),
                    "the licences of the native libraries that it ships"
                );
        }
    }

    /// <summary>Each program of the guides, in a project made from the packages, prints what the guide says.</summary>
    [TestMethod]
    public void Programs_OfTheGuides_RunInANewProject()
    {
        using TempFolder place = Feed.NewPlace();
        string project = NewProject(place, "console", "Guide", "MlNetTransfer");
        Feed.Run(project, "dotnet", "add", "package", "Microsoft.ML.LightGbm", "--version", "5.0.1");
        Directory.CreateSymbolicLink(Path.Combine(project, "data-samples"), Repository.At("data-samples"));
        string[] programs =
        [
            .. new[] { "docs/guide/first-model.md", "docs/guide/from-ml-net.md" }
                .SelectMany(g => DocumentedCode.Blocks(g, "csharp"))
                .Where(b => b.StartsWith("using Microsoft.ML;", StringComparison.Ordinal)),
        ];
        Assert.HasCount(5, programs);
        var printed = new List<string>();
        foreach (string program in programs)
        {
            File.WriteAllText(Path.Combine(project, "Program.cs"), program);
            printed.Add(Feed.Run(project, "dotnet", "run", "-c", "Release"));
        }

        string expected = DocumentedCode.Blocks("docs/guide/first-model.md", "text")[0];
        StringAssert.Contains(Rough(printed[0]), Rough(expected));
        StringAssert.Matches(printed[1], new Regex(@"LightGBM: \d+ ?% of 31 images"));
        StringAssert.Matches(printed[2], new Regex(@"fruit \(\d+ ?%\)"));
        StringAssert.Matches(printed[3], new Regex(@"Stratified folds: (\d\d[.,]\d) ?% of 157 images"));
        StringAssert.Matches(printed[4], new Regex(@"MicroAccuracy \d+ ?%"));
        foreach (string file in (string[])["model.zip", "model.onnx", "lightgbm.zip", "photos.zip"])
            Assert.IsTrue(File.Exists(Path.Combine(project, file)), file);
    }

    /// <summary>
    /// A model saved by one process gives the same probabilities in another, which needs no weights; changed weights
    /// are refused by their hash.
    /// </summary>
    [TestMethod]
    public void SavedChain_InAnotherProcess_PredictsTheSame()
    {
        using TempFolder place = Feed.NewPlace();
        string project = NewProject(place, "console", "Saved", "MlNetTransfer");
        Directory.CreateSymbolicLink(Path.Combine(project, "data-samples"), Repository.At("data-samples"));
        const string Score = """
            var images = Directory.GetFiles("data-samples/clipart", "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Where((_, i) => i % 3 == 0).Take(50).Select(f => new Image { ImagePath = f, Label = "" }).ToArray();
            float[] Scores(ITransformer model) => [.. ml.Data.CreateEnumerable<Scored>(model.Transform(ml.Data.LoadFromEnumerable(images)), false).SelectMany(s => s.Score)];
            """;
        const string Types = """
            class Image { public string ImagePath { get; set; } = ""; public string Label { get; set; } = ""; }
            class Scored { public float[] Score { get; set; } = []; }
            """;
        File.WriteAllText(
            Path.Combine(project, "Program.cs"),
            $$"""
            using System.Runtime.InteropServices;
            using Microsoft.ML;
            using MlNetTransfer;
            var ml = new MLContext(1);
            {{Score}}
            if (args is ["load"])
            {
                float[] saved = MemoryMarshal.Cast<byte, float>(File.ReadAllBytes("scores.bin")).ToArray(), found = Scores(ml.Model.Load("model.zip", out _));
                Console.WriteLine(FormattableString.Invariant($"{found.Length / 8} images, largest difference {found.Zip(saved, (a, b) => Math.Abs(a - b)).Max():e1}"));
                return;
            }
            IDataView data = ml.Data.LoadImageFolder("data-samples/clipart");
            var model = ml.Transforms.Conversion.MapValueToKey("Label").Append(ml.MulticlassClassification.Trainers.ImageClassification()).Fit(data);
            File.WriteAllBytes("scores.bin", MemoryMarshal.AsBytes(Scores(model).AsSpan()).ToArray());
            ml.Model.Save(model, data.Schema, "model.zip");
            {{Types}}
            """
        );
        Feed.Run(project, "dotnet", "build", "-c", "Release");
        string program = Directory.GetFiles(
            Path.Combine(project, "bin", "Release"),
            "Saved.dll",
            SearchOption.AllDirectories
        )[0];
        Feed.Run(project, "dotnet", program);
        string weights = Directory.GetFiles(
            Path.GetDirectoryName(program)!,
            "ResNet18.onnx",
            SearchOption.AllDirectories
        )[0];
        byte[] bytes = File.ReadAllBytes(weights);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(weights, bytes);
        Match match = Regex.Match(
            Feed.Run(project, "dotnet", program, "load"),
            "^(50) images, largest difference (.+)$",
            RegexOptions.Multiline
        );
        Assert.IsTrue(match.Success);
        Assert.IsLessThanOrEqualTo(
            1e-5,
            double.Parse(match.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture)
        );

        (int code, string output) = Feed.Try(
            project,
            "env",
            $"MLNETTRANSFER_CACHE={place.File("empty")}",
            "dotnet",
            program
        );
        Assert.AreNotEqual(0, code);
        StringAssert.Contains(output, "has SHA-256");
        StringAssert.Contains(output, weights);
    }

    [TestMethod]
    public void WebApplication_OfEndpointsAlone_PublishesNoWeights()
    {
        using TempFolder place = Feed.NewPlace();
        string project = NewProject(place, "web", "Service", "MlNetTransfer.AspNetCore");
        File.WriteAllText(
            Path.Combine(project, "Program.cs"),
            """
            var builder = WebApplication.CreateBuilder(args);
            builder.Services.AddTransferModel("clipart", "model.onnx");
            var app = builder.Build();
            app.MapTransferPredict("/predict");
            app.Run();
            """
        );
        Feed.Run(project, "dotnet", "publish", "-c", "Release", "-o", place.File("published"));
        Assert.IsFalse(Directory.Exists(place.File("published/models")), "no weights");
        Assert.IsTrue(File.Exists(place.File("published/MlNetTransfer.Hosting.dll")));
        Feed.Run(
            project,
            "dotnet",
            "publish",
            "-c",
            "Release",
            "-o",
            place.File("wanted"),
            "-p:MlNetTransferBackbone=true"
        );
        Assert.IsTrue(File.Exists(Path.Combine(place.File("wanted"), Weights)), "weights where they are asked for");
    }

    /// <summary>A test project is built like any other; its weights are beside its own assembly.</summary>
    [TestMethod]
    public void TestProject_ReferencingThePackage_FindsItsWeights()
    {
        using TempFolder place = Feed.NewPlace();
        string project = NewProject(place, "mstest", "Tests", "MlNetTransfer");
        File.Delete(Path.Combine(project, "Test1.cs"));
        File.WriteAllText(
            Path.Combine(project, "Features.cs"),
            $$"""
            using Microsoft.ML;
            using MlNetTransfer;

            [TestClass]
            public sealed class Features
            {
                [TestMethod]
                public void Of_FiveImages_AreFive()
                {
                    var ml = new MLContext(1);
                    IDataView five = ml.Data.TakeRows(ml.Data.LoadImageFolder("{{Repository.At(
                "data-samples/clipart"
            )}}"), 5);
                    Assert.HasCount(5, ml.Transforms.FeaturizeImages("Features", "ImagePath").Fit(five).Transform(five).Preview().RowView);
                }
            }
            """
        );
        StringAssert.Contains(Feed.Run(project, "dotnet", "test", "-c", "Release"), "Passed!");
    }

    [TestMethod]
    public void Build_WeightsDeletedFromThePackage_SaysHowToGetThem()
    {
        using TempFolder place = Feed.NewPlace();
        string project = NewProject(place, "console", "Broken", "MlNetTransfer");
        string targets = Directory.GetFiles(
            Path.Combine(PackageCache, "mlnettransfer", Feed.Version),
            "MlNetTransfer.targets",
            SearchOption.AllDirectories
        )[0];
        string copy = place.Write("lib/a/b/c/MlNetTransfer.targets", File.ReadAllBytes(targets));
        File.WriteAllText(
            Path.Combine(project, "Directory.Build.targets"),
            $"""<Project><Import Project="{copy}" /></Project>"""
        );
        (int code, string output) = Feed.Try(project, "dotnet", "build", "-c", "Release");
        Assert.AreNotEqual(0, code);
        StringAssert.Contains(output, "MNT001");
        StringAssert.Contains(output, "dotnet restore --force");
    }

    [TestMethod]
    public void Tool_Installed_TrainsAndPredicts()
    {
        using TempFolder place = Feed.NewPlace();
        Feed.Run(
            place.Path,
            "dotnet",
            "tool",
            "install",
            "mlnet-transfer",
            "--version",
            Feed.Version,
            "--tool-path",
            place.File("tools"),
            "--add-source",
            Feed.Folder
        );
        string tool = place.File("tools/mlnet-transfer");
        StringAssert.Contains(Feed.Run(place.Path, tool, "models", "list"), "resnet18");
        Feed.Run(place.Path, tool, "train", "data-samples/clipart", "--output", "out", "--test-fraction", "0.2");
        StringAssert.Contains(
            Feed.Run(place.Path, tool, "predict", "out/model.onnx", "data-samples/clipart/fruit/banana.png"),
            "fruit"
        );
    }

    /// <summary>What is generated around a model is built and run from the packages, as whoever generates it does.</summary>
    [TestMethod]
    public void Generated_Projects_BuildAndRun()
    {
        using TempFolder place = Feed.NewPlace();
        string configuration = Path.GetFileName(Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory)),
            tool = Repository.At($"artifacts/bin/MlNetTransfer.Cli/{configuration}/mlnet-transfer.dll"),
            banana = Path.Combine("data-samples", "clipart", "fruit", "banana.png");
        Feed.Run(place.Path, "dotnet", tool, "train", "data-samples/clipart", "--output", "out", "--seed", "3");
        foreach (string kind in (string[])["console", "webapi", "consumption"])
            Feed.Run(
                place.Path,
                "dotnet",
                [tool, "generate", kind, "out/model.onnx", "--output", $"My-{kind}", "--package-version", Feed.Version]
            );
        string console = place.File("My-console");
        StringAssert.Contains(
            Feed.Run(console, "dotnet", "run", "-c", "Release", "--", Path.Combine("..", banana)),
            "banana.png: fruit ("
        );
        (int code, string output) = Feed.Try(
            console,
            "dotnet",
            "run",
            "-c",
            "Release",
            "--no-build",
            "--",
            "README.md"
        );
        Assert.AreEqual(3, code);
        StringAssert.Contains(output, "README.md: The image cannot be used: ");
        // The same seed and images give the same file, by whatever program.
        string[] train = ["run", "-c", "Release", "--no-build", "--", "train", "../data-samples/clipart", "again"];
        Feed.Run(console, "dotnet", train);
        CollectionAssert.AreEqual(
            File.ReadAllBytes(place.File("out/model.onnx")),
            File.ReadAllBytes(Path.Combine(console, "again", "model.onnx"))
        );
        Feed.Run(place.File("My-consumption"), "dotnet", "build", "-c", "Release");
        Assert.IsEmpty(
            Directory.GetFiles(place.File("My-consumption"), "ResNet18.onnx", SearchOption.AllDirectories),
            "a library that calls a model needs no pretrained network"
        );
        Answers(place.File("My-webapi"), place.File(banana));
    }

    /// <summary>Starts a web service, and asks it.</summary>
    private static void Answers(string project, string image)
    {
        Feed.Run(project, "dotnet", "build", "-c", "Release");
        string program = Directory.GetFiles(
            Path.Combine(project, "bin", "Release"),
            "My_webapi.dll",
            SearchOption.AllDirectories
        )[0];
        using var service = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("dotnet", [program, "--urls", "http://127.0.0.1:0"])
            {
                RedirectStandardOutput = true,
            }
        )!;
        try
        {
            Match address = Match.Empty;
            while (!address.Success && service.StandardOutput.ReadLine() is { } line)
                address = Regex.Match(line, @"http://127\.0\.0\.1:\d+");
            using var client = new HttpClient { BaseAddress = new Uri(address.Value) };
            using HttpResponseMessage found = client.PostAsync("/predict", Body(File.ReadAllBytes(image))).Result,
                refused = client.PostAsync("/predict", Body("no image"u8.ToArray())).Result;
            StringAssert.Contains(found.Content.ReadAsStringAsync().Result, "\"label\":\"fruit\"");
            Assert.AreEqual(System.Net.HttpStatusCode.UnprocessableEntity, refused.StatusCode);
            Assert.AreEqual("Healthy", client.GetStringAsync("/health").Result);
        }
        finally
        {
            service.Kill();
            service.WaitForExit();
        }

        static ByteArrayContent Body(byte[] bytes) => new(bytes);
    }

    private static string PackageCache =>
        Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    private static string NewProject(TempFolder place, string template, string name, string package)
    {
        Feed.Run(place.Path, "dotnet", "new", template, "-n", name, "-o", name);
        string project = place.File(name);
        Feed.Run(project, "dotnet", "add", "package", package, "--version", Feed.Version);
        return project;
    }

    /// <summary>Without the digits that another kind of processor may round otherwise.</summary>
    private static string Rough(string text) =>
        Regex.Replace(DocumentedCode.Normal(text).Replace("\u00a0", " ", StringComparison.Ordinal), @"\d+\.\d+", "#");
}
