using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace MlNetTransfer.Tests;

/// <summary>scikit-learn as oracle: runs a script on JSON input and reads its JSON answer; Inconclusive where Python or scikit-learn is missing.</summary>
internal static class Sklearn
{
    // Debian's own Python sees Debian's own python3-sklearn; another one on the PATH may not.
    private static readonly string Python = File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <param name="script">Python with numpy as np and the input as the dictionary d; assigns its answer to r.</param>
    /// <param name="input">Serialised to JSON; arrays become lists.</param>
    public static JsonElement Run(string script, object input)
    {
        string program = "import sys, json\ntry:\n    import numpy as np, sklearn\nexcept ImportError: sys.exit(42)\nimport warnings\nwarnings.simplefilter('ignore')\nd = json.load(sys.stdin)\n"
            + script + "\njson.dump(r, sys.stdout, default=lambda v: v.tolist())";
        var start = new ProcessStartInfo(Python, ["-c", program]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Start(start);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        try { process.StandardInput.Write(JsonSerializer.Serialize(input)); process.StandardInput.Close(); }
        catch (IOException) { /* It ended before it read its input; the exit code below says why. */ }
        string answer = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode == 42) Assert.Inconclusive("scikit-learn is not installed (Debian: python3-sklearn).");
        Assert.AreEqual(0, process.ExitCode, errors.Result);
        return JsonSerializer.Deserialize<JsonElement>(answer);
    }

    public static double[] Doubles(this JsonElement element) => [.. element.EnumerateArray().Select(value => value.GetDouble())];

    private static Process Start(ProcessStartInfo start)
    {
        try { return Process.Start(start)!; }
        catch (Win32Exception) { throw new AssertInconclusiveException("python3 was not found."); }
    }
}
