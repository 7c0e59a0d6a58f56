using System.Globalization;
using System.Text.Json;
using CsvHelper;
using Microsoft.Data.Sqlite;
using Parquet;
using Parquet.Schema;

namespace MlNetTransfer.Tests.Scoring;

/// <summary>Reads back what a batch wrote, each row as text by column; a list is its numbers, parted by spaces.</summary>
internal static class ScoredFile
{
    public static float Number(string text) => float.Parse(text, CultureInfo.InvariantCulture);

    public static List<Dictionary<string, string>> Csv(string file)
    {
        using CsvReader csv = CsvReader.Create(
            new StringReader(File.ReadAllText(file)),
            new CsvReaderOptions { HasHeader = false }
        );
        string[]? header = null;
        List<Dictionary<string, string>> rows = [];
        while (csv.Read())
        {
            string[] fields = [.. Enumerable.Range(0, csv.FieldCount).Select(csv.GetString)];
            if (header is null)
                header = fields;
            else
                rows.Add(header.Zip(fields).ToDictionary(c => c.First, c => c.Second));
        }

        return rows;
    }

    public static List<Dictionary<string, string>> JsonLines(string file) =>
        [
            .. File.ReadLines(file)
                .Select(line =>
                    JsonElement
                        .Parse(line)
                        .EnumerateObject()
                        .ToDictionary(p => p.Name, p => p.Value.ValueKind == JsonValueKind.Null ? "" : Text(p.Value))
                ),
        ];

    private static string Text(JsonElement value) =>
        value.ValueKind == JsonValueKind.Number
            ? Written(value.GetSingle())
            : value.ToString().Replace("True", "true").Replace("False", "false");

    private static string Written(float value) => value.ToString(CultureInfo.InvariantCulture);

    public static List<Dictionary<string, string>> Sqlite(string file)
    {
        using var connection = new SqliteConnection($"Data Source={file};Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT * FROM answers ORDER BY rowid";
        using SqliteDataReader reader = command.ExecuteReader();
        List<Dictionary<string, string>> rows = [];
        while (reader.Read())
            rows.Add(
                Enumerable
                    .Range(0, reader.FieldCount)
                    .ToDictionary(
                        reader.GetName,
                        i =>
                            reader.IsDBNull(i) ? ""
                            : reader.GetDataTypeName(i) == "REAL" ? Written((float)reader.GetDouble(i))
                            : reader.GetName(i) is "abstained" or "unknown"
                                ? (reader.GetInt64(i) == 1 ? "true" : "false")
                            : reader.GetString(i)
                    )
            );
        return rows;
    }

    public static List<Dictionary<string, string>> ParquetRows(string file) =>
        ParquetAsync(file).GetAwaiter().GetResult();

    private static async Task<List<Dictionary<string, string>>> ParquetAsync(string file)
    {
        using FileStream stream = File.OpenRead(file);
        await using ParquetReader reader = await ParquetReader.CreateAsync(stream);
        List<Dictionary<string, string>> rows = [];
        for (int g = 0; g < reader.RowGroupCount; g++)
        {
            using ParquetRowGroupReader group = reader.OpenRowGroupReader(g);
            int count = (int)group.RowCount;
            int first = rows.Count;
            rows.AddRange(Enumerable.Range(0, count).Select(_ => new Dictionary<string, string>()));
            foreach (DataField column in reader.Schema.GetDataFields())
            {
                string?[] values = new string?[count];
                if (column.MaxRepetitionLevel > 0)
                    values = await ListsAsync(group, column, count);
                else if (column.ClrType == typeof(float))
                {
                    var numbers = new float?[count];
                    await group.ReadAsync<float>(column, numbers.AsMemory());
                    values = [.. numbers.Select(n => n is { } known ? Written(known) : null)];
                }
                else if (column.ClrType == typeof(long))
                {
                    var numbers = new long?[count];
                    await group.ReadAsync<long>(column, numbers.AsMemory());
                    values = [.. numbers.Select(n => n?.ToString(CultureInfo.InvariantCulture))];
                }
                else if (column.ClrType == typeof(bool))
                {
                    var flags = new bool?[count];
                    await group.ReadAsync<bool>(column, flags.AsMemory());
                    values = [.. flags.Select(f => f is { } known ? (known ? "true" : "false") : null)];
                }
                else
                    await group.ReadAsync(column, values.AsMemory()!);

                for (int i = 0; i < count; i++)
                    rows[first + i][column.Path.FirstPart!] = values[i] ?? "";
            }
        }

        return rows;
    }

    private static async Task<string?[]> ListsAsync(ParquetRowGroupReader group, DataField column, int rows)
    {
        int count = (int)group.GetMetadata(column)!.MetaData!.NumValues;
        float[] data = new float[count];
        int[] definitions = new int[count],
            repetitions = new int[count];
        await group.ReadRawAsync<float>(column, data, definitions, repetitions);
        var values = new string?[rows];
        int row = -1,
            next = 0;
        for (int i = 0; i < count; i++)
        {
            if (repetitions[i] == 0)
                row++;
            if (definitions[i] == column.MaxDefinitionLevel)
                values[row] += (values[row] is null ? "" : " ") + Written(data[next++]);
        }

        return values;
    }
}
