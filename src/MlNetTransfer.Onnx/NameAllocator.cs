using System.Globalization;

namespace MlNetTransfer.Onnx;

/// <summary>Finds names that are free.</summary>
internal static class NameAllocator
{
    /// <summary>The prefix itself where it is free, else the first of prefix_1, prefix_2, ... that is.</summary>
    public static string First(string prefix, IReadOnlySet<string> taken)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        if (!taken.Contains(prefix))
            return prefix;
        for (int i = 1; ; i++)
        {
            string name = string.Create(CultureInfo.InvariantCulture, $"{prefix}_{i}");
            if (!taken.Contains(name))
                return name;
        }
    }
}
