using System.Diagnostics;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Experiments;

/// <summary>The command line as an operator starts it, in processes of its own.</summary>
internal static class CommandLineTool
{
    private static readonly string Tool = Repository.At("artifacts/bin/MlNetTransfer.Cli/release/mlnet-transfer.dll");

    /// <summary>A model of the samples.</summary>
    /// <param name="work">Where to.</param>
    /// <param name="samples">The images.</param>
    /// <param name="options">Options of the training beside.</param>
    public static string Trained(Scratch work, string samples, params string[] options)
    {
        if (!File.Exists(Tool))
            throw new TransferException(
                $"'{Tool}' is not there. Build the command line first: dotnet build -c Release."
            );
        string model = work.File("model");
        Call(["train", samples, "--output", model, .. options]);
        return Path.Combine(model, "model.onnx");
    }

    /// <summary>A folder of the samples, repeated.</summary>
    public static string Folder(Scratch work, string samples, int images)
    {
        string folder = work.File(FormattableString.Invariant($"folder{images}"));
        Directory.CreateDirectory(folder);
        string[] files = Files(samples);
        for (int i = 0; i < images; i++)
            File.Copy(files[i % files.Length], Path.Combine(folder, FormattableString.Invariant($"{i:d6}.png")));
        return folder;
    }

    /// <summary>A list of the samples, repeated.</summary>
    public static string List(Scratch work, string samples, int rows)
    {
        string path = work.File(FormattableString.Invariant($"list{rows}.csv"));
        string[] files = Files(samples);
        File.WriteAllLines(
            path,
            Enumerable
                .Range(0, rows)
                .Select(i => FormattableString.Invariant($"{files[i % files.Length]},{i}"))
                .Prepend("path,number")
        );
        return path;
    }

    private static string[] Files(string samples) =>
        [.. Directory.GetFiles(samples, "*.png", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>Runs a command to its end.</summary>
    public static void Call(params string[] arguments)
    {
        using Process process = Start(arguments);
        process.WaitForExit();
        if (process.ExitCode is not (0 or 3))
            throw new TransferException($"'{string.Join(' ', arguments)}' ended with {process.ExitCode}.");
    }

    /// <summary>Starts a command.</summary>
    public static Process Start(params string[] arguments)
    {
        Process process = Process.Start(
            new ProcessStartInfo("dotnet", [Tool, .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            }
        )!;
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return process;
    }
}
