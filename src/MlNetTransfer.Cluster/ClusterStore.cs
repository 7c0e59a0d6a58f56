using MlNetTransfer.Scoring;

namespace MlNetTransfer.Cluster;

/// <summary>
/// Where jobs and shards are kept, and what workers find each other by: a database of PostgreSQL, for any number of
/// machines, or a file of SQLite, for one worker on one machine. Immutable.
/// </summary>
public sealed class ClusterStore
{
    private ClusterStore(DatabaseAddress address, string connection, string? file) =>
        (Name, Typed, Connection, File) = (
            address.Name,
            address.Typed.Contains(' ') ? $"\"{address.Typed}\"" : address.Typed,
            connection,
            file
        );

    /// <summary>The store on this machine where none is named: a file below
    /// <see cref="MlNetTransfer.CacheFolder.Root"/>.</summary>
    public static string Default => $"sqlite:{Path.Combine(CacheFolder.Root, "cluster.db")}";

    /// <summary>What it is called in messages; no password.</summary>
    public string Name { get; }

    /// <summary>As a command line takes it: with the user, without the password.</summary>
    public string Typed { get; }

    /// <summary>Whether workers of several machines, and several of one, can share it.</summary>
    public bool IsShared => File is null;

    /// <summary>How it is reached.</summary>
    internal string Connection { get; }

    /// <summary>The file of SQLite; null for a server.</summary>
    internal string? File { get; }

    /// <summary>Reads an address.</summary>
    /// <param name="text">postgres://user@host:5432/database, a connection string of Npgsql, sqlite:FILE, or a .db,
    /// .sqlite or .sqlite3 file.</param>
    /// <exception cref="TransferException">It is none.</exception>
    public static ClusterStore Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return DatabaseAddress.TryParse(text, out DatabaseAddress? address)
            ? address switch
            {
                SqliteAddress { File: var file } => new ClusterStore(
                    address,
                    // One writer at a time: who finds the file locked waits for it.
                    $"Data Source={file};Default Timeout=30",
                    file
                ),
                PostgresAddress server => new ClusterStore(server, server.Pooled("mlnet-transfer cluster"), null),
                _ => throw new System.Diagnostics.UnreachableException(address.Name),
            }
            : throw new TransferException(
                $"The store is '{text}'; expected postgres://user@host:5432/database (the password in PGPASSWORD), a "
                    + "connection string of Npgsql, sqlite:FILE, or a .db or .sqlite file."
            );
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
