using MlNetTransfer.Tests.Encoders;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests;

/// <summary>Tests never see the backbones of whoever runs them.</summary>
[TestClass]
public static class Home
{
    private static readonly TempFolder Folder = new();

    [AssemblyInitialize]
    public static void Set(TestContext _) => Environment.SetEnvironmentVariable(DataFolder.Variable, Folder.Path);

    [AssemblyCleanup]
    public static void Remove()
    {
        Folder.Dispose();
        MiniLm.Delete();
    }
}
