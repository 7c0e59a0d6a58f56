using System.Globalization;
using System.Text.Json;
using CsvHelper;
using MlNetTransfer.Datasets;
using MlNetTransfer.Encoders;
using MlNetTransfer.Imaging;
using MlNetTransfer.Jobs;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Reports;

/// <summary>
/// A training run as a page is made of it: what it reported and what was said of every image. Immutable.
/// </summary>
public sealed class FinishedRun
{
    private const int MostEpochs = 20_000;

    private FinishedRun(string folder, RunDocument document, IReadOnlyList<EvaluatedItem> images) =>
        (Folder, Document, Images) = (folder, document, images);

    /// <summary>The run's output folder.</summary>
    public string Folder { get; }

    /// <summary>What was said of every image that was held out.</summary>
    public IReadOnlyList<EvaluatedItem> Images { get; }

    internal RunDocument Document { get; }

    /// <summary>Names of the classes; the index is the label.</summary>
    internal IReadOnlyList<string> Classes => field ??= [.. Document.PerClass.Select(c => c.Name)];

    /// <summary>The epochs, of all folds; empty where the head alone was trained.</summary>
    internal IReadOnlyList<EpochDocument> Epochs { get; private init; } = [];

    /// <summary>The model card, Markdown; null where there is none.</summary>
    internal string? Card { get; private init; }

    /// <summary>Size and framing of what the network sees; null where there is no model, or it takes texts.</summary>
    internal Preprocessing? Preprocessing { get; private init; }

    /// <summary>Why the images cannot be shown; null where they can.</summary>
    internal string? WithoutImages { get; private init; }

    /// <summary>Images that findings name and that were not held out; empty where there are none.</summary>
    private Dictionary<string, (DataItem Item, string Class)> Others { get; init; } = [];

    private Dictionary<string, EvaluatedItem> ByFile =>
        field ??= Images.DistinctBy(i => i.File).ToDictionary(i => i.File, StringComparer.Ordinal);

    /// <summary>The class of an image; null where that is not known.</summary>
    internal string? ClassOf(string file) =>
        ByFile.TryGetValue(file, out EvaluatedItem? image) ? image.Truth
        : Others.TryGetValue(file, out (DataItem Item, string Class) other) ? other.Class
        : null;

    /// <summary>Those of some images that can be shown: it is known where they are, and they are no texts.</summary>
    internal IEnumerable<DataItem> Shown(IEnumerable<string> files) =>
        files
            .Select(file =>
                ByFile.TryGetValue(file, out EvaluatedItem? image) && image.Location is { } location
                    ? new DataItem(location, file)
                : Others.TryGetValue(file, out (DataItem Item, string Class) other) ? other.Item
                : null
            )
            .OfType<DataItem>()
            .Where(item => item.Location is not TextLocation);

    /// <summary>The run that has just ended.</summary>
    /// <param name="summary">What it gave.</param>
    public static FinishedRun Of(TrainSummary summary)
    {
        ArgumentNullException.ThrowIfNull(summary);
        string folder = summary.Options.Output;
        RunDocument document = RunDocument.Parse(summary.ToJson(), "the run");
        HashSet<string> heldOut = [.. summary.Predictions.Select(image => image.File)];
        ModelMetadata? model = ModelOf(folder);
        bool others = summary.Findings.Any(finding => finding.Files.Any(file => !heldOut.Contains(file)));
        return new FinishedRun(folder, document, summary.Predictions)
        {
            Others = others ? OthersOf(document, Items(document, null).Data) : [],
            Epochs = EpochsOf(folder, summary.Training is null),
            Card = model?.ModelCard,
            Preprocessing = (model?.Encoder as ImageEncoder)?.Preprocessing,
        };
    }

    /// <summary>
    /// Reads a run from its output folder: report.json, predictions.csv, metrics.jsonl and the model's card.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="images">Where the labelled images are now; null: where the run found them.</param>
    /// <exception cref="TransferException">A file is missing or is not what it should be; the message names
    /// it.</exception>
    public static FinishedRun Load(string folder, string? images = null)
    {
        string report = Path.Combine(folder, "report.json"),
            predictions = Path.Combine(folder, "predictions.csv");
        RunDocument document = RunDocument.Parse(Text(report), report);
        EvaluatedItem[] rows = [.. PredictionTable.Read(predictions, Text(predictions), document)];
        ModelMetadata? model = ModelOf(folder);
        (Dataset? data, string? missing) = Items(document, images);
        var found = new Dictionary<string, ItemLocation>(StringComparer.Ordinal);
        foreach (DataItem item in data?.Items ?? [])
            found.TryAdd(item.Name, item.Location);
        return new FinishedRun(
            folder,
            document,
            [.. rows.Select(row => row with { Location = found.GetValueOrDefault(row.File) })]
        )
        {
            Epochs = EpochsOf(folder, document.Training is null),
            Card = model?.ModelCard,
            Preprocessing = (model?.Encoder as ImageEncoder)?.Preprocessing,
            WithoutImages = missing,
            Others = OthersOf(document, data),
        };
    }

    private static string Text(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException(
                $"'{file}' cannot be read: {e.Message} Give the output folder of 'mlnet-transfer train', which has "
                    + "report.json and predictions.csv.",
                e
            );
        }
    }

    private static Dictionary<string, (DataItem Item, string Class)> OthersOf(RunDocument document, Dataset? data)
    {
        HashSet<string> named = [.. document.Findings?.SelectMany(finding => finding.Files) ?? []];
        return (data?.Items ?? [])
            .Where(item => named.Contains(item.Name))
            .DistinctBy(item => item.Name)
            .ToDictionary(item => item.Name, item => (item, data!.ClassNames[item.Label]), StringComparer.Ordinal);
    }

    private static (Dataset? Data, string? Missing) Items(RunDocument document, string? images)
    {
        TrainOptions? request = document.Request();
        if ((images ?? request?.Folder) is not { } source)
            return (null, "the report does not say where the images were; --images does");
        try
        {
            return (DatasetReader.Read(source, request?.Dataset), null);
        }
        catch (Exception e) when (e is TransferException or IOException or UnauthorizedAccessException)
        {
            return images is null
                ? (null, $"the images were not found where the run had them; --images says where they are now")
                : throw new TransferException($"--images is '{images}': {e.Message}", e);
        }
    }

    private static IReadOnlyList<EpochDocument> EpochsOf(string folder, bool headAlone)
    {
        string file = Path.Combine(folder, "metrics.jsonl");
        if (headAlone || !File.Exists(file))
            return [];
        try
        {
            return
            [
                .. File.ReadLines(file)
                    .Where(line => line.EndsWith('}'))
                    .Take(MostEpochs)
                    .Select(line => JsonSerializer.Deserialize<EpochDocument>(line, JsonSerializerOptions.Web)!),
            ];
        }
        catch (Exception e) when (e is IOException or JsonException or UnauthorizedAccessException)
        {
            // Curves are a courtesy; everything else is in the report.
            return [];
        }
    }

    private static ModelMetadata? ModelOf(string folder)
    {
        try
        {
            string model = Path.Combine(folder, "model.onnx");
            return ModelMetadata.FromEntries(model, OnnxModel.Load(model).Metadata);
        }
        catch (Exception e) when (e is TransferException or GraphException)
        {
            return null;
        }
    }
}

/// <summary>Reads <c>predictions.csv</c>.</summary>
internal static class PredictionTable
{
    /// <param name="file">Its name, for errors.</param>
    /// <param name="text">Its text.</param>
    /// <param name="run">The report beside it.</param>
    /// <exception cref="TransferException">A column is missing, a number is none, or the rows are of another
    /// run.</exception>
    public static IEnumerable<EvaluatedItem> Read(string file, string text, RunDocument run)
    {
        string[] columns = ["file", "truth", "fold", "error", .. run.PerClass.Select(c => $"p_{c.Name}")];
        int[] at = [];
        var classes = run.PerClass.Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
        int rows = 0;
        foreach (string[] fields in Rows(file, text))
        {
            if (at.Length == 0)
            {
                at = [.. columns.Select(c => Array.IndexOf(fields, c))];
                if (Array.IndexOf(at, -1) is >= 0 and var missing)
                    throw new TransferException(
                        $"'{file}' has no column '{columns[missing]}'; it has {fields.Length} others. It is not that "
                            + "of the report.json beside it: train again."
                    );
                continue;
            }

            if (fields.Length <= at.Max())
                throw Wrong($"{fields.Length} fields; {at.Max() + 1} were expected");
            if (fields[at[3]].Length > 0)
                continue;
            rows++;
            string truth = fields[at[1]];
            if (!classes.Contains(truth))
                throw Wrong($"truth '{truth}', which is no class of the report");
            var probabilities = new float[run.PerClass.Count];
            for (int c = 0; c < probabilities.Length; c++)
                if (
                    !float.TryParse(fields[at[4 + c]], CultureInfo.InvariantCulture, out probabilities[c])
                    || !float.IsFinite(probabilities[c])
                )
                    throw Wrong($"'{fields[at[4 + c]]}' as '{columns[4 + c]}'; a number was expected");
            yield return new EvaluatedItem(fields[at[0]], truth, null, probabilities)
            {
                Fold = int.TryParse(fields[at[2]], CultureInfo.InvariantCulture, out int fold) ? fold : null,
            };
        }

        int expected = run.Confusion.Sum(row => row.Sum());
        if (rows != expected)
            throw new TransferException(
                $"'{file}' has {rows} evaluated images, the report.json beside it {expected}: they are not of one run. "
                    + "Train again."
            );

        TransferException Wrong(string found) =>
            new($"'{file}' has, after {rows} images, {found}. Train again, or put the file back.");
    }

    private static IEnumerable<string[]> Rows(string file, string text)
    {
        var options = new CsvReaderOptions
        {
            HasHeader = false,
            MalformedData = CsvMalformedDataHandling.Throw,
            IncludeValuesInExceptions = false,
        };
        using CsvReader csv = CsvReader.Create(new StringReader(text), options);
        while (Next())
            yield return [.. Enumerable.Range(0, csv.FieldCount).Select(csv.GetString)];

        bool Next()
        {
            try
            {
                return csv.Read();
            }
            catch (CsvFormatException e)
            {
                throw new TransferException(
                    $"'{file}' is no table: {e.Message.ReplaceLineEndings(" ")} Train again, or put the file back.",
                    e
                );
            }
        }
    }
}
