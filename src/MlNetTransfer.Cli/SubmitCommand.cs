using System.CommandLine;
using MlNetTransfer.Cluster;
using MlNetTransfer.Runs;
using MlNetTransfer.Scoring;

namespace MlNetTransfer.Cli;

/// <summary>submit: stores work for workers.</summary>
internal static class SubmitCommand
{
    public static Command Create(Terminal terminal) =>
        new("submit", "Store work for any number of workers.")
        {
            Score(terminal),
            Training(terminal),
            Search(terminal),
        };

    private static Command Score(Terminal terminal)
    {
        Flags<ScoreOptions> score = ScoreFlags.New();
        var flags = new Flags<ScoreSubmission>(new ScoreSubmission { Score = ScoreFlags.Standard, Shards = 1 });
        flags.Part(score, (o, options) => o with { Score = options });
        Option shards = flags.Number<int>(
            "--shards",
            "How many parts the batch is cut into; each is one worker's at a time.",
            "n",
            (o, count) => o with { Shards = count }
        );
        shards.Required = true;
        Option<string> store = WorkerCommand.StoreOption();
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "score",
            "Submit a batch of images in shards, as 'score' would score it. A database gets all rows in one table; of "
                + "files, each shard writes its own: out.00003-of-00016.csv. Paths must mean the same on every worker."
        )
        {
            shards,
            flags.Number<int>(
                "--tries",
                "How often a shard is tried before it is parked with its error and the others go on.",
                "n",
                (o, tries) => o with { Tries = tries },
                o => o.Tries
            ),
            store,
            json,
        };
        ScoreFlags.AddTo(command, score);
        command.SetAction(parsed =>
        {
            ScoreSubmission submission = flags.Read(parsed);
            string id = Submit(WorkerCommand.Store(parsed, store), client => client.Submit(submission))
                .GetAwaiter()
                .GetResult();
            return Said(terminal, parsed, store, json, id, submission.Shards);
        });
        return command;
    }

    private static Command Training(Terminal terminal)
    {
        var job = new Argument<string>("job") { Description = "The job file, on a folder that all workers have." };
        var output = new Option<string>("--output")
        {
            Description = "Folder of the run, on a folder that all workers have.",
            HelpName = "dir",
            Required = true,
        };
        var shards = new Option<int>("--shards")
        {
            Description =
                "How many workers may be at it: where the network is trained and judged by folds, others train folds.",
            HelpName = "n",
            DefaultValueFactory = _ => 1,
        };
        shards.Validators.Add(found =>
        {
            if (found.Tokens.Count > 0 && found.GetValueOrDefault<int>() is < 1 or > 100)
                found.AddError($"--shards is {found.Tokens[0].Value}; expected a number from 1 to 100.");
        });
        Option<string> store = WorkerCommand.StoreOption();
        Option<bool> json = CommonOptions.Json();
        var command = new Command(
            "run",
            "Submit a training job, as 'run' would run it on one of the workers. A gate that does not hold parks it."
        )
        {
            job,
            output,
            shards,
            store,
            json,
        };
        command.SetAction(parsed =>
        {
            var run = new RunOptions { Job = parsed.GetRequiredValue(job), Output = parsed.GetRequiredValue(output) };
            int count = parsed.GetValue(shards);
            string id = Submit(WorkerCommand.Store(parsed, store), client => client.Submit(run, count))
                .GetAwaiter()
                .GetResult();
            return Said(terminal, parsed, store, json, id, count);
        });
        return command;
    }

    private static GroupedCommand Search(Terminal terminal)
    {
        var tune = new TuneFlags();
        var flags = new Flags<TuneSubmission>(new TuneSubmission { Search = TuneFlags.Standard, Shards = 1 });
        flags.Part(tune.All, (o, search) => o with { Search = search });
        Option shards = flags.Number<int>(
            "--shards",
            "How many workers may search at the same time.",
            "n",
            (o, count) => o with { Shards = count }
        );
        tune.Output.Required = shards.Required = true;
        Option<string> store = WorkerCommand.StoreOption();
        Option<bool> json = CommonOptions.Json();
        var command = new GroupedCommand(
            "tune",
            "Submit a search for the best recipe, as 'tune' would do it alone. Images and output must be on folders "
                + "that all workers have.",
            (
                "Basics",
                [
                    tune.Output,
                    shards,
                    flags.Number<int>(
                        "--tries",
                        "How often a worker's part is tried before it is parked with its error.",
                        "n",
                        (o, tries) => o with { Tries = tries },
                        o => o.Tries
                    ),
                    .. tune.Recipe.Basics,
                    tune.Trials,
                    tune.Epochs,
                    store,
                    json,
                ]
            ),
            // Each worker has its own.
            ("Advanced", [.. tune.Recipe.Advanced.Where(option => option.Name != "--workers")])
        )
        {
            tune.Recipe.Folder,
        };
        command.SetAction(parsed =>
        {
            TuneSubmission submission = flags.Read(parsed);
            string id = Submit(WorkerCommand.Store(parsed, store), client => client.Submit(submission))
                .GetAwaiter()
                .GetResult();
            return Said(
                terminal,
                parsed,
                store,
                json,
                id,
                submission.Shards,
                "; then 'mlnet-transfer tune --together' with the same options says what was found"
            );
        });
        return command;
    }

    private static int Said(
        Terminal terminal,
        ParseResult parsed,
        Option<string> store,
        Option<bool> json,
        string id,
        int shards,
        string then = ""
    )
    {
        if (parsed.GetValue(json))
        {
            terminal.WriteJson(new { id, shards });
            return ExitCode.Done;
        }

        string place = parsed.GetResult(store) is { Implicit: false }
            ? $" --store {WorkerCommand.Store(parsed, store).Typed}"
            : "";
        terminal.WriteText(
            $"Job {id}: {shards} {(shards == 1 ? "shard" : "shards")}. Follow it with 'mlnet-transfer jobs wait "
                + $"{id}{place}'{then}.\n"
        );
        return ExitCode.Done;
    }

    private static async Task<string> Submit(ClusterStore store, Func<ClusterClient, Task<string>> submit)
    {
        await using ClusterClient client = await ClusterClient.Open(store);
        return await submit(client);
    }
}
