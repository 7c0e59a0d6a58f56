using System.Collections.Concurrent;
using System.Diagnostics;

namespace MlNetTransfer.Tests.Shared;

/// <summary>
/// Runs Python scripts as oracles. A test that needs a module which is not there is inconclusive, not failed.
/// </summary>
internal static class Python
{
    private static readonly string Executable = File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    private static readonly ConcurrentDictionary<string, string?> Problems = new();

    /// <summary>
    /// Makes the test inconclusive where Python or one of the modules is missing; each is looked for once.
    /// </summary>
    public static void Require(params string[] modules)
    {
        foreach (string module in modules)
            if (Problems.GetOrAdd(module, Problem) is { } problem)
                Missing($"Needs python3 with {module}: {problem}");
    }

    /// <summary>Where oracles are required, as in CI, none may be missing: a test that compares with nothing says nothing.</summary>
    internal static void Missing(string problem)
    {
        if (Environment.GetEnvironmentVariable("MLNETTRANSFER_ORACLES") == "required")
            Assert.Fail(problem);
        Assert.Inconclusive(problem);
    }

    /// <summary>Runs a script given on standard input; fails the test when it fails. Returns what it printed.</summary>
    public static string Run(string script, params string[] arguments)
    {
        (int code, string output, string error) = Start(script, arguments);
        Assert.AreEqual(0, code, $"Python failed:\n{error}\n{output}");
        return output;
    }

    private static string? Problem(string module)
    {
        try
        {
            (int code, _, string error) = Start($"import {module}", []);
            return code == 0 ? null : error;
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            return missing.Message;
        }
    }

    private static (int Code, string Output, string Error) Start(string script, string[] arguments)
    {
        ProcessStartInfo info = new(Executable, ["-", .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(info)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        process.StandardInput.Write(script);
        process.StandardInput.Close();
        process.WaitForExit();
        return (process.ExitCode, output.GetAwaiter().GetResult(), error.GetAwaiter().GetResult());
    }
}
