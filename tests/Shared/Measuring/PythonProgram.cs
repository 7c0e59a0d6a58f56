using System.Diagnostics;
using System.Globalization;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Runs Python programs that the product is compared with.</summary>
internal static class PythonProgram
{
    /// <summary>Debian's Python, which sees Debian's packages, before any other.</summary>
    public static readonly string Executable = File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <summary>Runs a program to its end; what it says on standard error is shown.</summary>
    /// <param name="script">The program.</param>
    /// <param name="packages">Debian packages that it needs, for the message.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>What it printed.</returns>
    /// <exception cref="TransferException">Python is missing, or the program failed.</exception>
    public static string Output(string script, string packages, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(Executable, ["-c", script, .. arguments]) { RedirectStandardOutput = true };
        using Process python = Start(start, packages);
        string output = python.StandardOutput.ReadToEnd();
        python.WaitForExit();
        return python.ExitCode == 0
            ? output
            : throw new TransferException(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"Python failed with exit code {python.ExitCode}; what it said is above. It needs {packages}: "
                        + $"apt-get install {packages}."
                )
            );
    }

    private static Process Start(ProcessStartInfo start, string packages)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            throw new TransferException($"Python does not start: apt-get install python3 {packages}.", missing);
        }
    }
}
