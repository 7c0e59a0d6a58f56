using System.CommandLine;
using MlNetTransfer.Jobs;
using MlNetTransfer.Onnx;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Cli;

/// <summary>The option --output of commands that say something of every image, and the file that it names.</summary>
internal static class ResultFile
{
    /// <summary>The option that names the file.</summary>
    /// <param name="rows">What it has a row for, and what a row has.</param>
    public static Option<string?> Output(
        string rows =
            "image to this file as well: a .csv, .jsonl or .parquet with the file, the prediction, the "
            + "probability of every class and, for a rejected image, why."
    )
    {
        var option = new Option<string?>("--output")
        {
            Description = $"Write a row for every {rows}",
            HelpName = "file",
        };
        option.Validators.Add(result =>
        {
            string path = result.Tokens is [var token] ? token.Value : "";
            string folder = Path.GetDirectoryName(Path.GetFullPath(path.Length == 0 ? "." : path)) ?? "";
            if (Kind(path) is not (".csv" or ".jsonl" or Parquet))
                result.AddError($"--output is '{path}'; its name must end in .csv, .jsonl or .parquet.");
            else if (!Directory.Exists(folder))
                result.AddError($"--output is '{path}'; the folder '{folder}' does not exist. Make it first.");
        });
        return option;
    }

    /// <summary>Writes a table, whole or not at all; nothing where no file is named.</summary>
    public static void Write(string? path, PredictionRows table) => Write(path, () => table.Columns, table.Write);

    /// <inheritdoc cref="Write(string?, PredictionRows)"/>
    public static void Write(string? path, FindingRows table) => Write(path, () => table.Columns, table.Write);

    private static void Write(
        string? path,
        Func<IReadOnlyList<(string Name, IReadOnlyList<object?> Values)>> columns,
        Action<string> asText
    )
    {
        if (path is null)
            return;
        if (Kind(path) == Parquet)
            AtomicFile.Write(path, stream => stream.Write(ParquetAsync(columns()).GetAwaiter().GetResult()));
        else
            asText(path);
    }

    private const string Parquet = ".parquet";

    private static string Kind(string path) => Path.GetExtension(path).ToLowerInvariant();

    private static async Task<byte[]> ParquetAsync(IReadOnlyList<(string Name, IReadOnlyList<object?> Values)> columns)
    {
        DataField[] fields =
        [
            .. columns.Select(c =>
                c.Name switch
                {
                    "file" when !c.Values.Contains(null) => new DataField<string>(c.Name, nullable: false),
                    "seen" or "abstained" or "unknown" => new DataField<bool?>(c.Name),
                    "truth" or "prediction" or "set" or "error" => new DataField<string>(c.Name),
                    "kind" or "severity" or "file" or "other" or "class" or "message" => new DataField<string>(c.Name),
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
            foreach (((_, IReadOnlyList<object?> values), DataField field) in columns.Zip(fields))
            {
                if (field is DataField<string>)
                    await group.WriteAsync(field, [.. values.Select(v => (string?)v!)]).ConfigureAwait(false);
                else if (field is DataField<bool?>)
                    await group.WriteAsync<bool>(field, values.Select(v => (bool?)v).ToArray()).ConfigureAwait(false);
                else
                    await group.WriteAsync<float>(field, values.Select(v => (float?)v).ToArray()).ConfigureAwait(false);
            }
        }

        return whole.ToArray();
    }
}
