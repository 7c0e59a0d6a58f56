using System.Data.Common;
using System.Globalization;
using MlNetTransfer.Datasets;

namespace MlNetTransfer.Scoring;

/// <summary>
/// The rows of a query, by pages in the order of a key: each page is a query of its own, so that a connection that
/// breaks loses nothing and a long batch holds no transaction open.
/// </summary>
internal sealed class DatabaseSource : ScoreSource
{
    private const int Page = 1000,
        PageOfBytes = 64;

    private readonly DatabaseAddress address;
    private readonly string query,
        keyType;
    private readonly int key,
        content,
        page;
    private readonly bool isBytes;
    private readonly string[] names;
    private readonly int[] passed;
    private DbConnection? connection;

    public DatabaseSource(DatabaseAddress address, ScoreOptions options)
    {
        this.address = address;
        string asked =
            options.Query
            ?? throw new TransferException(
                "The input is a database: say what to read with --query, a table or a SELECT with the columns that are "
                    + "to go along."
            );
        query = asked.Trim().TrimEnd(';');
        if (!query.Any(char.IsWhiteSpace))
            query = $"SELECT * FROM {TableName.Quoted(TableName.Of(query))}";
        (names, string[] types) = Shape();
        key = Column(options.KeyColumn ?? "id", "--key-column", "tells its rows apart, and orders them");
        isBytes = options.BytesColumn is not null;
        content = options.BytesColumn is { } bytes
            ? Column(bytes, "--bytes-column", "has the images")
            : PathColumn(options.PathColumn);
        keyType = types[key];
        page = isBytes ? PageOfBytes : Page;
        passed = [.. Enumerable.Range(0, names.Length).Where(i => i != key && !(isBytes && i == content))];
    }

    public override string Identity => $"{address.Name} {query}";

    public override IReadOnlyList<string> Columns => [.. passed.Select(i => names[i])];

    public override bool Seeks => true;

    public override IEnumerable<ScoreInput> Read(string? after, CancellationToken cancellation)
    {
        string folder = Directory.GetCurrentDirectory();
        while (true)
        {
            List<ScoreInput> rows = Retry.Of(
                $"Reading from {address.Name}",
                () => Fetch(after, folder),
                null,
                Retry.Patience,
                TimeProvider.System,
                cancellation
            );
            foreach (ScoreInput row in rows)
                yield return row;
            if (rows.Count < page)
                yield break;
            after = rows[^1].Key;
        }
    }

    public override void Dispose()
    {
        connection?.Dispose();
        base.Dispose();
    }

    private List<ScoreInput> Fetch(string? after, string folder)
    {
        try
        {
            connection ??= address.Open(toWrite: false);
            using DbCommand command = connection.CreateCommand();
            string column = $"q.\"{names[key].Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
            string behind = after is null ? "" : $" WHERE {column} > CAST(@after AS {CastType})";
            command.CommandText = string.Create(
                CultureInfo.InvariantCulture,
                $"SELECT * FROM ({query}) AS q{behind} ORDER BY {column} LIMIT {page}"
            );
            if (after is not null)
            {
                DbParameter parameter = command.CreateParameter();
                (parameter.ParameterName, parameter.Value) = ("@after", after);
                command.Parameters.Add(parameter);
            }

            using DbDataReader reader = command.ExecuteReader();
            List<ScoreInput> rows = [];
            while (reader.Read())
                rows.Add(Input(reader, folder));
            return rows;
        }
        catch
        {
            connection?.Dispose();
            connection = null;
            throw;
        }
    }

    private ScoreInput Input(DbDataReader reader, string folder)
    {
        string id =
            Text(reader, key)
            ?? throw new TransferException(
                $"The query gives a row whose '{names[key]}' is NULL; it tells rows apart, so each needs one."
            );
        string?[] values = Array.ConvertAll(passed, i => Text(reader, i));
        if (!isBytes)
            return ListedImage.Of(Text(reader, content), folder, values) with { Key = id };
        return reader.IsDBNull(content)
            ? new ScoreInput(id, null, values) { Fault = $"'{names[content]}' is NULL" }
            : new ScoreInput(id, new MemoryLocation((byte[])reader.GetValue(content)), values);
    }

    private static string? Text(DbDataReader reader, int column) =>
        reader.IsDBNull(column)
            ? null
            : reader.GetValue(column) switch
            {
                byte[] bytes => Convert.ToHexStringLower(bytes),
                DateTime time => time.ToString("o", CultureInfo.InvariantCulture),
                object value => Convert.ToString(value, CultureInfo.InvariantCulture),
            };

    private string CastType => keyType.Length == 0 ? "TEXT" : keyType;

    /// <summary>Names of the query's columns, and their types as the database calls them.</summary>
    private (string[] Names, string[] Types) Shape() =>
        Retry.Of(
            $"Reading from {address.Name}",
            () =>
            {
                using DbConnection own = address.Open(toWrite: false);
                using DbCommand command = own.CreateCommand();
                command.CommandText = $"SELECT * FROM ({query}) AS q WHERE 1 = 0";
                using DbDataReader reader = command.ExecuteReader();
                int[] columns = [.. Enumerable.Range(0, reader.FieldCount)];
                return (Array.ConvertAll(columns, reader.GetName), Array.ConvertAll(columns, reader.GetDataTypeName));
            },
            null,
            Retry.AtStart,
            TimeProvider.System,
            default
        );

    private int PathColumn(string? asked)
    {
        if (asked is not null)
            return Column(asked, "--path-column", "has the paths of the images");
        int found = Array.FindIndex(
            names,
            name => ListColumns.PathNames.Contains(name, StringComparer.OrdinalIgnoreCase)
        );
        return found >= 0
            ? found
            : throw new TransferException(
                $"The query has no column named {string.Join(", ", ListColumns.PathNames)}; it has "
                    + $"{string.Join(", ", names)}. Name the column of paths with --path-column, or of "
                    + "images with --bytes-column."
            );
    }

    private int Column(string name, string option, string what)
    {
        int found = Array.FindIndex(names, n => n.Equals(name, StringComparison.OrdinalIgnoreCase));
        return found >= 0
            ? found
            : throw new TransferException(
                $"The query has no column '{name}'; it has {string.Join(", ", names)}. Name the one that {what} with "
                    + $"{option}."
            );
    }
}
