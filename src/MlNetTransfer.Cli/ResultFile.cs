using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using MlNetTransfer.Datasets;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Cli;

/// <summary>
/// Writes a row for every image, those that were rejected included: .csv, .jsonl or .parquet, whole or not at all.
/// </summary>
/// <remarks>
/// Columns: file, truth and seen (of evaluate), prediction, probability, then p_CLASS for every class, error. What a
/// rejected image lacks is empty in .csv, null in the others. Numbers are written by the invariant culture.
/// </remarks>
internal sealed class ResultFile
{
    private readonly IReadOnlyList<string> classNames;
    private readonly bool labelled;
    private readonly List<Row> rows = [];

    private ResultFile(IReadOnlyList<string> classNames, bool labelled) =>
        (this.classNames, this.labelled) = (classNames, labelled);

    /// <summary>The option that names the file.</summary>
    public static Option<string?> Output()
    {
        var option = new Option<string?>("--output")
        {
            Description =
                "Write a row for every image to this file as well: a .csv, .jsonl or .parquet with the file, the "
                + "prediction, "
                + "the probability of every class and, for a rejected image, why.",
            HelpName = "file",
        };
        option.Validators.Add(result =>
        {
            string path = result.Tokens is [var token] ? token.Value : "";
            string folder = Path.GetDirectoryName(Path.GetFullPath(path.Length == 0 ? "." : path)) ?? "";
            if (Kind(path) is null)
                result.AddError($"--output is '{path}'; its name must end in .csv, .jsonl or .parquet.");
            else if (!Directory.Exists(folder))
                result.AddError($"--output is '{path}'; the folder '{folder}' does not exist. Make it first.");
        });
        return option;
    }

    /// <summary>Writes predictions; nothing where no file is named.</summary>
    public static void Write(string? path, PredictionSummary summary)
    {
        if (path is null)
            return;
        var file = new ResultFile(summary.ClassNames, labelled: false);
        foreach (Prediction p in summary.Predictions)
            file.rows.Add(new Row(p.File, null, null, p.Label, p.Probability, p.Probabilities, null));
        file.Add(summary.Rejected);
        file.Write(path);
    }

    /// <summary>Writes an evaluation; nothing where no file is named.</summary>
    public static void Write(string? path, ModelEvaluation summary)
    {
        if (path is null)
            return;
        var file = new ResultFile(summary.ClassNames, labelled: true);
        foreach (EvaluatedImage image in summary.Predictions)
        {
            int best = image.Probabilities.Span.IndexOf(
                System.Numerics.Tensors.TensorPrimitives.Max(image.Probabilities.Span)
            );
            file.rows.Add(
                new Row(
                    image.File,
                    image.Truth,
                    image.Seen,
                    summary.ClassNames[best],
                    image.Probabilities.Span[best],
                    image.Probabilities,
                    null
                )
            );
        }

        file.Add(summary.Rejected);
        file.Write(path);
    }

    private static string? Kind(string path) =>
        Path.GetExtension(path).ToLowerInvariant() is (".csv" or ".jsonl" or ".parquet") and var kind ? kind : null;

    private void Add(IEnumerable<RejectedImage> rejected)
    {
        foreach (RejectedImage image in rejected)
            rows.Add(new Row(image.File, null, null, null, null, default, image.Reason));
    }

    private void Write(string path) =>
        AtomicFile.Write(
            path,
            stream =>
            {
                switch (Kind(path))
                {
                    case ".csv":
                        Csv(stream);
                        break;
                    case ".jsonl":
                        JsonLines(stream);
                        break;
                    default:
                        ParquetAsync(stream).GetAwaiter().GetResult();
                        break;
                }
            }
        );

    /// <summary>The columns' names and what each has in a row.</summary>
    private IEnumerable<(string Name, Func<Row, object?> Value)> Columns()
    {
        yield return ("file", r => r.File);
        if (labelled)
            yield return ("truth", r => r.Truth);
        if (labelled)
            yield return ("seen", r => r.Seen);
        yield return ("prediction", r => r.Prediction);
        yield return ("probability", r => r.Probability);
        for (int c = 0; c < classNames.Count; c++)
        {
            int label = c;
            yield return ($"p_{classNames[c]}", r => r.Of(label));
        }

        yield return ("error", r => r.Error);
    }

    /// <summary>RFC 4180, lines ended by a line feed.</summary>
    private void Csv(Stream stream)
    {
        using StreamWriter writer = Text(stream);
        (string Name, Func<Row, object?> Value)[] columns = [.. Columns()];
        writer.Write(string.Join(',', columns.Select(c => Quoted(c.Name))) + "\n");
        foreach (Row row in rows)
            writer.Write(string.Join(',', columns.Select(c => Quoted(Written(c.Value(row))))) + "\n");
    }

    private void JsonLines(Stream stream)
    {
        var options = new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using StreamWriter writer = Text(stream);
        (string Name, Func<Row, object?> Value)[] columns = [.. Columns()];
        foreach (Row row in rows)
            writer.Write(
                JsonSerializer.Serialize(columns.ToDictionary(c => c.Name, c => c.Value(row)), options) + "\n"
            );
    }

    private async Task ParquetAsync(Stream stream)
    {
        DataField[] fields =
        [
            .. Columns()
                .Select(c =>
                    c.Name switch
                    {
                        "file" => new DataField<string>(c.Name, nullable: false),
                        "seen" => new DataField<bool?>(c.Name),
                        "truth" or "prediction" or "error" => new DataField<string>(c.Name),
                        _ => (DataField)new DataField<float?>(c.Name),
                    }
                ),
        ];
        using var whole = new MemoryStream();
        await using (
            ParquetWriter writer = await ParquetWriter
                .CreateAsync(new ParquetSchema(fields.Cast<Field>().ToArray()), whole)
                .ConfigureAwait(false)
        )
        {
            using ParquetRowGroupWriter group = writer.CreateRowGroup();
            foreach (((_, Func<Row, object?> value), DataField field) in Columns().Zip(fields))
            {
                object?[] values = [.. rows.Select(value)];
                if (field is DataField<string>)
                    await group.WriteAsync(field, [.. values.Select(v => (string?)v!)]).ConfigureAwait(false);
                else if (field is DataField<bool?>)
                    await group.WriteAsync<bool>(field, values.Select(v => (bool?)v).ToArray()).ConfigureAwait(false);
                else
                    await group.WriteAsync<float>(field, values.Select(v => (float?)v).ToArray()).ConfigureAwait(false);
            }
        }

        stream.Write(whole.ToArray());
    }

    private static StreamWriter Text(Stream stream) => new(stream, new UTF8Encoding(false), 1 << 16, leaveOpen: true);

    private static string Written(object? value) =>
        value switch
        {
            null => "",
            bool flag => flag ? "true" : "false",
            _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };

    private static string Quoted(string text) =>
        text.AsSpan().IndexOfAny(",\"\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    private sealed record Row(
        string File,
        string? Truth,
        bool? Seen,
        string? Prediction,
        float? Probability,
        ReadOnlyMemory<float> Probabilities,
        string? Error
    )
    {
        public float? Of(int label) => Probabilities.IsEmpty ? null : Probabilities.Span[label];
    }
}
