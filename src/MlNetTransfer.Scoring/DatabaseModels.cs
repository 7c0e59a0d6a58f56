using System.Collections.Concurrent;
using System.Data.Common;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
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

    public void Keep(string model, string version, string file)
    {
        Transact(
            "Writing to",
            connection => connection.BeginTransaction(),
            transaction =>
            {
                Prepare(transaction);
                return true;
            }
        );
        // Without the lock of the tables: this takes as long as the network needs.
        Transact(
            "Writing to",
            connection => connection.BeginTransaction(),
            transaction =>
            {
                transaction.Execute($"DELETE FROM {Versions} WHERE version = @version", ("@version", version));
                VerifiedFile.Require(file, Send(transaction, version, file), version);
                return true;
            }
        );
    }

    /// <summary>Writes a file in parts; returns the digest of what was written.</summary>
    private static string Send(DbTransaction transaction, string version, string file)
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        try
        {
            using FileStream source = RegularFile.OpenRead(file);
            var part = new byte[BytesOfAPart];
            for (int number = 0; ; number++)
            {
                int length = source.ReadAtLeast(part, part.Length, throwOnEndOfStream: false);
                if (length == 0)
                    return Convert.ToHexStringLower(digest.GetHashAndReset());
                digest.AppendData(part, 0, length);
                // Whoever adds the same version at the same time writes the same.
                transaction.Execute(
                    $"INSERT INTO {Versions} VALUES (@version, @number, @bytes) ON CONFLICT DO NOTHING",
                    ("@version", version),
                    ("@number", number),
                    ("@bytes", part[..length])
                );
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TransferException($"'{file}' cannot be read: {e.Message}", e);
        }
    }

    public string FileOf(string model, string version)
    {
        string file = Path.Combine(DataFolder.For("registry-copies"), $"{version}.onnx");
        if (File.Exists(file) && FileDigest.Of(file) == version)
            return file;
        Read(
            Versions,
            transaction =>
            {
                VerifiedFile.Write(file, version, stream => Receive(transaction, model, version, stream));
                return true;
            },
            false
        );
        return file;
    }

    public string FileToFollow(string model, string stage, string version)
    {
        // One name for a database, whatever its address is written like; two databases never share a file.
        string place = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(address.Name)))[..12];
        string file = Path.Combine(DataFolder.For("registry-copies"), place, model, $"{stage}.onnx");
        if (
            Followed.TryGetValue(file, out (string Version, DateTime Written) now)
            && now.Version == version
            && now.Written == File.GetLastWriteTimeUtc(file)
        )
            return file;
        if (!File.Exists(file) || FileDigest.Of(file) != version)
            VerifiedFile.Copy(FileOf(model, version), file, version);
        Followed[file] = (version, File.GetLastWriteTimeUtc(file));
        return file;
    }

    public RegistryEntry Enter(string model, Func<IReadOnlyList<RegistryEntry>, RegistryEntry> entryAfter)
    {
        while (true)
        {
            // It may fetch a version, which must not hold up others.
            IReadOnlyList<RegistryEntry> before = History(model);
            RegistryEntry entry = entryAfter(before);
            if (Transact("Writing to", connection => connection.BeginTransaction(), t => Add(t, model, before, entry)))
                return entry;
        }
    }

    /// <summary>Adds an entry, unless another one was added meanwhile; returns whether it is there.</summary>
    private bool Add(DbTransaction transaction, string model, IReadOnlyList<RegistryEntry> before, RegistryEntry entry)
    {
        Prepare(transaction);
        List<RegistryEntry> now = HistoryOf(transaction, model);
        // A connection that broke while it committed does not tell whether it did.
        if (now.Count > before.Count)
            return now[before.Count] == entry;
        transaction.Execute(
            $"""
            INSERT INTO {Entries}
            SELECT @model, COALESCE(MAX(number), -1) + 1, @time, @action, @version, @stage, @reason
            FROM {Entries} WHERE model = @model
            """,
            ("@model", model),
            ("@time", entry.Time.ToString("O", CultureInfo.InvariantCulture)),
            ("@action", entry.Action),
            ("@version", entry.Version),
            ("@stage", entry.Stage),
            ("@reason", entry.Reason)
        );
        return true;
    }

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

    /// <summary>Writes the parts of a version.</summary>
    private void Receive(DbTransaction transaction, string model, string version, Stream stream)
    {
        using DbCommand command = transaction.Command(
            $"SELECT bytes FROM {Versions} WHERE version = @version ORDER BY number",
            ("@version", version)
        );
        using DbDataReader reader = command.ExecuteReader();
        bool isThere = false;
        for (; reader.Read(); isThere = true)
            stream.Write((byte[])reader.GetValue(0));
        if (!isThere)
            throw new TransferException(
                $"{address.Name} has no file of version {version[..12]} of '{model}'. Add the model again."
            );
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
