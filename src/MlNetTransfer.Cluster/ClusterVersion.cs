using System.Reflection;

namespace MlNetTransfer.Cluster;

/// <summary>The version of this library, by which workers tell whose jobs they may take.</summary>
internal static class ClusterVersion
{
    /// <summary>The version, without what follows a plus sign.</summary>
    public static string Current { get; } =
        typeof(ClusterVersion)
            .Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!
            .InformationalVersion.Split('+')[0];
}
