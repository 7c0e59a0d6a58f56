using System.Buffers.Binary;
using System.IO.Compression;
using MlNetTransfer.Tests.Shared;

namespace MlNetTransfer.Tests.Datasets;

/// <summary>Makes archives, sound ones and bad ones.</summary>
internal static class Zips
{
    public static string Zip(this TempFolder folder, string name, params (string Name, byte[] Bytes)[] entries)
    {
        using var stream = new MemoryStream();
        using (var archive = new ZipArchive(stream, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach ((string entryName, byte[] bytes) in entries)
            {
                using Stream content = archive.CreateEntry(entryName).Open();
                content.Write(bytes);
            }
        }

        return folder.Write(name, stream.ToArray());
    }

    /// <summary>
    /// Changes a number of the directory's header of the first entry, and of its local header where that has it too.
    /// </summary>
    public static void Patch(string zip, int directoryOffset, int? localOffset, Func<uint, uint> change)
    {
        byte[] bytes = File.ReadAllBytes(zip);
        Change(bytes.AsSpan(bytes.AsSpan().IndexOf("PK\u0001\u0002"u8) + directoryOffset));
        if (localOffset is { } local)
            Change(bytes.AsSpan(local));
        File.WriteAllBytes(zip, bytes);

        void Change(Span<byte> at) =>
            BinaryPrimitives.WriteUInt32LittleEndian(at, change(BinaryPrimitives.ReadUInt32LittleEndian(at)));
    }
}
