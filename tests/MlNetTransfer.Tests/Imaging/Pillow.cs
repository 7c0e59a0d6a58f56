using System.Diagnostics;

namespace MlNetTransfer.Tests.Imaging;

/// <summary>Runs Python scripts that use Debian's Pillow, the oracle of these tests. A test that needs it is inconclusive where it is missing.</summary>
internal static class Pillow
{
    private const string Interpreter = "/usr/bin/python3";

    private static readonly Lazy<bool> Present = new(() => File.Exists(Interpreter) && Execute("import PIL", "").ExitCode == 0);

    /// <summary>Runs a script whose <c>folder</c> is a new empty folder, removed with the result.</summary>
    public static PillowFolder Run(string script)
    {
        if (!Present.Value) Assert.Inconclusive($"{Interpreter} with python3-pil is not installed here.");
        PillowFolder folder = new();
        (int exitCode, string errors) = Execute($"folder = r'''{folder.Path}'''\n{script}", folder.Path);
        Assert.AreEqual(0, exitCode, errors);
        return folder;
    }

    private static (int ExitCode, string Errors) Execute(string script, string folder)
    {
        ProcessStartInfo start = new(Interpreter, "-") { RedirectStandardInput = true, RedirectStandardError = true, WorkingDirectory = folder };
        using Process process = Process.Start(start)!;
        process.StandardInput.Write(script);
        process.StandardInput.Close();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors);
    }
}
