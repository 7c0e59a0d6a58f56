using System.Text.Json;
using System.Text.Json.Nodes;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Models.Exports;

namespace MlNetTransfer.Runs;

/// <summary>
/// A training job as a file, job.yaml: what to train, what the model has to be, what to export. Paths are relative to
/// the file, so that it means the same wherever it is run from.
/// </summary>
/// <remarks>
/// Sections: version (1), train (the members of <see cref="TrainOptions"/> in camel case, without output), gates
/// (<see cref="QualityGates"/>), exports (a list, each with the members of <see cref="ExportOptions"/> but model and
/// output). A member that is not known, of another type or out of range is an error that names the line.
/// </remarks>
public sealed record JobFile
{
    /// <summary>The version of the form that this library reads and writes.</summary>
    public const int CurrentVersion = 1;

    private const string RunGives = "The run gives it: leave it out, and say where with --output.";

    /// <summary>The training; its output is the folder of the run.</summary>
    public required TrainOptions Train { get; init; }

    /// <summary>What the model has to be.</summary>
    public QualityGates Gates { get; init; } = new();

    /// <summary>What to export once the gates hold; the model is that of the run.</summary>
    public IReadOnlyList<ExportOptions> Exports { get; init; } = [];

    /// <summary>Reads a job file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="output">Folder of the run that it is read for.</param>
    /// <exception cref="TransferException">It is not as it has to be; the message has file, line, what was found and
    /// what is expected.</exception>
    public static JobFile Read(string path, string output = "run")
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var yaml = YamlObject.Read(path);
        try
        {
            return Of(yaml.Root, Path.GetDirectoryName(Path.GetFullPath(path))!, output);
        }
        catch (RequestException e)
        {
            throw yaml.Wrong(e.Member, e.Message, e);
        }
    }

    /// <summary>The job with every member written out, also those at their defaults; YAML reads it too.</summary>
    public string ToJson()
    {
        JsonObject train = RequestJson.WriteWhole(Train);
        train.Remove("output");
        JsonObject job = new()
        {
            ["version"] = CurrentVersion,
            ["train"] = train,
            ["gates"] = RequestJson.WriteWhole(Gates),
        };
        if (Exports.Count > 0)
            job["exports"] = new JsonArray([.. Exports.Select(Whole)]);
        return job.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n";

        static JsonNode Whole(ExportOptions export)
        {
            JsonObject json = RequestJson.WriteWhole(export);
            json.Remove("model");
            json.Remove("output");
            return json;
        }
    }

    private static JobFile Of(JsonObject root, string folder, string output)
    {
        string[] known = ["version", "train", "gates", "exports"];
        foreach ((string name, JsonNode? value) in root)
            if (!known.Contains(name))
                throw RequestJson.Unknown("", name, value?.ToJsonString() ?? "null", known);
        RequireVersion(root["version"]);
        JsonObject train = Section(root, "train") ?? throw Missing("train", "what to train on: train.folder");
        Give(train, "train.", "output", output);
        TrainOptions options = RequestJson.Read<TrainOptions>(train, "train.");
        return new JobFile
        {
            Train = options with
            {
                Folder = From(folder, options.Folder),
                Unlabelled = options.Unlabelled is { } unlabelled ? From(folder, unlabelled) : null,
                CacheFolder = From(folder, options.CacheFolder),
                FineTune = options.FineTune.InitialWeights is { } weights
                    ? options.FineTune with
                    {
                        InitialWeights = From(folder, weights),
                    }
                    : options.FineTune,
            },
            Gates = GatesOf(Section(root, "gates"), folder),
            Exports = ExportsOf(root["exports"], folder, options),
        };
    }

    private static QualityGates GatesOf(JsonObject? section, string folder)
    {
        if (section is null)
            return new QualityGates();
        QualityGates gates = RequestJson.Read<QualityGates>(section, "gates.");
        return gates.NotWorseThan is { } current
            ? gates with
            {
                NotWorseThan = current with
                {
                    Model = current.Model.StartsWith(ModelRegistry.Scheme, StringComparison.Ordinal)
                        ? ModelRegistry.FileOf(current.Model)
                        : From(folder, current.Model),
                    Images = current.Images is { } images ? From(folder, images) : null,
                },
            }
            : gates;
    }

    private static ExportOptions[] ExportsOf(JsonNode? list, string folder, TrainOptions train)
    {
        if (list is null)
            return [];
        if (list is not JsonArray exports)
            throw new RequestException(
                "exports",
                $"'exports' is {list.ToJsonString()}; expected a list, each with a '- format: NAME'."
            );
        return [.. exports.Select((export, i) => Export(export, $"exports[{i}]", folder, train))];
    }

    private static ExportOptions Export(JsonNode? json, string path, string folder, TrainOptions train)
    {
        if (json is not JsonObject export)
            throw new RequestException(
                path,
                $"'{path}' is {json?.ToJsonString() ?? "null"}; expected '- format: NAME'."
            );
        Give(export, $"{path}.", "model", "-");
        Give(export, $"{path}.", "output", null);
        bool ownImages = export["images"] is not null;
        if (!ownImages)
            export["images"] = new JsonArray();
        ExportOptions options = RequestJson.Read<ExportOptions>(export, $"{path}.");
        if (ExportFormats.All.All(format => format.Name != options.Format))
            throw new RequestException(
                $"{path}.format",
                $"'{path}.format' is {options.Format}; expected one of "
                    + $"{string.Join(", ", ExportFormats.All.Select(format => format.Name))}."
            );
        return options with
        {
            // What a model is checked on is its own kind of images; these are at hand wherever the job runs.
            Images = ownImages ? [.. options.Images.Select(p => From(folder, p))] : [From(folder, train.Folder)],
            CalibrationImages = [.. options.CalibrationImages.Select(p => From(folder, p))],
            TextColumn = options.TextColumn ?? train.Dataset.TextColumn,
        };
    }

    /// <summary>Sets what the run knows better than the file.</summary>
    private static void Give(JsonObject section, string path, string name, JsonNode? value)
    {
        if (section.ContainsKey(name))
            throw new RequestException(path + name, $"'{path}{name}' is {section[name]?.ToJsonString()}. {RunGives}");
        section[name] = value;
    }

    private static JsonObject? Section(JsonObject root, string name) =>
        root[name] switch
        {
            null => null,
            JsonObject section => section,
            JsonNode other => throw new RequestException(
                name,
                $"'{name}' is {other.ToJsonString()}; expected keys and values below it."
            ),
        };

    private static void RequireVersion(JsonNode? version)
    {
        if (version is null)
            throw Missing("version", $"'version: {CurrentVersion}'");
        if (version.GetValueKind() != JsonValueKind.Number || version.ToJsonString() != $"{CurrentVersion}")
            throw new RequestException(
                "version",
                $"'version' is {version.ToJsonString()}; this library reads {CurrentVersion}. Use the library that the "
                    + "file was written for, or write it anew by 'mlnet-transfer new-job'."
            );
    }

    private static RequestException Missing(string name, string expected) =>
        new(name, $"'{name}' is missing; a job file needs {expected}.");

    private static string From(string folder, string path) => Path.GetFullPath(path, folder);
}
