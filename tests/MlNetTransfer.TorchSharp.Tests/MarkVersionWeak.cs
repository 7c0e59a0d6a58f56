using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Microsoft.Build.Framework;
using Microsoft.Build.Utilities;

/// <summary>
/// Writes a copy of a shared library in which one version that it asks of another library may be missing.
/// </summary>
/// <remarks>
/// A 64-bit little-endian ELF file lists such versions in its section of type SHT_GNU_verneed: Elf64_Verneed, one for
/// each library, heads a chain of Elf64_Vernaux, one for each version. VER_FLG_WEAK in vna_flags makes the dynamic
/// linker go on where the version is not defined (Linux Standard Base, Symbol Versioning). That is sound only for a
/// version that no relocation needs a symbol of. MSBuild compiles this for .NET Standard 2.0, and it runs on linux-x64
/// alone, whose numbers are little-endian like the file's.
/// </remarks>
public sealed class MarkVersionWeak : Task
{
    private const uint VersionNeeds = 0x6ffffffe; // SHT_GNU_verneed
    private const byte Weak = 2; // VER_FLG_WEAK

    /// <summary>The library; it is only read.</summary>
    [Required]
    public string Source { get; set; }

    /// <summary>The copy. A file that is there is replaced, not written to: it may be a hard link.</summary>
    [Required]
    public string Destination { get; set; }

    /// <summary>Name of the version, asked for exactly once.</summary>
    [Required]
    public string Version { get; set; }

    public override bool Execute()
    {
        byte[] file = File.ReadAllBytes(Source);
        if (U32(file, 0) != 0x464C457F || file[4] != 2 || file[5] != 1)
        {
            Log.LogError("'{0}' is no 64-bit little-endian ELF file.", Source);
            return false;
        }

        List<int> found = new List<int>();
        for (int section = 0; section < U16(file, 0x3C); section++)
        {
            int header = Header(file, section);
            if (U32(file, header + 4) == VersionNeeds)
                Find(file, header, found);
        }

        if (found.Count != 1)
        {
            Log.LogError(
                "'{0}' asks for {1} {2} times, not once. Another version of the package may not need this step.",
                Source,
                Version,
                found.Count
            );
            return false;
        }

        file[found[0] + 4] |= Weak;
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(Destination)));
        File.Delete(Destination);
        File.WriteAllBytes(Destination, file);
        return true;
    }

    /// <summary>Adds the places of the entries of the version in one section.</summary>
    private void Find(byte[] file, int header, List<int> found)
    {
        int strings = Offset(file, Header(file, (int)U32(file, header + 40)));
        int library = Offset(file, header);
        for (uint libraries = U32(file, header + 44); libraries > 0; libraries--)
        {
            int entry = library + (int)U32(file, library + 8);
            for (int versions = U16(file, library + 2); versions > 0; versions--)
            {
                if (Name(file, strings + (int)U32(file, entry + 8)) == Version)
                    found.Add(entry);
                entry += (int)U32(file, entry + 12);
            }

            library += (int)U32(file, library + 12);
        }
    }

    private static int Header(byte[] file, int section) => (int)U64(file, 0x28) + section * U16(file, 0x3A);

    private static int Offset(byte[] file, int header) => (int)U64(file, header + 24);

    private static string Name(byte[] file, int at) =>
        Encoding.ASCII.GetString(file, at, Array.IndexOf(file, (byte)0, at) - at);

    private static int U16(byte[] file, int at) => BitConverter.ToUInt16(file, at);

    private static uint U32(byte[] file, int at) => BitConverter.ToUInt32(file, at);

    private static ulong U64(byte[] file, int at) => BitConverter.ToUInt64(file, at);
}
