namespace MlNetTransfer.MLNet.Tests;

/// <summary>Tests never see the backbones of whoever runs them.</summary>
[TestClass]
public static class Home
{
    [AssemblyInitialize]
    public static void Set(TestContext _) => Environment.SetEnvironmentVariable(DataFolder.Variable, Path.Combine(Directory.CreateTempSubdirectory("mlnet-transfer-test-").FullName, "home"));

    [AssemblyCleanup]
    public static void Remove()
    {
        Trained.Remove();
        Directory.Delete(Path.GetDirectoryName(DataFolder.Root)!, recursive: true);
    }
}
