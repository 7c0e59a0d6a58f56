namespace MlNetTransfer.Cli.Tests;

/// <summary>Tests never see the backbones of whoever runs them.</summary>
[TestClass]
public static class Home
{
    [AssemblyInitialize]
    public static void Set(TestContext _) =>
        Environment.SetEnvironmentVariable(
            DataFolder.Variable,
            Path.Combine(Directory.CreateTempSubdirectory("mlnet-transfer-test-").FullName, "home")
        );

    /// <summary>Called by the one cleanup of the assembly.</summary>
    internal static void Remove() => Directory.Delete(Path.GetDirectoryName(DataFolder.Root)!, recursive: true);
}
