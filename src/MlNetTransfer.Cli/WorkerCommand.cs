using System.CommandLine;
using MlNetTransfer.Cluster;

namespace MlNetTransfer.Cli;

/// <summary>worker: works on the shards of a store until it is told to end.</summary>
internal static class WorkerCommand
{
    public static Command Create(Terminal terminal, CancellationToken cancellation)
    {
        Option<string> store = StoreOption();
        var flags = new Flags<ClusterWorkerOptions>(
            new ClusterWorkerOptions { Store = ClusterStore.Parse(ClusterStore.Default) }
        );
        var command = new Command(
            "worker",
            "Work on submitted jobs, one of any number of workers, until Ctrl-C or SIGTERM: what is in work then ends "
                + "with its next segment and goes back. A worker that is killed loses no row; another takes over."
        )
        {
            store,
            flags.Number<int>(
                "--workers",
                "Images worked on at the same time in a shard; no result depends on it. One per core by default.",
                "n",
                (o, workers) => o with { Workers = workers },
                o => o.Workers
            ),
            flags.Number<int>(
                "--shards-at-once",
                "Shards worked on at the same time.",
                "n",
                (o, shards) => o with { ShardsAtOnce = shards },
                o => o.ShardsAtOnce
            ),
            flags.Text(
                "--name",
                "What the worker is called in 'jobs show'; digits of its own are added. Default: the machine's name.",
                "name",
                (o, name) => o with { Name = name }
            ),
            flags.Written(
                "--check-in",
                "How often the worker says that it is alive. One that has not for three times as long is taken for "
                    + "dead. Default: 5s.",
                "time",
                FlagText.Time,
                (o, time) => o with { CheckIn = time }
            ),
        };
        command.SetAction(parsed =>
        {
            ClusterWorkerOptions options = flags.Read(parsed) with { Store = Store(parsed, store) };
            using UntilTold ends = new(cancellation);
            var gate = new Lock();
            new ClusterWorker(options).Run(Say, ends.Token).GetAwaiter().GetResult();
            return ExitCode.Done;

            void Say(string line)
            {
                lock (gate)
                    terminal.WriteError(line);
            }
        });
        return command;
    }

    /// <summary>Where jobs are kept.</summary>
    public static Option<string> StoreOption() =>
        new("--store")
        {
            Description =
                "Where jobs are kept: postgres://user@host/database (the password in PGPASSWORD) for any number of "
                + "machines, or sqlite:FILE for one worker on this machine. Default: a file in the cache folder.",
            HelpName = "address",
            DefaultValueFactory = _ => ClusterStore.Default,
        };

    /// <summary>The store that a command line names.</summary>
    /// <exception cref="TransferException">It names none.</exception>
    public static ClusterStore Store(ParseResult parsed, Option<string> option) =>
        ClusterStore.Parse(parsed.GetRequiredValue(option));
}
