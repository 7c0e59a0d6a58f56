using System.Runtime.InteropServices;

namespace MlNetTransfer.Imaging.Decoding;

/// <summary>GObject's GValue: a type and 16 bytes of content. All zero before <c>g_value_init</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GValue
{
    public nuint Type;
    public long Content0;
    public long Content1;
}
