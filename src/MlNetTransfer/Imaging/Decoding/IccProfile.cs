using System.Buffers.Binary;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>
/// Tells sRGB's own colour profile from others, so that the common case needs no conversion and stays exact.
/// </summary>
internal static class IccProfile
{
    private const uint DescriptionTag = 0x64657363; // "desc"

    /// <summary>
    /// Whether the profile's description (ICC.1 section 9.2.41) names sRGB. A profile too damaged to say is taken as
    /// sRGB: it could not be applied.
    /// </summary>
    public static bool IsSrgb(ReadOnlySpan<byte> profile)
    {
        const int header = 128,
            entry = 12;
        if (profile.Length < header + 4)
            return true;
        uint tags = Math.Min(
            BinaryPrimitives.ReadUInt32BigEndian(profile[header..]),
            (uint)(profile.Length - header - 4) / entry
        );
        for (int i = 0; i < tags; i++)
        {
            ReadOnlySpan<byte> tag = profile.Slice(header + 4 + (i * entry), entry);
            if (BinaryPrimitives.ReadUInt32BigEndian(tag) != DescriptionTag)
                continue;
            uint offset = BinaryPrimitives.ReadUInt32BigEndian(tag[4..]),
                length = BinaryPrimitives.ReadUInt32BigEndian(tag[8..]);
            if ((ulong)offset + length > (ulong)profile.Length)
                return true;
            ReadOnlySpan<byte> text = profile.Slice((int)offset, (int)length);
            return text.IndexOf("sRGB"u8) >= 0 || text.IndexOf("\0s\0R\0G\0B"u8) >= 0;
        }
        return false;
    }
}
