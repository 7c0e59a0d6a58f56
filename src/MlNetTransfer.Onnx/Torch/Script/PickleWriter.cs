using System.Buffers.Binary;
using System.Text;

namespace MlNetTransfer.Onnx.Torch.Script;

/// <summary>
/// Writes the few opcodes of Python's pickle protocol 2 that torch's archives need. Nothing is memoised.
/// </summary>
internal sealed class PickleWriter
{
    private readonly List<byte> bytes = [];

    public PickleWriter()
    {
        bytes.Add(0x80);
        bytes.Add(2);
    }

    /// <summary>A class or a function.</summary>
    public PickleWriter Global(string module, string name) => Raw($"c{module}\n{name}\n");

    public PickleWriter Text(string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        bytes.Add((byte)'X');
        Number(utf8.Length);
        bytes.AddRange(utf8);
        return this;
    }

    public PickleWriter Flag(bool on)
    {
        bytes.Add((byte)(on ? 0x88 : 0x89));
        return this;
    }

    public PickleWriter Integer(long value)
    {
        if (value is >= 0 and <= byte.MaxValue)
        {
            bytes.Add((byte)'K');
            bytes.Add((byte)value);
        }
        else if (value is >= int.MinValue and <= int.MaxValue)
        {
            bytes.Add((byte)'J');
            Number((int)value);
        }
        else
        {
            Span<byte> number = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(number, value);
            bytes.Add(0x8A);
            bytes.Add(8);
            bytes.AddRange(number);
        }

        return this;
    }

    public PickleWriter Tuple(IReadOnlyList<long> values)
    {
        Raw("(");
        foreach (long value in values)
            Integer(value);
        return Raw("t");
    }

    /// <summary>Opcodes as they are.</summary>
    public PickleWriter Raw(string opcodes)
    {
        bytes.AddRange(Encoding.UTF8.GetBytes(opcodes));
        return this;
    }

    /// <summary>Creates an object of the class on the stack, without arguments.</summary>
    public PickleWriter New()
    {
        Raw(")");
        bytes.Add(0x81);
        return this;
    }

    public byte[] Finish()
    {
        bytes.Add((byte)'.');
        return [.. bytes];
    }

    private void Number(int value)
    {
        Span<byte> number = stackalloc byte[4];
        BinaryPrimitives.WriteInt32LittleEndian(number, value);
        bytes.AddRange(number);
    }
}
