using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace MlNetTransfer.Tests.Shared;

/// <summary>A PostgreSQL server of its own, by the programs of the system's package; a superuser runs it as postgres.</summary>
internal sealed class PostgresServer : IDisposable
{
    private readonly string folder,
        programs;

    private PostgresServer(string programs)
    {
        this.programs = programs;
        folder = Directory.CreateTempSubdirectory("mlnet-transfer-postgres-").FullName;
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Port = ((IPEndPoint)free.LocalEndpoint).Port;
        }

        if (Environment.IsPrivilegedProcess)
            Run("chown", "postgres", folder);
        Program("initdb", "-D", Data, "-A", "trust", "-U", "tester", "--no-sync");
        Start();
    }

    /// <summary>Where it listens, on this machine alone.</summary>
    public int Port { get; }

    /// <summary>As users write it.</summary>
    public string Address => FormattableString.Invariant($"postgres://tester@127.0.0.1:{Port}/postgres");

    private string Data => Path.Combine(folder, "data");

    /// <summary>A server.</summary>
    /// <param name="missing">Told that there are no such programs; it throws what its caller expects.</param>
    public static PostgresServer Begin(Action<string> missing)
    {
        string root = "/usr/lib/postgresql";
        string? programs = Directory.Exists(root)
            ? Directory
                .GetDirectories(root)
                .Select(version => Path.Combine(version, "bin"))
                .LastOrDefault(Directory.Exists)
            : null;
        if (programs is null && Environment.GetEnvironmentVariable("MLNETTRANSFER_ORACLES") != "required")
            missing("PostgreSQL is not installed (Debian's package postgresql).");
        return new PostgresServer(programs ?? throw new InvalidOperationException("PostgreSQL is not installed."));
    }

    public void Start() =>
        Program(
            "pg_ctl",
            "-D",
            Data,
            "-w",
            "-l",
            Path.Combine(folder, "log"),
            "-o",
            string.Create(CultureInfo.InvariantCulture, $"-p {Port} -c listen_addresses=127.0.0.1 -k {folder}"),
            "start"
        );

    /// <summary>Stops as if the power were cut.</summary>
    public void Kill() => Program("pg_ctl", "-D", Data, "-w", "-m", "immediate", "stop");

    public object? Scalar(string query)
    {
        using var connection = new NpgsqlConnection(
            string.Create(
                CultureInfo.InvariantCulture,
                $"Host=127.0.0.1;Port={Port};Username=tester;Database=postgres;Pooling=false"
            )
        );
        connection.Open();
        using NpgsqlCommand command = connection.CreateCommand();
        command.CommandText = query;
        return command.ExecuteScalar();
    }

    /// <summary>Makes an empty database and returns its address.</summary>
    public string NewDatabase()
    {
        string name = $"d{Guid.NewGuid():N}";
        Scalar($"CREATE DATABASE {name}");
        return Address[..Address.LastIndexOf('/')] + "/" + name;
    }

    public void Dispose()
    {
        Program("pg_ctl", "-D", Data, "-w", "-m", "immediate", "stop");
        Directory.Delete(folder, recursive: true);
    }

    private void Program(string name, params string[] arguments)
    {
        string path = Path.Combine(programs, name);
        if (Environment.IsPrivilegedProcess)
            Run("runuser", ["-u", "postgres", "--", path, .. arguments]);
        else
            Run(path, arguments);
    }

    private static void Run(string program, params string[] arguments)
    {
        // The server that pg_ctl starts would keep pipes open: nothing is read from it.
        var start = new ProcessStartInfo(program, arguments) { WorkingDirectory = "/" };
        using Process process = Process.Start(start)!;
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException(
                $"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}."
            );
    }
}
