using System.Diagnostics;
using System.Text.Json;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>Calls the command line through its own door.</summary>
internal static class Cli
{
    private static readonly string Program = Path.Combine(AppContext.BaseDirectory, "mlnet-transfer.dll");

    /// <summary>The sample images.</summary>
    public static string Samples => Repository.At("data-samples/clipart");

    /// <summary>Runs in this process.</summary>
    public static CliResult Run(params string[] args)
    {
        using StringWriter output = new(),
            error = new();
        int code = CommandLine.Run(args, output, error, CancellationToken.None);
        return new CliResult(code, output.ToString(), error.ToString());
    }

    /// <summary>Starts a process of its own.</summary>
    public static Process Start(params string[] args) => StartProgram("dotnet", [Program, .. args]);

    /// <summary>
    /// Starts a process of its own that heeds Ctrl-C even where tests run in the background of a shell, which has its
    /// background work ignore it. For Linux.
    /// </summary>
    public static Process StartInterruptible(params string[] args) =>
        StartProgram("env", ["--default-signal=INT", "dotnet", Program, .. args]);

    /// <summary>Starts a process of its own in a folder.</summary>
    public static Process StartIn(string folder, params string[] args) =>
        Process.Start(
            new ProcessStartInfo("dotnet", [Program, .. args])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                WorkingDirectory = folder,
            }
        )!;

    /// <summary>Runs a process of its own below another program, such as setpriv.</summary>
    public static CliResult RunBelow(string program, string[] before, params string[] args)
    {
        using Process process = StartProgram(program, [.. before, "dotnet", Program, .. args]);
        return Finish(process);
    }

    /// <summary>Waits for a started process.</summary>
    public static CliResult Finish(Process process)
    {
        Task<string> output = process.StandardOutput.ReadToEndAsync(),
            error = process.StandardError.ReadToEndAsync();
        Assert.IsTrue(process.WaitForExit(TimeSpan.FromMinutes(3)), "The process did not end within 3 minutes.");
        return new CliResult(process.ExitCode, output.Result, error.Result);
    }

    private static Process StartProgram(string program, string[] args) =>
        Process.Start(
            new ProcessStartInfo(program, args) { RedirectStandardOutput = true, RedirectStandardError = true }
        )!;
}

/// <summary>What a command printed and returned.</summary>
internal sealed record CliResult(int Code, string Output, string Error)
{
    /// <summary>Standard output as exactly one JSON object.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public override string ToString() => $"exit code {Code}\n{Output}\n{Error}";
}
