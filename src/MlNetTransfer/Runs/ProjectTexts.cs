namespace MlNetTransfer.Runs;

/// <summary>The files of generated projects.</summary>
internal static class ProjectTexts
{
    /// <summary>The whole web service.</summary>
    public const string WebProgram = """
        using Microsoft.AspNetCore.Diagnostics;
        using MlNetTransfer.Hosting;
        using MlNetTransfer.Imaging;

        var builder = WebApplication.CreateBuilder(args);
        builder.Services.AddTransferModel("model", Path.Combine(AppContext.BaseDirectory, "model.onnx"));
        builder.Services.AddHealthChecks().AddTransferModelCheck("model");
        builder.Services.AddProblemDetails();

        var app = builder.Build();

        // An image that cannot be used is the caller's matter; a busy model passes.
        app.UseExceptionHandler(errors =>
            errors.Run(async context =>
            {
                Exception? error = context.Features.Get<IExceptionHandlerFeature>()?.Error;
                int status = error switch
                {
                    ImageTooLargeException => StatusCodes.Status413PayloadTooLarge,
                    ImageRejectedException => StatusCodes.Status422UnprocessableEntity,
                    BadHttpRequestException bad => bad.StatusCode,
                    ModelBusyException or ModelStoppedException => StatusCodes.Status503ServiceUnavailable,
                    _ => StatusCodes.Status500InternalServerError,
                };
                string? detail = status == StatusCodes.Status500InternalServerError ? null : error?.Message;
                await Results.Problem(detail, statusCode: status).ExecuteAsync(context);
            })
        );

        // The image is the body of the request, or the first file of a form.
        app.MapPost(
            "/predict",
            async (HttpRequest request, ITransferPredictor model, CancellationToken cancellation) =>
            {
                if (request.ContentType?.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase) != true)
                    return Results.Ok(await model.PredictAsync(request.Body, cancellation));
                IFormCollection form = await request.ReadFormAsync(cancellation);
                if (form.Files.Count == 0)
                    return Results.Problem("The form has no file.", statusCode: StatusCodes.Status400BadRequest);
                await using Stream image = form.Files[0].OpenReadStream();
                return Results.Ok(await model.PredictAsync(image, cancellation));
            }
        );
        app.MapHealthChecks("/health");
        app.Run();

        """;

    /// <summary>Requests that editors send.</summary>
    public const string Requests = """
        @host = http://localhost:5000

        ### Classify an image file
        POST {{host}}/predict
        Content-Type: image/png

        < ./image.png

        ### Is it well?
        GET {{host}}/health

        """;

    /// <summary>The project file.</summary>
    /// <param name="sdk">Kind of project.</param>
    /// <param name="package">The package it uses.</param>
    /// <param name="version">Version of that.</param>
    /// <param name="output">Exe or Library; null where the kind says it. A library needs no pretrained network.</param>
    public static string Project(string sdk, string package, string version, string? output)
    {
        string kind = output is null ? "" : $"\n    <OutputType>{output}</OutputType>",
            weights = output == "Library" ? "\n    <MlNetTransferBackbone>false</MlNetTransferBackbone>" : "";
        return $"""
            <Project Sdk="{sdk}">
              <PropertyGroup>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>{kind}{weights}
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="{package}" Version="{version}" />
                <None Update="model.onnx" CopyToOutputDirectory="PreserveNewest" />
              </ItemGroup>
            </Project>

            """;
    }

    /// <summary>Code that calls the model.</summary>
    public static string Consumption(string name) =>
        $$"""
            using MlNetTransfer;
            using MlNetTransfer.Backbones;
            using MlNetTransfer.Datasets;
            using MlNetTransfer.Models;

            namespace {{name}};

            /// <summary>The trained model. Thread-safe; it is loaded at first use.</summary>
            public static partial class Model
            {
                private static readonly Lazy<TransferModel> Loaded = new(() =>
                    TransferModel.Load(Path.Combine(AppContext.BaseDirectory, "model.onnx"))
                );

                /// <summary>What the model is asked.</summary>
                public sealed class ModelInput
                {
                    /// <summary>The image as its file has it: PNG, JPEG and the like.</summary>
                    public required byte[] ImageSource { get; init; }
                }

                /// <summary>What it answers.</summary>
                public sealed class ModelOutput
                {
                    /// <summary>The likeliest class.</summary>
                    public required string PredictedLabel { get; init; }

                    /// <summary>Probability of each class, in the order of Labels.</summary>
                    public required float[] Score { get; init; }

                    /// <summary>Whether the model is not sure; null where it does not say.</summary>
                    public bool? Abstained { get; init; }

                    /// <summary>Classes that come into question, likeliest first; null where it does not say.</summary>
                    public string[]? PredictionSet { get; init; }

                    /// <summary>Whether the image is unlike every training image; null where it does not say.</summary>
                    public bool? Unknown { get; init; }
                }

                /// <summary>The classes.</summary>
                public static IReadOnlyList<string> Labels => Loaded.Value.ClassNames;

                /// <summary>Classifies an image.</summary>
                /// <exception cref="ArgumentException">It is no image, or too large.</exception>
                public static ModelOutput Predict(ModelInput input)
                {
                    TransferModel model = Loaded.Value;
                    DataItem[] items = [new DataItem(new MemoryLocation(input.ImageSource), "image")];
                    ItemRows rows = new ItemRunner(model.Answers).Run(items, "Scoring");
                    if (rows.Rejected.Count > 0)
                        throw new ArgumentException($"The image cannot be used: {rows.Rejected[0].Reason}");
                    ReadOnlySpan<float> answer = rows.Row(0);
                    float[] score = answer[..model.ClassNames.Count].ToArray();
                    var verdict = model.Judge(answer);
                    return new ModelOutput
                    {
                        PredictedLabel = model.ClassNames[Array.IndexOf(score, score.Max())],
                        Score = score,
                        Abstained = verdict.Abstains,
                        PredictionSet = verdict.Set?.Select(label => model.ClassNames[label]).ToArray(),
                        Unknown = verdict.IsUnknown,
                    };
                }

                /// <summary>Every class with its probability, likeliest first.</summary>
                public static IReadOnlyList<KeyValuePair<string, float>> PredictAllLabels(ModelInput input) =>
                    Predict(input)
                        .Score.Select((probability, label) => KeyValuePair.Create(Labels[label], probability))
                        .OrderByDescending(label => label.Value)
                        .ToArray();
            }

            """;

    /// <summary>Code that trains the model again.</summary>
    public static string Training(string name, string request) =>
        $$""""
            using MlNetTransfer.Jobs;

            namespace {{name}};

            public static partial class Model
            {
                // How this model was trained; what is not named is at its default.
                private const string Request = """
            {{Indented(request, "        ")}}
                    """;

                /// <summary>Trains it again in the same way, on the same or on other images.</summary>
                /// <param name="images">A folder with one folder of images per class, a list or a .zip.</param>
                /// <param name="output">Folder for model.onnx and report.json.</param>
                public static TrainSummary Train(string images, string output)
                {
                    var options = (TrainOptions)JobRequest.FromJson(Request);
                    return new TrainJob(options with { Folder = images, Output = output }).Run();
                }
            }

            """";

    /// <summary>The program of a console project.</summary>
    public static string ConsoleProgram(string name) =>
        $$"""
            using MlNetTransfer;
            using {{name}};

            if (args is ["train", var images, var output])
            {
                var trained = Model.Train(images, output);
                Console.WriteLine($"{trained.Accuracy:P1} of {trained.TestImages} images; {trained.Model}");
                return 0;
            }

            if (args.Length == 0)
            {
                Console.Error.WriteLine("Give image files to classify, or: train IMAGES OUTPUT");
                return 2;
            }

            int wrong = 0;
            foreach (string file in args)
                try
                {
                    Model.ModelInput input = new() { ImageSource = File.ReadAllBytes(file) };
                    Model.ModelOutput found = Model.Predict(input);
                    Console.WriteLine($"{file}: {found.PredictedLabel} ({found.Score.Max():P1})");
                }
                catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
                {
                    wrong++;
                    Console.Error.WriteLine($"{file}: {e.Message}");
                }

            return wrong > 0 ? 3 : 0;

            """;

    /// <summary>How to use the project.</summary>
    public static string Readme(ProjectKind kind, string name) =>
        kind switch
        {
            ProjectKind.Console => $"""
                # {name}

                - `dotnet run -c Release -- photo.jpg` classifies an image; several are taken.
                - `dotnet run -c Release -- train images out` trains the model again, as it was trained.
                - `Model.consumption.cs` is what other programs need, with `model.onnx`; `Model.training.cs` trains.

                The packages of MlNetTransfer come from the feeds that NuGet knows. Where none has them, make them in a
                checkout with `dotnet pack -c Release` and name that folder once:
                `dotnet nuget add source CHECKOUT/artifacts/packages --name MlNetTransfer`.

                """,
            ProjectKind.WebApi => $$"""
                # {{name}}

                - `dotnet run -c Release` serves the model at http://localhost:5000.
                - `curl --data-binary @photo.jpg http://localhost:5000/predict` classifies an image.
                - `requests.http` has the same for editors; put an `image.png` beside it.

                The packages of MlNetTransfer come from the feeds that NuGet knows. Where none has them, make them in a
                checkout with `dotnet pack -c Release` and name that folder once:
                `dotnet nuget add source CHECKOUT/artifacts/packages --name MlNetTransfer`.

                """,
            _ => $$"""
                # {{name}}

                Refer to this project, and call the model:

                ```csharp
                var found = {{name}}.Model.Predict(new() { ImageSource = File.ReadAllBytes("photo.jpg") });
                Console.WriteLine(found.PredictedLabel);
                ```

                The packages of MlNetTransfer come from the feeds that NuGet knows. Where none has them, make them in a
                checkout with `dotnet pack -c Release` and name that folder once:
                `dotnet nuget add source CHECKOUT/artifacts/packages --name MlNetTransfer`.

                """,
        };

    private static string Indented(string text, string by) =>
        string.Join('\n', text.Split('\n').Select(line => by + line.TrimEnd('\r')));
}
