using System.CommandLine;
using MlNetTransfer.Scoring;
using MlNetTransfer.Selective;

namespace MlNetTransfer.Cli;

/// <summary>What to score and how, for the commands that score a batch here or submit it.</summary>
internal static class ScoreFlags
{
    /// <summary>Flags of a batch, none of them added yet.</summary>
    public static Flags<ScoreOptions> New() => new(Standard);

    /// <summary>A batch with stand-ins for what is required.</summary>
    public static ScoreOptions Standard { get; } =
        new()
        {
            Model = "-",
            Input = "-",
            Output = "-",
        };

    /// <summary>Adds model, input, output and what rows are, which do not depend on where they are scored.</summary>
    public static void AddTo(Command command, Flags<ScoreOptions> flags)
    {
        Option output = flags.Text(
            "--output",
            "Where the rows go: a .csv, .jsonl or .parquet file, or a database: sqlite:FILE, a .db or .sqlite file, "
                + "or postgres://user@host/database (the password in PGPASSWORD). With --features: .npy, .parquet or "
                + ".jsonl.",
            "file|address",
            (o, output) => o with { Output = output }
        );
        output.Required = true;
        Symbol[] symbols =
        [
            flags.Argument(
                "model",
                "A model.onnx written by 'mlnet-transfer train', registry:NAME@production, or a .zip that ML.NET saved "
                    + "of a chain with one column of images.",
                (o, path) => o with { Model = path }
            ),
            flags.Argument(
                "input",
                "A folder, a .csv, .tsv, .jsonl, .ndjson or .parquet list with a column of paths, a .txt file "
                    + "with a path a line, a .zip, .tar or .tar.gz archive, s3://bucket/prefix, a database "
                    + "(sqlite:FILE, postgres://…) with --query, or - for paths on standard input.",
                (o, input) => o with { Input = input }
            ),
            output,
            flags.Text(
                "--table",
                "The table of a database that rows go to.",
                "name",
                (o, table) => o with { Table = table },
                o => o.Table
            ),
            flags.Text(
                "--path-column",
                "The column of a list or query that has the paths. Default: path, image, file and their like.",
                "name",
                (o, name) => o with { PathColumn = name }
            ),
            flags.Text(
                "--hosts",
                "Fetch images from these servers, where the list has web addresses: images.example.com,*.example.com. "
                    + "By https, unless http:// stands before the name. Default: from none.",
                "name,...",
                (o, hosts) => o with { Hosts = hosts.Split(',') }
            ),
            flags.Text(
                "--query",
                "Of a database: the table, or the SELECT, whose rows are scored; its columns go along.",
                "sql",
                (o, query) => o with { Query = query }
            ),
            flags.Text(
                "--key-column",
                "The column of the query that tells its rows apart and orders them. Default: id.",
                "name",
                (o, name) => o with { KeyColumn = name }
            ),
            flags.Text(
                "--bytes-column",
                "The column of the query that has the images themselves, encoded, instead of paths.",
                "name",
                (o, name) => o with { BytesColumn = name }
            ),
            flags.Number<int>(
                "--top",
                "Classes to list per image: prediction, prediction_2 and so on, each with its probability.",
                "1..100",
                (o, top) => o with { Top = top },
                o => o.Top
            ),
            flags.Switch(
                "--probabilities",
                "Add a column for the probability of every class.",
                o => o with { Probabilities = true }
            ),
            flags.Switch(
                "--features",
                "Add the features that the model's head stands on, float32: a list in .parquet and .jsonl; a .npy file "
                    + "has them alone, and the other columns are in a .csv of its name, row by row.",
                o => o with { Features = true }
            ),
            flags.Written<IReadOnlyList<AlsoModel>>(
                "--also",
                "Score with these models too, each under a name that its columns begin with: colour=FILE,size=FILE. "
                    + "Models on the same network cost one run of it.",
                "name=model,...",
                text => [.. text.Split(',').Select(AlsoModel.Parse)],
                (o, also) => o with { AlsoModels = also }
            ),
            flags.Choice<ClassSetKind>(
                "--sets",
                "How the set of classes that come into question is made. lac: the smallest sets on average; raps: "
                    + "larger ones for harder images.",
                (o, kind) => o with { Sets = kind },
                o => o.Sets
            ),
            flags.Number<long>(
                "--max-errors",
                "End with an error when more inputs than this are rejected. Default: any number; each has its row.",
                "n",
                (o, errors) => o with { MaxErrors = errors }
            ),
            flags.Number<double>(
                "--rate-limit",
                "Inputs per second at most, to spare a shared disk.",
                "per second",
                (o, rate) => o with { RateLimit = rate }
            ),
            flags.MaxMegapixels(),
            flags.Device((o, device) => o with { Device = device }, o => o.Device),
        ];
        foreach (Symbol symbol in symbols)
            if (symbol is Argument argument)
                command.Arguments.Add(argument);
            else
                command.Options.Add((Option)symbol);
    }
}
