using System.Diagnostics;
using System.Globalization;
using MlNetTransfer.Tests.Shared;

[assembly: DoNotParallelize]

namespace MlNetTransfer.Packages.Tests;

/// <summary>The packages, made once under a version of their own, in a folder that is a package source.</summary>
[TestClass]
public static class Feed
{
    private static readonly TempFolder Root = new();

    /// <summary>No other run has had it, so that no package comes from the user's cache.</summary>
    public static string Version { get; } =
        $"0.0.0-test{DateTime.UtcNow.ToString("yyyyMMddHHmmss", CultureInfo.InvariantCulture)}";

    public static string Folder => Root.File("packages");

    [AssemblyInitialize]
    public static void Pack(TestContext _)
    {
        string configuration = Path.GetFileName(Path.GetDirectoryName(AppContext.BaseDirectory + "x"))!;
        foreach (
            string project in (string[])
                [
                    "MlNetTransfer.Onnx",
                    "MlNetTransfer.Imaging",
                    "MlNetTransfer",
                    "MlNetTransfer.Hosting",
                    "MlNetTransfer.AspNetCore",
                    "MlNetTransfer.Reports",
                    "MlNetTransfer.Scoring",
                    "MlNetTransfer.Scoring.S3",
                    "MlNetTransfer.TorchSharp",
                    "MlNetTransfer.Cluster",
                    "MlNetTransfer.Cli",
                ]
        )
            Run(
                Repository.At("."),
                "dotnet",
                "pack",
                Repository.At($"src/{project}/{project}.csproj"),
                "-c",
                configuration,
                "--no-build",
                "-o",
                Folder,
                $"-p:PackageVersion={Version}"
            );
    }

    [AssemblyCleanup]
    public static void Remove()
    {
        string cache =
            Environment.GetEnvironmentVariable("NUGET_PACKAGES")
            ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        foreach (
            string package in (string[])
                [
                    "mlnettransfer",
                    "mlnettransfer.onnx",
                    "mlnettransfer.imaging",
                    "mlnettransfer.hosting",
                    "mlnettransfer.reports",
                    "mlnettransfer.scoring",
                    "mlnettransfer.cluster",
                    "mlnet-transfer",
                ]
        )
            if (Directory.Exists(Path.Combine(cache, package, Version)))
                Directory.Delete(Path.Combine(cache, package, Version), recursive: true);
        Root.Dispose();
    }

    /// <summary>
    /// A folder for new projects: outside the repository, with the packages as a further source, and beside
    /// data-samples.
    /// </summary>
    internal static TempFolder NewPlace()
    {
        var folder = new TempFolder();
        File.WriteAllText(
            folder.File("nuget.config"),
            $"""
            <configuration><packageSources><add key="made" value="{Folder}" /></packageSources></configuration>
            """
        );
        Directory.CreateSymbolicLink(folder.File("data-samples"), Repository.At("data-samples"));
        return folder;
    }

    /// <summary>Runs a program; fails the test where it fails. Returns what it printed.</summary>
    public static string Run(string folder, string program, params string[] arguments)
    {
        (int code, string output) = Try(folder, program, arguments);
        Assert.AreEqual(0, code, $"{program} {string.Join(' ', arguments)}\n{output}");
        return output;
    }

    public static (int Code, string Output) Try(string folder, string program, params string[] arguments)
    {
        var info = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        // What a test run sets for itself is no part of a user's project.
        foreach (
            string name in info
                .Environment.Keys.Where(k =>
                    k.StartsWith("MSBUILD", StringComparison.OrdinalIgnoreCase)
                    || k.StartsWith("VSTEST", StringComparison.OrdinalIgnoreCase)
                    || k == "CI"
                )
                .ToArray()
        )
            info.Environment.Remove(name);
        info.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        info.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        using Process process = Process.Start(info)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }
}
