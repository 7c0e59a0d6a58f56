using System.Reflection;
using System.Runtime.InteropServices;
using Microsoft.ML;
using MlNetTransfer.Backbones;
using MlNetTransfer.Imaging;

namespace MlNetTransfer.Tests.Shared;

/// <summary>Where a figure was measured and with what: it goes into every file of figures.</summary>
/// <param name="Processor">Model of the processor.</param>
/// <param name="Cores">Logical processors.</param>
/// <param name="System">Name and version of the operating system.</param>
/// <param name="Runtime">Name and version of .NET.</param>
/// <param name="Versions">Versions of the libraries that do the work.</param>
internal sealed record Machine(
    string Processor,
    int Cores,
    string System,
    string Runtime,
    IReadOnlyDictionary<string, string> Versions
)
{
    /// <summary>This machine.</summary>
    /// <param name="others">Libraries to name besides those of the product.</param>
    public static Machine Current(params IEnumerable<Assembly> others)
    {
        SortedDictionary<string, string> versions = new(StringComparer.Ordinal)
        {
            ["ONNX Runtime"] = ItemGraph.RuntimeVersion,
            ["decoder"] = DecoderVersion.Text,
        };
        foreach (Assembly library in others.Prepend(typeof(MLContext).Assembly).Prepend(typeof(ItemGraph).Assembly))
            versions[Name(library)] = Version(library);
        return new(
            ProcessorName(),
            Environment.ProcessorCount,
            RuntimeInformation.OSDescription,
            RuntimeInformation.FrameworkDescription,
            versions
        );
    }

    // Microsoft.ML is a package of several libraries; MLContext is in the one called Microsoft.ML.Data.
    private static string Name(Assembly library) =>
        library == typeof(MLContext).Assembly ? "Microsoft.ML" : library.GetName().Name!;

    private static string Version(Assembly library) =>
        library.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "";

    private static string ProcessorName()
    {
        const string Linux = "/proc/cpuinfo";
        string? line = File.Exists(Linux)
            ? File.ReadLines(Linux).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?.Split(':', 2)[1].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER")
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
