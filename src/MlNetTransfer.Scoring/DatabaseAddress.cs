using System.Data.Common;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace MlNetTransfer.Scoring;

/// <summary>A database as users write it. Immutable.</summary>
internal abstract class DatabaseAddress
{
    private static readonly string[] SqliteEndings = [".db", ".sqlite", ".sqlite3"];

    /// <summary>An input or output in words: an address without its password, a path as it is.</summary>
    public static string Shown(string text) => TryParse(text, out DatabaseAddress? address) ? address.Name : text;

    /// <summary>As a command line takes it, without the password.</summary>
    public virtual string Typed => Name;

    /// <summary>What it is called in messages and in what is written down; no password.</summary>
    public abstract string Name { get; }

    /// <summary>Opens a connection.</summary>
    /// <param name="toWrite">Whether rows go there; else it is only read.</param>
    /// <exception cref="TransferException">It cannot be opened, and will not be by trying again.</exception>
    public abstract DbConnection Open(bool toWrite);

    /// <summary>The type of a column in CREATE TABLE.</summary>
    public abstract string TypeOf(ColumnType type);

    /// <summary>The type of a column of bytes in CREATE TABLE.</summary>
    public abstract string BytesType { get; }

    /// <summary>A query that gives a row where the table @name is there.</summary>
    public abstract string HasTable { get; }

    /// <summary>Holds up other transactions that ask for the same, until this one ends.</summary>
    public virtual void Alone(DbTransaction transaction) { }

    /// <summary>Begins a transaction that only reads, beside one that writes.</summary>
    public virtual DbTransaction BeginReading(DbConnection connection) => connection.BeginTransaction();

    /// <summary>Writes rows within a transaction.</summary>
    /// <param name="connection">Its connection.</param>
    /// <param name="transaction">The transaction.</param>
    /// <param name="table">The table, quoted.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="rows">A value per column.</param>
    public abstract void Insert(
        DbConnection connection,
        DbTransaction transaction,
        string table,
        IReadOnlyList<ScoreColumn> columns,
        IReadOnlyList<object?[]> rows
    );

    /// <summary>Reads an address.</summary>
    /// <param name="text">sqlite:FILE, a .db, .sqlite or .sqlite3 file, postgres://…, or a connection string of
    /// Npgsql.</param>
    /// <param name="address">The address; null where the text is none.</param>
    /// <exception cref="TransferException">It begins as one and cannot be read as one.</exception>
    public static bool TryParse(string text, [NotNullWhen(true)] out DatabaseAddress? address)
    {
        address =
            text.StartsWith("sqlite:", StringComparison.OrdinalIgnoreCase) ? new SqliteAddress(text[7..])
            : SqliteEndings.Contains(Path.GetExtension(text), StringComparer.OrdinalIgnoreCase)
                ? new SqliteAddress(text)
            : IsPostgres(text) ? PostgresAddress.Parse(text)
            : null;
        return address is not null;
    }

    private static bool IsPostgres(string text) =>
        text.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase)
        || text.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase)
        || text.Contains("Host=", StringComparison.OrdinalIgnoreCase);
}

/// <summary>A file of SQLite.</summary>
/// <param name="file">The file; made where it is missing.</param>
internal sealed class SqliteAddress(string file) : DatabaseAddress
{
    /// <summary>The file, with its folders.</summary>
    public string File => Path.GetFullPath(file);

    public override string Name => $"sqlite:{Path.GetFullPath(file)}";

    public override DbConnection Open(bool toWrite)
    {
        // A file that is only read is neither made nor changed.
        var settings = new SqliteConnectionStringBuilder
        {
            DataSource = file,
            Mode = toWrite ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadOnly,
            Pooling = false,
            DefaultTimeout = 60,
        };
        var connection = new SqliteConnection(settings.ToString());
        try
        {
            connection.Open();
            return connection;
        }
        catch (SqliteException e)
        {
            connection.Dispose();
            throw new TransferException(
                $"The SQLite file '{file}' cannot be opened: {e.Message} Check the path, and that the file and its "
                    + $"folder can be {(toWrite ? "written to" : "read")}.",
                e
            );
        }
    }

    public override DbTransaction BeginReading(DbConnection connection) =>
        ((SqliteConnection)connection).BeginTransaction(deferred: true);

    public override string BytesType => "BLOB";

    public override string HasTable => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = @name";

    public override string TypeOf(ColumnType type) =>
        type switch
        {
            ColumnType.Number or ColumnType.Double => "REAL",
            ColumnType.Flag or ColumnType.Integer => "INTEGER",
            _ => "TEXT",
        };

    public override void Insert(
        DbConnection connection,
        DbTransaction transaction,
        string table,
        IReadOnlyList<ScoreColumn> columns,
        IReadOnlyList<object?[]> rows
    )
    {
        using DbCommand command = connection.CreateCommand();
        command.Transaction = transaction;
        string[] names = [.. Enumerable.Range(0, columns.Count).Select(i => FormattableString.Invariant($"@p{i}"))];
        command.CommandText = $"INSERT INTO {table} VALUES ({string.Join(", ", names)})";
        foreach (string name in names)
        {
            DbParameter parameter = command.CreateParameter();
            parameter.ParameterName = name;
            command.Parameters.Add(parameter);
        }

        command.Prepare();
        foreach (object?[] row in rows)
        {
            for (int i = 0; i < row.Length; i++)
                command.Parameters[i].Value = row[i] ?? DBNull.Value;
            command.ExecuteNonQuery();
        }
    }
}

/// <summary>A database of PostgreSQL.</summary>
internal sealed class PostgresAddress : DatabaseAddress
{
    private readonly NpgsqlConnectionStringBuilder builder;

    private PostgresAddress(NpgsqlConnectionStringBuilder builder) => this.builder = builder;

    public override string Name =>
        FormattableString.Invariant($"postgres://{builder.Host}:{builder.Port}/{builder.Database}");

    public override string Typed =>
        builder.Username is { Length: > 0 } user ? Name.Replace("://", $"://{Uri.EscapeDataString(user)}@") : Name;

    /// <summary>Whether the address has the password in it.</summary>
    public bool HasPassword => !string.IsNullOrEmpty(builder.Password);

    /// <summary>For connections that are given back and taken again, by many threads.</summary>
    /// <param name="application">What the server's lists call them.</param>
    public string Pooled(string application) =>
        new NpgsqlConnectionStringBuilder(builder.ToString())
        {
            Pooling = true,
            ApplicationName = application,
        }.ToString();

    /// <inheritdoc cref="DatabaseAddress.TryParse"/>
    public static PostgresAddress Parse(string text)
    {
        try
        {
            var builder = text.Contains("://", StringComparison.Ordinal)
                ? OfUri(new Uri(text))
                : new NpgsqlConnectionStringBuilder(text);
            builder.ApplicationName ??= "mlnet-transfer score";
            // One connection is held; where it breaks, another is opened at once and not taken from a pool.
            builder.Pooling = false;
            builder.KeepAlive = builder.KeepAlive == 0 ? 10 : builder.KeepAlive;
            return new PostgresAddress(builder);
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            throw new TransferException(
                "The address of the PostgreSQL database cannot be read; expected e.g. "
                    + "postgres://user@host:5432/database (the password in PGPASSWORD), or a connection string of "
                    + $"Npgsql. {e.Message}",
                e
            );
        }
    }

    public override DbConnection Open(bool toWrite)
    {
        var connection = new NpgsqlConnection(builder.ToString());
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public override string BytesType => "bytea";

    public override string HasTable => "SELECT 1 WHERE to_regclass(@name) IS NOT NULL";

    public override string TypeOf(ColumnType type) =>
        type switch
        {
            ColumnType.Number => "real",
            ColumnType.Double => "double precision",
            ColumnType.Integer => "bigint",
            ColumnType.Flag => "boolean",
            _ => "text",
        };

    /// <summary>CREATE TABLE IF NOT EXISTS fails where two do it at once.</summary>
    public override void Alone(DbTransaction transaction) =>
        transaction.Execute("SELECT pg_advisory_xact_lock(7316082911)");

    /// <summary>By COPY in binary form.</summary>
    public override void Insert(
        DbConnection connection,
        DbTransaction transaction,
        string table,
        IReadOnlyList<ScoreColumn> columns,
        IReadOnlyList<object?[]> rows
    )
    {
        using NpgsqlBinaryImporter copy = ((NpgsqlConnection)connection).BeginBinaryImport(
            $"COPY {table} FROM STDIN (FORMAT BINARY)"
        );
        foreach (object?[] row in rows)
        {
            copy.StartRow();
            foreach (object? value in row)
                switch (value)
                {
                    case null:
                        copy.WriteNull();
                        break;
                    case float number:
                        copy.Write(number);
                        break;
                    case double number:
                        copy.Write(number);
                        break;
                    case long number:
                        copy.Write(number);
                        break;
                    case bool flag:
                        copy.Write(flag);
                        break;
                    default:
                        // PostgreSQL has no NUL in texts.
                        copy.Write(((string)value).Replace("\0", "\uFFFD", StringComparison.Ordinal));
                        break;
                }
        }

        copy.Complete();
    }

    private static NpgsqlConnectionStringBuilder OfUri(Uri uri)
    {
        string[] user = uri.UserInfo.Split(':', 2);
        var builder = new NpgsqlConnectionStringBuilder
        {
            Host = uri.Host.Length > 0 ? uri.Host : "localhost",
            Port = uri.Port > 0 ? uri.Port : 5432,
            Database = Uri.UnescapeDataString(uri.AbsolutePath.TrimStart('/')),
        };
        if (user[0].Length > 0)
            builder.Username = Uri.UnescapeDataString(user[0]);
        if (user.Length > 1)
            builder.Password = Uri.UnescapeDataString(user[1]);
        foreach (string pair in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] setting = pair.Split('=', 2);
            string name = Uri.UnescapeDataString(setting[0]);
            builder[name == "sslmode" ? "SSL Mode" : name] = Uri.UnescapeDataString(
                setting.ElementAtOrDefault(1) ?? ""
            );
        }

        return builder;
    }
}

/// <summary>Tries work on a database again where the connection breaks, for as long as a restart may take.</summary>
internal static class Retry
{
    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(200),
        Longest = TimeSpan.FromSeconds(10);

    /// <summary>How long a database may be away.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>How long it may be away when the batch begins: then the address may be wrong.</summary>
    public static readonly TimeSpan AtStart = TimeSpan.FromSeconds(20);

    /// <param name="what">What is done, for messages.</param>
    /// <param name="work">The work; from its start each time.</param>
    /// <param name="waiting">Told that the database is away; null for nobody.</param>
    /// <param name="patience">How long the database may be away.</param>
    /// <param name="clock">Measures the time.</param>
    /// <param name="cancellation">Ends the waiting.</param>
    /// <param name="then">What to do where it fails, for the message; null for a batch that goes on.</param>
    /// <exception cref="TransferException">The database refuses, or is away for longer.</exception>
    public static T Of<T>(
        string what,
        Func<T> work,
        Action<string>? waiting,
        TimeSpan patience,
        TimeProvider clock,
        CancellationToken cancellation,
        string? then = null
    )
    {
        long started = clock.GetTimestamp();
        for (TimeSpan pause = First; ; pause = pause * 2 < Longest ? pause * 2 : Longest)
        {
            cancellation.ThrowIfCancellationRequested();
            try
            {
                return work();
            }
            catch (DbException e) when (IsPassing(e) && clock.GetElapsedTime(started) < patience)
            {
                waiting?.Invoke(e.Message.ReplaceLineEndings(" "));
            }
            catch (Exception e) when (e is DbException or IOException)
            {
                throw new TransferException(
                    $"{what} failed: {e.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ')}. "
                        + (
                            then
                            ?? "Rows that were committed are safe: mend it and run the same command again, and it "
                                + "goes on."
                        ),
                    e
                );
            }

            cancellation.WaitHandle.WaitOne(pause);
        }
    }

    /// <summary>A connection that broke, a server that starts or stops, a lock: it may work the next time.</summary>
    private static bool IsPassing(DbException e) =>
        e.IsTransient
        || e is SqliteException { SqliteErrorCode: 5 or 6 }
        || e
            is NpgsqlException
            {
                InnerException: IOException or System.Net.Sockets.SocketException or TimeoutException
            };
}
