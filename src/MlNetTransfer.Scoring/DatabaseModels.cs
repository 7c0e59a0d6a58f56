using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using MlNetTransfer.Models;
using MlNetTransfer.Onnx;

namespace MlNetTransfer.Scoring;

/// <summary>Registries of models in databases of PostgreSQL and SQLite.</summary>
public static class DatabaseModels
{
    /// <summary>
    /// From now on MLNETTRANSFER_REGISTRY, and whoever makes a <see cref="ModelRegistry"/>, may name postgres://… or
    /// sqlite:FILE.
    /// </summary>
    public static void Register()
    {
        foreach (string scheme in (string[])["postgres", "postgresql", "sqlite"])
            ModelStores.Add(
                scheme,
                address =>
                    DatabaseAddress.TryParse(address, out DatabaseAddress? database)
                        ? new ModelTables(database)
                        : throw new TransferException($"'{address}' is no address of a database.")
            );
    }
}

/// <summary>
/// Two tables: mlnet_transfer_versions has the bytes of each version, in parts, mlnet_transfer_models what was done. A
/// version is copied to this machine when it is first used there.
/// </summary>
internal sealed class ModelTables(DatabaseAddress address) : IModelStore
{
    private const string Versions = "mlnet_transfer_versions",
        Entries = "mlnet_transfer_models",
        Then = "Check the address in " + ModelRegistry.Variable + " and that the database runs.";

    /// <summary>A value of a database has a limit, 1 GB in both, and lies in memory whole.</summary>
    private const int BytesOfAPart = 8 << 20;

    /// <summary>What the files that are followed have, as of when.</summary>
    private static readonly ConcurrentDictionary<string, (string Version, DateTime Written)> Followed = new();

    public string Name => address.Name;

    public bool IsShared => address is PostgresAddress;

    public bool IsFolder => false;

    public IReadOnlyList<string> Models() =>
        Read(
            Entries,
            transaction =>
            {
                using DbCommand command = transaction.Command($"SELECT DISTINCT model FROM {Entries}");
                using DbDataReader reader = command.ExecuteReader();
                List<string> names = [];
                while (reader.Read())
                    names.Add(reader.GetString(0));
                return names.Order(StringComparer.Ordinal).ToArray();
            },
            []
        );

    public IReadOnlyList<RegistryEntry> History(string model) =>
        Read<IReadOnlyList<RegistryEntry>>(Entries, transaction => HistoryOf(transaction, model), []);

    public void Keep(string model, string version, string file) =>
        Transact(
            "Writing to",
            connection => connection.BeginTransaction(),
            transaction =>
            {
                Prepare(transaction);
                transaction.Execute($"DELETE FROM {Versions} WHERE version = @version", ("@version", version));
                using FileStream source = RegularFile.OpenRead(file);
                var part = new byte[BytesOfAPart];
                for (int number = 0; ; number++)
                {
                    int length = source.ReadAtLeast(part, part.Length, throwOnEndOfStream: false);
                    if (length == 0)
                        return true;
                    transaction.Execute(
                        $"INSERT INTO {Versions} VALUES (@version, @number, @bytes)",
                        ("@version", version),
                        ("@number", number),
                        ("@bytes", part[..length])
                    );
                }
            }
        );

    public string FileOf(string model, string version)
    {
        string file = Path.Combine(DataFolder.For("registry-copies"), $"{version}.onnx");
        if (File.Exists(file) && FileDigest.Of(file) == version)
            return file;
        OutputLock.MakeFolder(Path.GetDirectoryName(file)!);
        AtomicFile.Write(
            file,
            stream =>
            {
                if (Read(Versions, transaction => Write(transaction, version, stream), 0) == 0)
                    throw new TransferException(
                        $"{address.Name} has no file of version {version[..12]} of '{model}'. Add the model again."
                    );
            }
        );
        return file;
    }

    public string FileToFollow(string model, string stage, string version)
    {
        // One name for a database, whatever its address is written like; two databases never share a file.
        string place = Convert.ToHexStringLower(
            System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(address.Name))
        )[..12];
        string file = Path.Combine(DataFolder.For("registry-copies"), place, model, $"{stage}.onnx");
        if (
            Followed.TryGetValue(file, out (string Version, DateTime Written) now)
            && now.Version == version
            && now.Written == File.GetLastWriteTimeUtc(file)
        )
            return file;
        if (!File.Exists(file) || FileDigest.Of(file) != version)
            ModelFolder.Copy(FileOf(model, version), file, version);
        Followed[file] = (version, File.GetLastWriteTimeUtc(file));
        return file;
    }

    public RegistryEntry Enter(string model, Func<IReadOnlyList<RegistryEntry>, RegistryEntry> entryAfter) =>
        Transact(
            "Writing to",
            connection => connection.BeginTransaction(),
            transaction =>
            {
                Prepare(transaction);
                List<RegistryEntry> before = HistoryOf(transaction, model);
                RegistryEntry entry = entryAfter(before);
                transaction.Execute(
                    $"INSERT INTO {Entries} VALUES (@model, @number, @time, @action, @version, @stage, @reason)",
                    ("@model", model),
                    ("@number", before.Count),
                    ("@time", entry.Time.ToString("O", CultureInfo.InvariantCulture)),
                    ("@action", entry.Action),
                    ("@version", entry.Version),
                    ("@stage", entry.Stage),
                    ("@reason", entry.Reason)
                );
                return entry;
            }
        );

    /// <summary>Makes the tables, and holds up others until the transaction ends.</summary>
    private void Prepare(DbTransaction transaction)
    {
        address.Alone(transaction);
        transaction.Execute(
            $"""
            CREATE TABLE IF NOT EXISTS {Versions} (
                version text NOT NULL, number integer NOT NULL, bytes {address.BytesType} NOT NULL,
                PRIMARY KEY (version, number))
            """
        );
        transaction.Execute(
            $"""
            CREATE TABLE IF NOT EXISTS {Entries} (
                model text NOT NULL, number integer NOT NULL, time text NOT NULL, action text NOT NULL,
                version text NOT NULL, stage text NOT NULL, reason text, PRIMARY KEY (model, number))
            """
        );
    }

    private static List<RegistryEntry> HistoryOf(DbTransaction transaction, string model)
    {
        using DbCommand command = transaction.Command(
            $"SELECT time, action, version, stage, reason FROM {Entries} WHERE model = @model ORDER BY number",
            ("@model", model)
        );
        using DbDataReader reader = command.ExecuteReader();
        List<RegistryEntry> entries = [];
        while (reader.Read())
            entries.Add(
                new RegistryEntry(
                    DateTimeOffset.Parse(reader.GetString(0), CultureInfo.InvariantCulture),
                    reader.GetString(1),
                    reader.GetString(2),
                    reader.GetString(3),
                    reader.IsDBNull(4) ? null : reader.GetString(4)
                )
            );
        return entries;
    }

    /// <summary>Writes the parts of a version; returns how many there are.</summary>
    private static int Write(DbTransaction transaction, string version, Stream stream)
    {
        // From the start again, where the connection broke.
        stream.SetLength(0);
        using DbCommand command = transaction.Command(
            $"SELECT bytes FROM {Versions} WHERE version = @version ORDER BY number",
            ("@version", version)
        );
        using DbDataReader reader = command.ExecuteReader();
        int parts = 0;
        for (; reader.Read(); parts++)
            stream.Write((byte[])reader.GetValue(0));
        return parts;
    }

    /// <summary>Reads a table; where it is not there, nothing was ever kept.</summary>
    private T Read<T>(string table, Func<DbTransaction, T> work, T nothing) =>
        address is SqliteAddress sqlite && !File.Exists(sqlite.File)
            ? nothing
            : Transact(
                "Reading",
                address.BeginReading,
                transaction =>
                {
                    using DbCommand command = transaction.Command(address.HasTable, ("@name", table));
                    return command.ExecuteScalar() is null ? nothing : work(transaction);
                }
            );

    private T Transact<T>(string what, Func<DbConnection, DbTransaction> begin, Func<DbTransaction, T> work) =>
        Retry.Of(
            $"{what} the registry {address.Name}",
            () =>
            {
                using DbConnection connection = address.Open(toWrite: true);
                using DbTransaction transaction = begin(connection);
                T result = work(transaction);
                transaction.Commit();
                return result;
            },
            waiting: null,
            Retry.AtStart,
            TimeProvider.System,
            CancellationToken.None,
            Then
        );
}
