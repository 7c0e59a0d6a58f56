using System.Reflection;

namespace MlNetTransfer;

/// <summary>Versions as builds state them.</summary>
internal static class ProductVersion
{
    /// <summary>This library's, with the commit behind a plus sign.</summary>
    public static string Current { get; } = Of(typeof(ProductVersion));

    /// <summary>This library's, as its package has it.</summary>
    public static string OfPackage { get; } = Current.Split('+')[0];

    /// <summary>The version of the assembly that has a type.</summary>
    public static string Of(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "?";
}
