using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Cli.Tests;

/// <summary>One training run on the sample images, shared by the tests that need a model.</summary>
[TestClass]
public static class Trained
{
    private static readonly Lazy<(TempFolder Folder, CliResult Result)> Run = new(() =>
    {
        var folder = new TempFolder();
        return (folder, Cli.Run("train", Cli.Samples, "--output", folder.Path, "--json"));
    });

    /// <summary>What the run printed.</summary>
    internal static CliResult Result => Run.Value.Result;

    /// <summary>The model it wrote.</summary>
    internal static string Model => Run.Value.Folder.File("model.onnx");

    /// <summary>The report it wrote.</summary>
    internal static string Report => Run.Value.Folder.File("report.json");

    [AssemblyCleanup]
    public static void Remove()
    {
        Home.Remove();
        if (Run.IsValueCreated)
            Run.Value.Folder.Dispose();
    }
}
