using System.Diagnostics;
using System.Security.Cryptography;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>
/// Trainings of the network that are killed at random moments, the filling of their cache and the race of learning
/// rates included, and go on with --resume, beside ones that nobody disturbs.
/// </summary>
internal static class TrainingKills
{
    /// <param name="kills">Times that each training is killed.</param>
    /// <param name="experiment">Takes the figures.</param>
    public static int Run(int kills, Experiment experiment)
    {
        using Scratch work = new();
        string samples = Repository.At("data-samples/clipart");
        Table table = experiment.Table(
            "Trainings killed (SIGKILL) at random moments, then run to their end",
            Column.Text("strategy", 9),
            Column.Number("kills"),
            Column.Text("when", 60),
            Column.Text("as undisturbed", 15),
            Column.Number("leftovers")
        );
        foreach (
            string[] training in (string[][])
                [
                    ["finetune", "--freeze", "0.8"],
                    ["full"],
                ]
        )
        {
            string[] options = ["train", samples, "--epochs", "5", "--test-fraction", "0.3", "--strategy", .. training];
            string whole = work.File($"{training[0]}-whole"),
                killed = work.File($"{training[0]}-killed");
            Environment.SetEnvironmentVariable(CacheFolder.Variable, work.File($"{training[0]}-cache-whole"));
            long started = Stopwatch.GetTimestamp();
            CommandLineTool.Call([.. options, "--output", whole]);
            double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
            // The cache of the backbones is filled in the first second, and always the same.
            Environment.SetEnvironmentVariable(CacheFolder.Variable, work.File($"{training[0]}-cache-killed"));
            var random = new Random(1);
            List<string> when = [];
            int done = 0;
            while (done < kills)
            {
                using Process process = CommandLineTool.Start([.. options, "--output", killed, "--resume"]);
                TimeSpan life = TimeSpan.FromSeconds(1 + 2.5 * seconds / kills * random.NextDouble() * 2);
                if (process.WaitForExit(life))
                    break;
                process.Kill();
                process.WaitForExit();
                when.Add(Reached(killed));
                done++;
            }

            // What was left is removed once it is ten seconds old.
            Thread.Sleep(TimeSpan.FromSeconds(11));
            CommandLineTool.Call([.. options, "--output", killed, "--resume"]);
            table.Add(
                training[0],
                done,
                string.Join(' ', when),
                Same(whole, killed) ? "yes" : "NO",
                Directory.GetFiles(killed, "*.tmp", SearchOption.AllDirectories).Length
                    + Directory.GetDirectories(killed, "checkpoints").Length
            );
        }

        return 0;
    }

    /// <summary>How far a training had come: epochs of both passes, or rates that were tried.</summary>
    private static string Reached(string folder)
    {
        string metrics = Path.Combine(folder, "metrics.jsonl");
        if (File.Exists(metrics) && File.ReadAllLines(metrics) is { Length: > 0 } epochs)
            return FormattableString.Invariant($"e{epochs.Length}");
        string checkpoints = Path.Combine(folder, "checkpoints");
        return Directory.Exists(checkpoints) && Directory.GetFiles(checkpoints, "*-rates.jsonl") is [var rates, ..]
            ? FormattableString.Invariant($"r{File.ReadAllLines(rates).Length}")
            : "-";
    }

    private static bool Same(string a, string b)
    {
        byte[] Digest(string folder) => SHA256.HashData(File.ReadAllBytes(Path.Combine(folder, "model.onnx")));
        return Digest(a).AsSpan().SequenceEqual(Digest(b));
    }
}
