using System.Globalization;
using System.Text.Json;

namespace MlNetTransfer.Runs;

/// <summary>
/// A .mbconfig of ML.NET's Model Builder, and of its command line, as a job file. Those of image classification are
/// taken, in all forms since 2021; what has no counterpart is said in the job file.
/// </summary>
public static class ModelBuilderConfig
{
    private const int MostBytes = 16 << 20,
        NoLimit = 2147482;

    private static readonly string[] Silent =
    [
        "Type",
        "Version",
        "TrainingConfigurationVersion",
        "Scenario",
        "DataSource",
        "Environment",
        "TrainingTime",
        "TrainingOption",
        "RunHistory",
    ];

    /// <summary>Writes a job file, and the schema beside it.</summary>
    /// <param name="config">The .mbconfig.</param>
    /// <param name="output">The job file; it must not exist.</param>
    /// <param name="folder">Where the images are now; null where the .mbconfig still says it.</param>
    /// <returns>What a reader should know of the conversion, as the job file says it too.</returns>
    /// <exception cref="TransferException">It is no such file, of another scenario, or its images are not
    /// here.</exception>
    public static IReadOnlyList<string> Import(string config, string output, string? folder = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(config);
        using JsonDocument json = Parse(config);
        JsonElement root = json.RootElement;
        RequireImages(config, root);
        string images = folder ?? Images(config, root);
        if (!Path.Exists(images))
            throw new TransferException(
                $"The images of '{config}' are at '{images}', which is not on this machine. Say where they are now: "
                    + "--folder DIR."
            );
        List<string> lines = [JobTemplate.Folder(images, output)],
            notes = [$"Converted from {Path.GetFileName(config)}."];
        Split(root, lines, notes);
        Device(root, lines, notes);
        if (Time(root) is { } seconds)
            notes.Add(
                $"Training time of {seconds} s: not taken over. Heads take seconds; a training of the network has "
                    + "fineTune.timeBudget."
            );
        Before(root, notes);
        string[] others = [.. root.EnumerateObject().Select(m => m.Name).Where(name => !Silent.Contains(name))];
        if (others.Length > 0)
            notes.Add($"Not taken over: {string.Join(", ", others)}.");
        JobTemplate.Save(output, JobTemplate.Text(lines, notes));
        return notes;
    }

    private static JsonDocument Parse(string config)
    {
        try
        {
            if (new FileInfo(config) is { Exists: true, Length: > MostBytes } large)
                throw new TransferException(
                    $"'{config}' has {large.Length} bytes; a .mbconfig has {MostBytes} at most."
                );
            var json = JsonDocument.Parse(File.ReadAllText(config));
            if (json.RootElement.ValueKind == JsonValueKind.Object)
                return json;
            json.Dispose();
            throw new TransferException($"'{config}' is no .mbconfig: it is no JSON object.");
        }
        catch (JsonException e)
        {
            throw new TransferException($"'{config}' is no .mbconfig: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"'{config}' cannot be read: {e.Message}", e);
        }
    }

    private static void RequireImages(string config, JsonElement root)
    {
        string? scenario = Text(root, "Scenario") ?? Text(Part(root, "Scenario"), "ScenarioType");
        if (scenario != "ImageClassification")
            throw new TransferException(
                $"'{config}' has the scenario {scenario ?? "none"}; ImageClassification is what can be taken over."
            );
    }

    /// <summary>The folder; in the earlier form there may be only the list that was made of it.</summary>
    private static string Images(string config, JsonElement root)
    {
        JsonElement source = Part(root, "DataSource");
        foreach (string name in (string[])["FolderPath", "LocalFolderPath", "InputFile", "LocalInputFile"])
            if (Text(source, name) is { Length: > 0 } path)
                // Elsewhere than on Windows a path with a drive is a name like any other, and no folder here.
                return !OperatingSystem.IsWindows() && path.Contains(":\\", StringComparison.Ordinal)
                    ? path
                    : Path.GetFullPath(
                        OperatingSystem.IsWindows() ? path : path.Replace('\\', '/'),
                        Path.GetDirectoryName(Path.GetFullPath(config))!
                    );
        throw new TransferException(
            $"'{config}' names no images: its DataSource has no FolderPath. Say where they are: --folder DIR."
        );
    }

    private static void Split(JsonElement root, List<string> lines, List<string> notes)
    {
        JsonElement option = Part(root, "TrainingOption"),
            validation = Part(option, "ValidationOption");
        if ((Number(validation, "NumberOfFolds") ?? Number(validation, "FoldCount")) is { } folds)
        {
            if (folds is >= 2 and <= 20)
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"folds: {folds:0}"));
            else
                notes.Add(
                    string.Create(CultureInfo.InvariantCulture, $"{folds:0} folds: not taken over, 2 to 20 are.")
                );
        }
        else if (Number(validation, "SplitRatio") is { } share)
        {
            if (share is >= 0.01 and <= 0.99)
                lines.Add(string.Create(CultureInfo.InvariantCulture, $"testFraction: {share}"));
            else
                notes.Add(string.Create(CultureInfo.InvariantCulture, $"Split ratio {share}: decided by the images."));
        }

        if (Number(option, "Seed") is { } seed and not 0)
            lines.Add(string.Create(CultureInfo.InvariantCulture, $"seed: {seed:0}"));
    }

    private static void Device(JsonElement root, List<string> lines, List<string> notes)
    {
        JsonElement environment = Part(root, "Environment");
        switch (Text(environment, "Type") ?? Text(environment, "EnvironmentType"))
        {
            case null or "LocalCPU":
                break;
            case "LocalGPU":
                lines.Add("device: cuda");
                break;
            case var other:
                notes.Add($"Environment {other}: trained on this machine instead.");
                break;
        }
    }

    /// <summary>What Model Builder's last run was, to compare with.</summary>
    private static void Before(JsonElement root, List<string> notes)
    {
        JsonElement history = Part(root, "RunHistory"),
            trials = Part(history, "Trials");
        JsonElement[] all = trials.ValueKind == JsonValueKind.Array ? [.. trials.EnumerateArray()] : [];
        string network =
            all.Select(trial => Part(trial, "Parameter"))
                .Where(parameters => parameters.ValueKind == JsonValueKind.Object)
                .SelectMany(parameters => parameters.EnumerateObject())
                .Select(parameter => Text(parameter.Value, "Arch"))
                .FirstOrDefault(arch => arch is not null)
            ?? "ResnetV250";
        notes.Add(
            $"{network} of TensorFlow is replaced by the default backbone; another one is 'backbone: ID', see "
                + "'mlnet-transfer models list'."
        );
        JsonElement best = all.OrderByDescending(trial => Number(trial, "Score")).FirstOrDefault();
        if (Number(best, "Score") is { } score)
            notes.Add(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Model Builder's last run: {Text(history, "MetricName") ?? "score"} {score:0.###} on images that "
                ) + "it held out itself, of which it does not say which or how many."
            );
    }

    /// <summary>
    /// Image classification has no limit, which is written as the largest whole number, or a thousandth of it.
    /// </summary>
    private static long? Time(JsonElement root) =>
        (Number(root, "TrainingTime") ?? Number(Part(root, "TrainingOption"), "TrainingTime")) is { } seconds
        && seconds is > 0 and < NoLimit
            ? (long)seconds
            : null;

    private static JsonElement Part(JsonElement json, string name) =>
        json.ValueKind == JsonValueKind.Object && json.TryGetProperty(name, out JsonElement part) ? part : default;

    private static string? Text(JsonElement json, string name) =>
        Part(json, name) is { ValueKind: JsonValueKind.String } text ? text.GetString() : null;

    private static double? Number(JsonElement json, string name) =>
        Part(json, name) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;
}
