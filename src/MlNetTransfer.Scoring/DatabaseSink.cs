using System.Data.Common;
using System.Text.Json;

namespace MlNetTransfer.Scoring;

/// <summary>
/// A table of a database. Rows and the note of how far the batch is are committed in one transaction, so that after any
/// end of program, connection or server either both are there or neither.
/// </summary>
/// <param name="address">The database.</param>
/// <param name="table">The table.</param>
/// <param name="shard">The part of the input; several parts write to one table.</param>
/// <param name="work">What a run remembers besides.</param>
/// <param name="waiting">Told that the database is away.</param>
/// <param name="clock">Measures how long.</param>
internal sealed class DatabaseSink(
    DatabaseAddress address,
    string table,
    Shard? shard,
    WorkPlace work,
    Action<string> waiting,
    TimeProvider clock
) : ScoreSink
{
    private const string Ledger = "mlnet_transfer_batches";
    private DbConnection? connection;
    private IReadOnlyList<ScoreColumn> columns = [];
    private ScoreState written = ScoreState.Nothing;

    private string Quoted => TableName.Quoted(table);

    private string Part => shard?.ToString() ?? "1/1";

    public override (ScoreState State, bool IsComplete) Open(
        ScoreIdentity identity,
        IReadOnlyList<ScoreColumn> columns,
        bool restart
    )
    {
        this.columns = columns;
        (ScoreState State, bool IsComplete) found = Transact(
            "Preparing",
            Retry.AtStart,
            (open, transaction) => Prepare(transaction, identity, restart),
            default
        );
        written = found.State;
        if (restart)
            work.Remove();
        return found;
    }

    public override void Commit(IReadOnlyList<object?[]> rows, ScoreState after, CancellationToken cancellation)
    {
        Transact(
            "Writing to",
            Retry.Patience,
            (open, transaction) =>
            {
                // A connection that broke while it committed does not tell whether it did; the note does.
                if (Noted(transaction)?.State == after)
                    return true;
                Note(transaction, after, isComplete: false);
                address.Insert(open, transaction, Quoted, columns, rows);
                return true;
            },
            cancellation
        );
        written = after;
    }

    public override void Complete(ScoreState state, IProgress<JobProgress>? progress, CancellationToken cancellation) =>
        Transact(
            "Writing to",
            Retry.Patience,
            (open, transaction) =>
            {
                Note(transaction, state, isComplete: true);
                return true;
            },
            cancellation
        );

    public override void Dispose()
    {
        connection?.Dispose();
        base.Dispose();
    }

    /// <summary>Does work in a transaction, from its start where the connection breaks.</summary>
    private T Transact<T>(
        string what,
        TimeSpan patience,
        Func<DbConnection, DbTransaction, T> work,
        CancellationToken cancellation
    ) =>
        Retry.Of(
            $"{what} {address.Name}",
            () =>
            {
                try
                {
                    connection ??= address.Open(toWrite: true);
                    using DbTransaction transaction = connection.BeginTransaction();
                    T result = work(connection, transaction);
                    transaction.Commit();
                    return result;
                }
                catch
                {
                    connection?.Dispose();
                    connection = null;
                    throw;
                }
            },
            waiting,
            patience,
            clock,
            cancellation
        );

    private (ScoreState State, bool IsComplete) Prepare(DbTransaction transaction, ScoreIdentity identity, bool restart)
    {
        address.Alone(transaction);
        transaction.Execute(
            $"""
            CREATE TABLE IF NOT EXISTS {Ledger} (
                table_name text NOT NULL, part text NOT NULL, identity text NOT NULL, state text NOT NULL,
                complete integer NOT NULL, PRIMARY KEY (table_name, part))
            """
        );
        if (restart)
        {
            transaction.Execute($"DELETE FROM {Ledger} WHERE table_name = @table", ("@table", table));
            transaction.Execute($"DROP TABLE IF EXISTS {Quoted}");
        }

        bool wasThere;
        using (DbCommand command = transaction.Command(address.HasTable, ("@name", table)))
            wasThere = command.ExecuteScalar() is not null;
        IEnumerable<string> definitions = columns.Select(column =>
            $"\"{column.Name.Replace("\"", "\"\"", StringComparison.Ordinal)}\" {address.TypeOf(column.Type)}"
        );
        transaction.Execute($"CREATE TABLE IF NOT EXISTS {Quoted} ({string.Join(", ", definitions)})");
        (ScoreIdentity Identity, ScoreState State, bool IsComplete)? before = Noted(transaction);
        if (before is null)
        {
            RequireSameBatch(transaction, identity, wasThere);
            transaction.Execute(
                $"INSERT INTO {Ledger} VALUES (@table, @part, @identity, @state, 0)",
                ("@table", table),
                ("@part", Part),
                ("@identity", JsonSerializer.Serialize(identity)),
                ("@state", JsonSerializer.Serialize(ScoreState.Nothing))
            );
        }
        else if (before.Value.Identity != identity)
            throw OfAnother($"Table '{table}' of {address.Name}", identity, before.Value.Identity);

        return before is { } known ? (known.State, known.IsComplete) : (ScoreState.Nothing, false);
    }

    /// <summary>Rows that are there must be those of other parts of the same batch.</summary>
    private void RequireSameBatch(DbTransaction transaction, ScoreIdentity identity, bool wasThere)
    {
        using DbCommand others = transaction.Command(
            $"SELECT identity FROM {Ledger} WHERE table_name = @table",
            ("@table", table)
        );
        if (others.ExecuteScalar() is string text)
        {
            ScoreIdentity other = JsonSerializer.Deserialize<ScoreIdentity>(text)!;
            if (other with { Part = identity.Part } != identity || !ArePartsOfOne(other.Part, identity.Part))
                throw OfAnother($"Table '{table}' of {address.Name}", identity, other);
            return;
        }

        using DbCommand any = transaction.Command($"SELECT COUNT(*) FROM (SELECT 1 FROM {Quoted} LIMIT 1) AS q");
        if (Convert.ToInt64(any.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture) > 0)
            throw new TransferException(
                $"Table '{table}' of {address.Name} has rows already, and nothing says of which batch. Give another "
                    + "--table, or --restart to throw the table away."
            );
        if (wasThere)
            RequireColumns(transaction);
    }

    /// <summary>An empty table may be somebody else's.</summary>
    private void RequireColumns(DbTransaction transaction)
    {
        using DbCommand command = transaction.Command($"SELECT * FROM {Quoted} LIMIT 0");
        using DbDataReader reader = command.ExecuteReader();
        string[] found = [.. Enumerable.Range(0, reader.FieldCount).Select(reader.GetName)],
            expected = [.. columns.Select(column => column.Name)];
        // PostgreSQL cuts long names off.
        bool areSame =
            found.Length == expected.Length
            && found.Zip(expected).All(p => p.Second.StartsWith(p.First, StringComparison.OrdinalIgnoreCase));
        if (!areSame)
            throw new TransferException(
                $"Table '{table}' of {address.Name} has the columns {string.Join(", ", found)}; expected "
                    + $"{string.Join(", ", expected)}. Give another --table, or --restart to throw the table away."
            );
    }

    /// <summary>Whether two shards are of the same number of shards.</summary>
    private static bool ArePartsOfOne(string one, string other) =>
        one.Contains('/') && other.Contains('/') && one[one.IndexOf('/')..] == other[other.IndexOf('/')..];

    private (ScoreIdentity Identity, ScoreState State, bool IsComplete)? Noted(DbTransaction transaction)
    {
        using DbCommand command = transaction.Command(
            $"SELECT identity, state, complete FROM {Ledger} WHERE table_name = @table AND part = @part",
            ("@table", table),
            ("@part", Part)
        );
        using DbDataReader reader = command.ExecuteReader();
        return reader.Read()
            ? (
                JsonSerializer.Deserialize<ScoreIdentity>(reader.GetString(0))!,
                JsonSerializer.Deserialize<ScoreState>(reader.GetString(1))!,
                Convert.ToInt64(reader.GetValue(2), System.Globalization.CultureInfo.InvariantCulture) != 0
            )
            : null;
    }

    /// <summary>Notes how far the batch is; holds up any other run of the same part, which then finds out.</summary>
    private void Note(DbTransaction transaction, ScoreState state, bool isComplete)
    {
        int changed = transaction.Execute(
            $"UPDATE {Ledger} SET state = @state, complete = {(isComplete ? 1 : 0)} WHERE table_name = @table AND "
                + "part = @part AND state = @before",
            ("@state", JsonSerializer.Serialize(state)),
            ("@table", table),
            ("@part", Part),
            ("@before", JsonSerializer.Serialize(written))
        );
        if (changed != 1)
            throw new TransferException(
                $"Another run is writing part {Part} of table '{table}' of {address.Name}. No row was written "
                    + "twice; let that run end."
            );
    }
}
