using System.Text.Json;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Runs;

/// <summary>What a generated project is.</summary>
public enum ProjectKind
{
    /// <summary>A program that classifies image files, and trains the model again.</summary>
    Console,

    /// <summary>A web service with the model behind /predict, and a sample request.</summary>
    WebApi,

    /// <summary>A class library with the code that calls the model, for a solution that there is already.</summary>
    Consumption,
}

/// <summary>A project to generate. Immutable; an invalid instance cannot be made.</summary>
public sealed record ProjectOptions
{
    /// <summary>The model file; the project has a copy.</summary>
    public required string Model
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>What it is.</summary>
    public ProjectKind Kind { get; init; }

    /// <summary>Its folder, new or empty.</summary>
    public required string Output
    {
        get;
        init => field = Check.NotEmpty(value);
    }

    /// <summary>Name of project and namespace. Default null: that of the folder, as far as C# takes it.</summary>
    public string? Name
    {
        get;
        init =>
            field =
                value is null || (value == Identifier(value) && value != "Model")
                    ? value
                    : throw new ArgumentException(
                        $"Name is '{value}'; expected a name of C#: letters, digits and underscores, no digit first, "
                            + "and not 'Model', which is the class in it.",
                        nameof(Name)
                    );
    }

    /// <summary>Version of the packages that it refers to. Default null: that of this library.</summary>
    public string? PackageVersion
    {
        get;
        init => field = value is null ? null : Check.NotEmpty(value);
    }

    /// <summary>A text as a name of C#: other characters become underscores.</summary>
    internal static string Identifier(string text)
    {
        string name = new([.. text.Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')]);
        return name.Length == 0 || char.IsAsciiDigit(name[0]) ? "_" + name : name;
    }
}

/// <summary>
/// A project that uses a model: what ML.NET's Model Builder generates, with this library's packages. It builds and
/// runs as it is; the code is the user's to change.
/// </summary>
public static class GeneratedProject
{
    private const string ModelFileName = "model.onnx";

    /// <summary>Writes the project.</summary>
    /// <returns>Its files.</returns>
    /// <exception cref="TransferException">The model is no model of this library, or the folder is not
    /// empty.</exception>
    public static IReadOnlyList<string> Write(ProjectOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        (_, _, ModelMetadata metadata) = ModelFile.Load(options.Model);
        if (metadata.Encoder.Kind == Encoders.EncoderKind.Texts)
            throw new TransferException(
                $"'{options.Model}' classifies texts; projects are generated for models of images."
            );
        if (Directory.Exists(options.Output) && Directory.EnumerateFileSystemEntries(options.Output).Any())
            throw new TransferException($"'{options.Output}' is not empty. Give a new folder with --output.");
        OutputLock.MakeFolder(options.Output);
        string name =
            options.Name
            ?? ProjectOptions.Identifier(
                Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Output)))
            );
        if (name == "Model")
            name = "ModelProject";
        string version = options.PackageVersion ?? ProductVersion.OfPackage;
        Dictionary<string, string> files = Files(options, name, version);
        foreach ((string file, string text) in files)
            AtomicFile.Write(
                Path.Combine(options.Output, file),
                stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text))
            );
        AtomicFile.Write(
            Path.Combine(options.Output, ModelFileName),
            stream =>
            {
                using FileStream model = RegularFile.OpenRead(options.Model);
                model.CopyTo(stream);
            }
        );
        return [.. files.Keys.Append(ModelFileName).Select(file => Path.Combine(options.Output, file))];
    }

    private static Dictionary<string, string> Files(ProjectOptions options, string name, string version)
    {
        Dictionary<string, string> files = new(StringComparer.Ordinal);
        switch (options.Kind)
        {
            case ProjectKind.Console:
                files[$"{name}.csproj"] = ProjectTexts.Project("Microsoft.NET.Sdk", "MlNetTransfer", version, "Exe");
                files["Program.cs"] = ProjectTexts.ConsoleProgram(name);
                files["Model.consumption.cs"] = ProjectTexts.Consumption(name);
                files["Model.training.cs"] = ProjectTexts.Training(name, Request(options.Model));
                break;
            case ProjectKind.WebApi:
                files[$"{name}.csproj"] = ProjectTexts.Project(
                    "Microsoft.NET.Sdk.Web",
                    "MlNetTransfer.Hosting",
                    version,
                    null
                );
                files["Program.cs"] = ProjectTexts.WebProgram;
                files["requests.http"] = ProjectTexts.Requests;
                break;
            case ProjectKind.Consumption:
                files[$"{name}.csproj"] = ProjectTexts.Project(
                    "Microsoft.NET.Sdk",
                    "MlNetTransfer",
                    version,
                    "Library"
                );
                files["Model.consumption.cs"] = ProjectTexts.Consumption(name);
                break;
        }

        files["README.md"] = ProjectTexts.Readme(options.Kind, name);
        return files;
    }

    /// <summary>How the model was trained, as its report says; else what every training is by default.</summary>
    private static string Request(string model)
    {
        string report = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(model))!, "report.json");
        TrainOptions options = new() { Folder = "images", Output = "out" };
        if (File.Exists(report))
            try
            {
                using JsonDocument json = JsonDocument.Parse(File.ReadAllText(report));
                if (json.RootElement.TryGetProperty("options", out JsonElement found))
                    options =
                        JobRequest.FromJson(found.GetRawText()) as TrainOptions
                        ?? throw new TransferException(
                            "it is of 'mlnet-transfer adapt', whose models a project cannot train again."
                        );
            }
            catch (Exception e) when (e is JsonException or IOException or TransferException or InvalidCastException)
            {
                throw new TransferException(
                    $"'{report}' beside the model cannot be read: {e.Message} Move the model to a folder of its own to "
                        + "go without it.",
                    e
                );
            }

        return options.Elsewhere("images", "out").ToJson();
    }
}
